"""Facts shown by artefacts, by name, each with its file and date. A fact that nothing shows is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How far an artefact shows a fact."""

    SHOWN = "shown"
    PARTLY = "partly"
    CONTRARY = "contrary"
    """The artefact shows the opposite."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact and whether it is shown."""

    name: str
    state: State
    says: str
    """One sentence, with figures."""
    source: str | None = None
    """The file it is based on."""
    date: str | None = None
    """Date of the file's content, ISO 8601; ``None`` if it has no date."""


WANTED: Final = {
    "policy.written": "a written policy",
    "policy.described": "reason, limits, references and examples of every principle",
    "policy.tested": "every example of the policy tried with the model",
    "policy.enforced": "a policy that is not in shadow mode",
    "policy.fails_closed": "a policy that holds back what could not be checked",
    "policy.attacks": "principles that hold back injection and jailbreaks from users",
    "policy.documents": "a principle that holds back orders in documents",
    "policy.hidden_text": "a principle that holds back hidden text",
    "policy.harm": "principles that hold back harmful requests and harmful answers",
    "policy.toxicity": "a principle on toxic answers",
    "policy.output": "a principle that holds back harmful answers",
    "policy.secrets": "a principle that cuts out or holds back secrets",
    "policy.personal_data": "a principle on personal data in answers",
    "policy.prompt_leak": "principles that hold back recited instructions",
    "policy.out_of_range": "a principle on text the classifier was not measured on",
    "policy.review": "a principle with action review: a person decides",
    "model.verified": "the classifier's files with the checksums of its manifest",
    "model.card": "the classifier's card",
    "model.measured": "evaluation figures in the classifier's manifest",
    "wrapped.specification": "the wrapped model's specification (--specification FILE)",
    "evaluation.run": "the record of an evaluation run (--evaluation FILE)",
    "evaluation.recent": "an evaluation run of the last 90 days with this policy, classifier and taught screens",
    "evaluation.delta": "two different runs of the same suite compared (--evaluation, twice)",
    "log.sound": "a decision log whose chain holds (--decision-log FILE)",
    "log.kept": "a policy that keeps its decision log for six months or longer",
    "log.statistics": "decisions counted (--decision-log FILE)",
    "monitor.alerts": "alerts of the monitor (--alerts FILE)",
    "incidents.kept": "an incident file whose chain holds (--incidents FILE)",
    "incidents.closed": "incidents that were closed with what was changed",
    "incidents.clocks": "no reporting date of a serious incident overdue",
    "inventory.versions": "versions of packages and of the wrapped model (--wrapped NAME VERSION PROVIDER)",
}
"""Every fact that a row may ask for, in its missing state."""


class Facts:
    """The facts of one dossier."""

    def __init__(self) -> None:
        """Start empty."""
        self._found: dict[str, Fact] = {}

    def add(self, name: str, state: State, says: str, source: str | None = None, date: str | None = None) -> None:
        """Add a fact. Raises ``KeyError`` for an unknown name."""
        if name not in WANTED:
            raise KeyError(name)
        self._found[name] = Fact(name, state, says, source, date)

    def get(self, name: str) -> Fact:
        """Return the fact of that name, missing if nothing shows it."""
        return self._found.get(name) or Fact(name, State.MISSING, WANTED[name])
