"""Reads two records together: whether they are comparable, and the outcomes of each case in both.

A record may have a hundred thousand results with their answers; only what is counted is kept in memory.
"""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.disk import path_of
from guardsdk.errors import EvaluationError
from guardsdk.evaluation.outcomes import Expectation, Outcome
from guardsdk.evaluation.record import open_run

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from guardsdk.evaluation.record import CaseResult, RunHead

DIFFERENCES: Final = ("suite", "judge", "seed", "parameters")
"""What may not differ between two runs unless explicitly allowed."""


class Brief(NamedTuple):
    """What is kept of one result."""

    slice: str
    expectation: Expectation
    outcome: Outcome
    why: str
    """The principle that blocked and where, or empty."""
    latency_s: float
    """NaN if unknown."""
    guard_s: float
    doubtful: bool


@dataclass(slots=True)
class Scores:
    """One label's scores, each with whether the case should be found."""

    values: array[float] = field(default_factory=lambda: array("d"))
    harmful: array[int] = field(default_factory=lambda: array("b"))


@dataclass(frozen=True, slots=True)
class Condensed:
    """A record without its texts."""

    path: Path
    head: RunHead
    cases: Mapping[str, Brief]
    scores: Mapping[str, Scores]
    """By label; of a guard alone, or of one around a model where there are any."""


def condensed(path: str | Path) -> Condensed:
    """Read the record at ``path``.

    Raises:
        EvaluationError: It is not a complete record of a finished run, or it has a case twice.
        InputTypeError: ``path`` is no path.
        OSError: It cannot be read.
    """
    path = path_of(path, "path")
    cases: dict[str, Brief] = {}
    scores: dict[str, Scores] = {}
    with open_run(path) as (head, results):
        if head.finished is None:
            msg = f"{path}: the run has not ended; run it again with the same --out to finish it"
            raise EvaluationError(msg)
        for result in results:
            if result.id in cases:
                msg = f"{path}: the case {result.id!r} is there twice: no run writes that, so make the record anew"
                raise EvaluationError(msg)
            cases[result.id] = _brief(result)
            if result.outcome is not Outcome.ERROR:
                harmful = result.expectation.of_guard is Expectation.BLOCK
                for label, value in (result.scores if head.alone else result.guard_scores).items():
                    kept = scores.setdefault(label, Scores())
                    kept.values.append(value)
                    kept.harmful.append(harmful)
    return Condensed(path, head, cases, scores)


def _brief(result: CaseResult) -> Brief:
    why = f"{result.principle_id} at {result.blocked_at.value}" if result.blocked_at and result.principle_id else ""
    missing = float("nan")
    return Brief(
        sys.intern(result.slice),
        result.expectation,
        result.outcome,
        sys.intern(why),
        missing if result.latency_s is None else result.latency_s,
        missing if result.guard_s is None else result.guard_s,
        bool(result.doubts),
    )


def answers(path: str | Path, wanted: Collection[str]) -> dict[str, str]:
    """Return the answers of the cases ``wanted`` in the record at ``path``. Raises as ``condensed`` does."""
    with open_run(path) as (_, results):
        return {result.id: result.answer for result in results if result.answer is not None and result.id in wanted}


def allowed_differences(before: Condensed, after: Condensed, allowed: Collection[str] = ()) -> list[str]:
    """Return, in words, the allowed differences between the runs.

    Args:
        before: One run.
        after: The other.
        allowed: Names of ``DIFFERENCES`` that may differ.

    Raises:
        EvaluationError: The runs do not measure the same thing, so that a comparison would be meaningless; the message
            says what differs.
    """
    if unknown := [name for name in allowed if name not in DIFFERENCES]:
        msg = f"nothing called {unknown[0]!r} can differ; there are {', '.join(DIFFERENCES)}"
        raise EvaluationError(msg)
    if before.head.alone is not after.head.alone:
        msg = "one run is of a guard alone and the other of a model: they measure different things"
        raise EvaluationError(msg)
    found = _differences(before.head, after.head)
    if refused := [f"{name}: {found[name]}" for name in found if name not in allowed]:
        names = " ".join(f"--allow-different {name}" for name in found if name not in allowed)
        msg = f"the runs do not compare: {'; '.join(refused)}. If that is what you mean to compare, add {names}"
        raise EvaluationError(msg)
    common = before.cases.keys() & after.cases.keys()
    missing = len(before.cases.keys() ^ after.cases.keys())
    if not common or (missing and "suite" not in allowed):
        msg = f"{missing} cases are in one record and not in the other, {len(common)} are in both"
        raise EvaluationError(msg)
    for name in common:
        one, other = before.cases[name], after.cases[name]
        if (one.slice, one.expectation) != (other.slice, other.expectation):
            msg = f"the case {name!r} has another slice or expectation in the other record"
            raise EvaluationError(msg)
    notes = [f"{name} differs, as was allowed: {found[name]}" for name in found]
    if missing:
        notes.append(f"{missing} cases are in one run only and were left out")
    versions = [
        f"{name} {old} and {after.head.versions.get(name, 'not named')}"
        for name, old in before.head.versions.items()
        if after.head.versions.get(name) != old
    ]
    return notes + ([f"the runs were made by other versions: {', '.join(versions)}"] if versions else [])


def _differences(before: RunHead, after: RunHead) -> dict[str, str]:
    found: dict[str, str] = {}
    if before.suite.digest != after.suite.digest:
        one, other = before.suite, after.suite
        found["suite"] = f"{one.name} {one.digest[:12]} and {other.name} {other.digest[:12]}"
    if before.judge != after.judge:
        one_judge, other_judge = (head.judge.name if head.judge else "none" for head in (before, after))
        same = one_judge == other_judge
        found["judge"] = f"{one_judge} in two versions" if same else f"{one_judge} and {other_judge}"
    if before.seed != after.seed:
        found["seed"] = f"{before.seed} and {after.seed}"
    if before.target.parameters != after.target.parameters:
        keys = before.target.parameters.keys() | after.target.parameters.keys()
        unequal = sorted(k for k in keys if before.target.parameters.get(k) != after.target.parameters.get(k))
        found["parameters"] = f"of the target: {', '.join(unequal)}"
    return found
