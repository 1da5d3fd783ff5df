"""What artefacts show: facts by name, each with the file and the date it rests on. A fact nobody showed is missing."""

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
    """One thing that is shown or not."""

    name: str
    state: State
    says: str
    """In one sentence, with figures."""
    source: str | None = None
    """The file it rests on."""
    date: str | None = None
    """Of what the file says, ISO 8601; none where it says no date."""


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
"""Every fact a row may ask for, as what is missing where nobody shows it."""


class Facts:
    """The facts of one dossier."""

    def __init__(self) -> None:
        """Begin with none."""
        self._found: dict[str, Fact] = {}

    def add(self, name: str, state: State, says: str, source: str | None = None, date: str | None = None) -> None:
        """Add one. Raises ``KeyError`` for a name that nothing asks for."""
        if name not in WANTED:
            raise KeyError(name)
        self._found[name] = Fact(name, state, says, source, date)

    def get(self, name: str) -> Fact:
        """Return the fact of that name, missing where nobody showed it."""
        return self._found.get(name) or Fact(name, State.MISSING, WANTED[name])
