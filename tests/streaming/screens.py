"""A guard for streams whose outcome is certain: a screen of plain patterns, one label each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from guardsdk import Action, Guard, Policy, Principle, Stage
from guardsdk.policy.actions import Review
from guardsdk.screens.base import OperatingPoints, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from guardsdk.screens.base import Spans
    from guardsdk.surroundings import Surroundings
    from guardsdk.verdict import Verdict

PATTERNS = {
    "value": re.compile(
        r"sk-[a-z0-9]{6,}|\b4\d{3}(?: \d{4}){3}\b|-----BEGIN KEY-----.*?-----END KEY-----|\S+@\S+\.\w+"
        r"|door-\d+(?:\. So ajar)?",  # grows with the sentence after it
        re.DOTALL,
    ),
    "word": re.compile("forbidden"),
    "doubt": re.compile("doubtful"),
    "swap": re.compile("swapped"),
    "again": re.compile("retry"),
    "note": re.compile("noted"),
    "pair": re.compile("first half.*second half", re.DOTALL),
}
ACTIONS = {
    "value": Action.REDACT,
    "word": Action.BLOCK,
    "doubt": Action.REVIEW,
    "swap": Action.REPLACE,
    "again": Action.REVISE,
    "note": Action.FLAG,
    "pair": Action.BLOCK,
}
REPLACEMENT = "Something else."


class Patterns:
    """Scores 1 where a label's pattern is in the text, else 0."""

    name = "patterns"
    operating_points: OperatingPoints = {(label, Stage.OUTPUT): {"default": 0.5} for label in PATTERNS}  # noqa: RUF012  never changed

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        assert stage is Stage.OUTPUT
        assert len(texts) == len(around)
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        def spans(label: str) -> Spans:
            return tuple(found.span() for found in PATTERNS[label].finditer(text))

        return Reading({label: float(bool(spans(label))) for label in PATTERNS}, 1.0, spans)


def policy(*, labels: Iterable[str] = PATTERNS, fallback: str = "deny") -> Policy:
    principles = tuple(
        Principle(
            id=label,
            text=f"No {label}.",
            label=label,
            stages=(Stage.OUTPUT,),
            action=ACTIONS[label],
            replacement=REPLACEMENT if ACTIONS[label] is Action.REPLACE else None,
            review=Review.model_validate({"fallback": fallback}) if ACTIONS[label] is Action.REVIEW else None,
        )
        for label in labels
    )
    return Policy(name="patterns", version="1", principles=principles)


class PatternGuard(Guard):
    """Remembers every text it was asked to check."""

    def __init__(self, models: Path, *, reviewer: object = None, fallback: str = "deny") -> None:
        super().__init__(
            policy(fallback=fallback),
            models=models,
            providers="cpu",
            observers=(),
            cache=0,
            screens=[Patterns()],
            reviewer=reviewer,
        )
        self.texts: list[str] = []
        self.contexts: set[str | None] = set()

    def check_many(self, texts: Iterable[str], **options: Any) -> list[Verdict]:
        items = list(texts)
        self.texts += items
        self.contexts.update(options.get("contexts") or ())
        return super().check_many(items, **options)
