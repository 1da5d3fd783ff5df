"""A guard with a screen of its own that knows codes such as ``sk-123``, and policies on what follows them."""

from __future__ import annotations

import functools
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardsdk.guard import Guard
from guardsdk.policy import Policy, Principle
from guardsdk.screens.base import OperatingPoints, Reading
from guardsdk.verdict import Stage
from tests.recording import Recorder
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.screens.base import Spans
    from guardsdk.surroundings import Surroundings

PATTERNS = {
    "code": r"sk-\d+",
    "name": r"Ann[a-z]*|\d+ Elm St",
    "plan": r"plan [a-z]+",
    "planb": r"n b\w+",
    "marked": r"\[CODE_1",
    # Any text about codes that does not also speak of the rule, as one does that was asked for again:
    "stubborn": r"sk-\d+(?!.*RULE)",
    "word": r"\bplan\b",
    "split": r"plan\s*bombs",
    "lines": r"BEGIN.*?END",
    "nothing": r"(?!)",
}


class PatternScreen:
    """Scores 1 where a label's pattern is found, with every place as a passage."""

    name = "patterns"

    def __init__(self) -> None:
        self.operating_points: OperatingPoints = {
            (label, stage): {"default": 0.5} for label in PATTERNS for stage in Stage
        }
        self.around: list[Surroundings] = []

    def read(self, texts: Sequence[str], stage: Stage, surroundings: Sequence[Surroundings]) -> list[Reading]:
        del stage
        self.around += surroundings
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        found = {
            label: [one.span() for one in re.finditer(pattern, text, re.DOTALL)] for label, pattern in PATTERNS.items()
        }

        def spans(label: str) -> Spans:
            return tuple(found[label])

        return Reading({label: float(bool(places)) for label, places in found.items()}, 1.0, spans)


def principle(action: str | dict[str, str], *stages: Stage, label: str = "code", **options: Any) -> Principle:
    if action == "replace":
        options.setdefault("replacement", "Something else.")
    return Principle.model_validate(
        {
            "id": f"{action}-{label}" if isinstance(action, str) else label,
            "text": f"There must be no {label}.",
            "label": label,
            "stages": stages or (Stage.INPUT,),
            "action": action,
            **options,
        }
    )


@functools.cache
def _tiny_model() -> Path:
    """A model that no principle asks; a guard does not load without one."""
    return write_model(Path(tempfile.mkdtemp()) / "tiny")


class ActingGuard(Guard):
    """Follows the given principles only, and remembers every check."""

    def __init__(self, *principles: Principle, **options: Any) -> None:
        self.recorder = Recorder()
        screen = PatternScreen()
        self.around = screen.around
        quiet = principle("flag", *Stage, label="nothing")  # a stage without a principle could not be checked
        policy = Policy(name="acting", version="1", principles=(*principles, quiet), **options.pop("policy", {}))
        super().__init__(
            policy,
            models=options.pop("models", None) or _tiny_model(),
            providers="cpu",
            cache=0,
            observers=[self.recorder],
            screens=[screen],
            **options,
        )

    @property
    def seen(self) -> list[tuple[str, str]]:
        """Stage and action of every check."""
        return [(record.verdict.stage.value, record.verdict.action.value) for record in self.recorder.records]


def guard_of(action: str | dict[str, str], *stages: Stage, label: str = "code", **options: Any) -> ActingGuard:
    own = {name: options.pop(name) for name in ("reviewer", "shadow", "max_chars", "policy") if name in options}
    return ActingGuard(principle(action, *stages, label=label, **options), **own)
