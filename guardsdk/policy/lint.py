"""Finds problems in a valid policy before it is used. Pure: labels and thresholds are passed in."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from guardsdk.errors import PolicyError
from guardsdk.policy.decide import threshold_of
from guardsdk.policy.model import TAUGHT
from guardsdk.policy.reading import nearest
from guardsdk.policy.recalibrating import offered
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from guardsdk.policy.model import Policy, Principle
    from guardsdk.policy.origin import Place
    from guardsdk.policy.recalibrating import OperatingPoints

ENOUGH: Final = 5
"""Examples of each kind that are enough to show where the line is; fewer are worth a note."""
REFERENCES: Final = {
    "OWASP-LLM": r"(0[1-9]|10):2025",
    "NIST-AI-600-1": r":(GV|MP|MS|MG)-\d\.\d{1,2}-\d{3}",
    "ATLAS": r":AML\.(T|M)\d{4}(\.\d{3})?",
    "EU-AI-Act": r":Art\.\d{1,3}(\(\d{1,2}\))?",
    "MLCommons-AILuminate": r":[a-z-]+",
}
"""Catalogues of known references, each with the form of an entry after the name."""


class Level(StrEnum):
    """The severity of a problem."""

    ERROR = "error"
    """The policy does not work as written."""
    WARNING = "warning"
    """It works, but part of it has no effect or cannot be tested."""
    NOTE = "note"
    """Worth knowing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem and its place."""

    level: Level
    rule: str
    """Short name of the rule, such as ``dead``."""
    principle_id: str | None
    message: str
    place: Place | None

    def __str__(self) -> str:
        """Return one line, formatted as by a compiler; it quotes no example."""
        where = "" if self.place is None else f"{self.place}: "
        whose = "" if self.principle_id is None else f"{self.principle_id}: "
        return f"{where}{self.level.value}: {whose}{self.message} [{self.rule}]"


def lint(policy: Policy, points: OperatingPoints) -> tuple[Problem, ...]:
    """Return the problems of ``policy`` on screens that offer ``points``, in the policy's order."""
    found = _Lint(policy, points)
    return (*found.whole(), *(one for number in range(len(policy.principles)) for one in found.principle(number)))


class _Lint:
    def __init__(self, policy: Policy, points: OperatingPoints) -> None:
        self._policy = policy
        self._scored = points
        points = offered(policy.recalibrate, points)
        self._points = points
        self._lines: dict[tuple[int, Stage], float] = {}
        """The threshold of every principle on each of its stages, where it has one."""
        self._broken: list[tuple[int, str, str]] = []
        for number, principle in enumerate(policy.principles):
            # A taught label has no threshold until the guard has learned it from examples or loaded its lesson.
            for stage in () if principle.label.startswith(TAUGHT) else principle.stages:
                try:
                    self._lines[number, stage] = threshold_of(principle, stage, points)
                except PolicyError as error:
                    key = "threshold" if (principle.label, stage) in points else "label"
                    fault = (number, key, str(error))
                    if fault not in self._broken:  # an unknown label would be missing on each of its stages
                        self._broken.append(fault)

    def whole(self) -> Iterator[Problem]:
        """Problems of the policy as a whole."""
        policy = self._policy
        named = {stage for principle in policy.principles for stage in principle.stages}
        if missing := [stage.value for stage in Stage if stage not in named]:
            yield self._at(
                (), Level.NOTE, "stage", f"no principle is for stage {', '.join(missing)}: not checked there"
            )
        if policy.shadow:
            yield self._at(("shadow",), Level.WARNING, "shadow", "shadow mode: every text passes, whatever is found")
        allows = [stage.value for stage in Stage if policy.on_error_for(stage) is Action.ALLOW]
        if allows:
            message = f"on {', '.join(allows)} a text that could not be checked passes"
            yield self._at(("on_error",), Level.NOTE, "on-error", message)
        if policy.decision_log is not None and policy.decision_log.path is None:
            message = "names no path: it has an effect only in a guard that is given one as decision_log"
            yield self._at(("decision_log",), Level.NOTE, "decision-log", message)
        own = {principle.id for principle in policy.principles}
        if gone := [one for one in dict.fromkeys(policy.origin.removed) if one not in own]:
            message = f"takes away what it inherits: {', '.join(gone)}"
            yield self._at(("remove",), Level.NOTE, "removed", message)
        yield from self._recalibrated()

    def _recalibrated(self) -> Iterator[Problem]:
        """Recalibrated labels that no screen scores or no principle uses."""
        asked = {(principle.label, stage) for principle in self._policy.principles for stage in principle.stages}
        for number, one in enumerate(self._policy.recalibrate):
            path, what = ("recalibrate", number, "label"), f"{one.label!r} on {one.stage.value}"
            if (one.label, one.stage) not in self._scored and not one.label.startswith(TAUGHT):
                yield self._at(path, Level.ERROR, "unknown", f"recalibrate[{number}]: no screen scores {what}")
            elif (one.label, one.stage) not in asked:
                message = f"recalibrate[{number}]: no principle asks for {what}"
                yield self._at(path, Level.WARNING, "dead", message)

    def principle(self, number: int) -> Iterator[Problem]:
        """Problems of one principle."""
        for broken, key, message in self._broken:
            if broken == number:
                yield self._of(number, key, Level.ERROR, "unknown", message.partition(": ")[2])
        yield from self._reach(number)
        yield from self._written(number)
        yield from self._examples(number)

    def _reach(self, number: int) -> Iterator[Problem]:
        """Principles that never fire, always fire, or never decide."""
        principle = self._policy.principles[number]
        found = {stage: self._lines[number, stage] for stage in principle.stages if (number, stage) in self._lines}
        if found and all(line >= 1.0 for line in found.values()):
            message = "never fires: no score is above 1, and a calibrated one stays below"
            yield self._of(number, "threshold", Level.WARNING, "dead", message)
        if any(line <= 0.0 for line in found.values()):
            yield self._of(number, "threshold", Level.WARNING, "always", "fires on every text: no score is below 0")
        for stage, line in found.items():
            points = self._points[principle.label, stage]
            strictest = max(points.values())
            if isinstance(principle.threshold, float) and len(points) > 1 and strictest < line < 1.0:
                message = (
                    f"on {stage.value} the threshold {line:g} is above {strictest:g}, the highest that was measured: "
                    "nobody knows how little it catches"
                )
                yield self._of(number, "threshold", Level.WARNING, "unmeasured", message)
        over = {stage: self._decided_by(number, stage) for stage in found}
        if found and all(over.values()):
            names = ", ".join(dict.fromkeys(name for name in over.values() if name))
            message = f"never decides: whenever it fires, so does {names}, which asks for as much or more"
            yield self._of(number, "threshold", Level.WARNING, "dead", message)
        yield from self._against(number, found)
        if principle.degrades and all(self._policy.on_error_for(stage) is Action.ALLOW for stage in principle.stages):
            message = "degrades holds nothing back: on_error is allow on every stage it is for"
            yield self._of(number, "degrades", Level.WARNING, "contradiction", message)

    def _decided_by(self, number: int, stage: Stage) -> str | None:
        """Return the principle that always decides instead of this one, in the order of ``decide``."""
        one, line = self._policy.principles[number], self._lines[number, stage]
        for other, principle in enumerate(self._policy.principles):
            if other == number or principle.label != one.label or (other, stage) not in self._lines:
                continue
            mine, theirs = one.action_for(stage).strength, principle.action_for(stage).strength
            lower = self._lines[other, stage]
            # Among equal actions the larger margin decides, and among equal margins the first principle.
            if lower <= line and (theirs > mine or (theirs == mine and (lower, other) < (line, number))):
                return principle.id
        return None

    def _against(self, number: int, found: Mapping[Stage, float]) -> Iterator[Problem]:
        """Earlier principles with the same threshold and a different action."""
        one = self._policy.principles[number]
        for other, principle in enumerate(self._policy.principles[:number]):
            for stage, line in found.items():
                same = principle.label == one.label and self._lines.get((other, stage)) == line
                if same and principle.action_for(stage) is not one.action_for(stage):
                    message = (
                        f"asks for {one.action_for(stage).value} where {principle.id} asks for "
                        f"{principle.action_for(stage).value}, at the same threshold of {one.label} on {stage.value}"
                    )
                    yield self._of(number, "action", Level.ERROR, "contradiction", message)

    def _written(self, number: int) -> Iterator[Problem]:
        principle = self._policy.principles[number]
        if not principle.refs:
            yield self._of(number, "refs", Level.WARNING, "refs", "names nothing it answers to (refs)")
        for place, ref in enumerate(principle.refs):
            if problem := _reference(ref):
                yield self._of(number, "refs", Level.WARNING, "refs", problem, place)
        for key, what in (("rationale", "why it is there"), ("not_covered", "what it does not cover")):
            if not getattr(principle, key):
                yield self._of(number, key, Level.NOTE, "words", f"does not say {what} ({key})")

    def _examples(self, number: int) -> Iterator[Problem]:
        principle = self._policy.principles[number]
        counts = Counter(example.expect is not Action.ALLOW for example in principle.examples)
        for fires, what in ((True, "it is for"), (False, "it lets pass")):
            if counts[fires] < ENOUGH and principle.label.startswith(TAUGHT):
                message = (
                    f"has {counts[fires]} of {ENOUGH} examples of a text {what} to be taught from: it is of use only "
                    f"with a lesson {principle.label.removeprefix(TAUGHT)!r} (Guard(taught=[...]), --taught FILE)"
                )
                yield self._of(number, "examples", Level.WARNING, "taught", message)
            elif not counts[fires]:
                message = f"has no example of a text {what}: nothing shows where its line is"
                yield self._of(number, "examples", Level.WARNING, "examples", message)
            elif counts[fires] < ENOUGH:
                message = f"has {counts[fires]} of {ENOUGH} examples of a text {what}"
                yield self._of(number, "examples", Level.NOTE, "examples", message)
        yield from self._repeated_examples(number)

    def _repeated_examples(self, number: int) -> Iterator[Problem]:
        """Examples that repeat the same text in the same place."""
        principle = self._policy.principles[number]

        def case(at: int) -> tuple[str, str, str, str]:
            one = principle.examples[at]
            return (one.stage or principle.stages[0]).value, one.context or "", one.system or "", one.text

        def expected(at: int) -> str:
            return principle.examples[at].expect.value

        order = sorted(range(len(principle.examples)), key=lambda at: (case(at), expected(at)))
        for before, after in pairwise(order):
            if case(before) != case(after):
                continue
            message = f"examples[{before}] and examples[{after}] are the same text"
            if expected(before) == expected(after):
                yield self._of(number, "examples", Level.NOTE, "examples", message, after)
            else:
                message += " and expect different things"
                yield self._of(number, "examples", Level.ERROR, "contradiction", message, after)

    def _of(self, number: int, key: str, level: Level, rule: str, message: str, *below: int) -> Problem:
        place = self._policy.origin.at("principles", number, key, *below)
        return Problem(level, rule, self._policy.principles[number].id, message, place)

    def _at(self, path: tuple[str | int, ...], level: Level, rule: str, message: str) -> Problem:
        return Problem(level, rule, None, message, self._policy.origin.at(*path))


def _reference(ref: str) -> str | None:
    """Return what is wrong with a reference to a known catalogue; ``None`` also for unknown catalogues."""
    name = next((name for name in REFERENCES if ref.startswith(name)), None)
    if name is not None:
        return None if re.fullmatch(REFERENCES[name], ref.removeprefix(name)) else f"{ref!r} is no entry of {name}"
    catalogue = ref.partition(":")[0].rstrip("0123456789")
    hint = nearest(catalogue, REFERENCES)
    return f"{ref!r}: {hint}" if hint.startswith("did you mean") else None


def worst(problems: tuple[Problem, ...]) -> Level | None:
    """Return the most severe level; ``None`` if there is no problem."""
    return next((level for level in Level if any(one.level is level for one in problems)), None)


def described(principle: Principle) -> bool:
    """Whether a principle says everything the packaged ones say: reason, limits, references, examples of both kinds."""
    counts = Counter(example.expect is not Action.ALLOW for example in principle.examples)
    whole = principle.rationale and principle.not_covered and principle.refs
    return bool(whole) and min(counts[True], counts[False]) >= ENOUGH
