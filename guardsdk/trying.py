"""Tries out policies: one on its own examples, or two on the same texts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from guardsdk.parts.many import check_each
from guardsdk.verdict import Action, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardsdk.guard import Guard
    from guardsdk.policy.model import Policy, Principle
    from guardsdk.policy.origin import Place
    from guardsdk.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of trying one example."""

    principle_id: str
    number: int
    """Index of the example within its principle."""
    stage: Stage
    expect: Action
    found: Action | None
    """The principle's action if it fired, else ``allow``; ``None`` if the check was incomplete."""
    score: float | None
    threshold: float | None
    place: Place | None
    """Where the example is written."""
    digest: str
    """The first 16 hexadecimal digits of a SHA-256 of the example: identifies it without its text."""
    problem: str | None = None
    """Why it could not be tried, if so."""

    @property
    def right(self) -> bool:
        """Whether the principle did what the example expects."""
        return self.found is self.expect

    @property
    def name(self) -> str:
        """Its name in a list of known misses."""
        return f"{self.principle_id}:{self.digest}"


def quiet(policy: Policy) -> Policy:
    """Return a copy for trying things out: it decides the same, and logs nothing."""
    return policy.model_copy(update={"decision_log": None, "monitor": None})


def try_examples(guard: Guard) -> tuple[Tried, ...]:
    """Check every example of the guard's policy, in order, against its own principle.

    An example is about its principle only: another principle may block the same text. Texts are checked whole, using
    the guard's cache if it has one. Raises ``PolicyError`` if the policy does not fit the guard.
    """
    canary = guard.canary()
    return tuple(
        one
        for number, principle in enumerate(guard.policy.principles)
        for one in _of_principle(guard, number, principle, canary)
    )


def _of_principle(guard: Guard, number: int, principle: Principle, canary: str) -> Iterator[Tried]:
    by_stage: dict[Stage, list[int]] = {}
    for at, example in enumerate(principle.examples):
        by_stage.setdefault(example.stage or principle.stages[0], []).append(at)
    found: dict[int, Tried] = {}
    for stage, places in by_stage.items():
        examples = [principle.examples[at] for at in places]
        verdicts = check_each(
            guard,
            [example.text_with(canary) for example in examples],
            stage=stage,
            contexts=[example.context for example in examples],
            systems=[example.system for example in examples],
        )
        for at, verdict in zip(places, verdicts, strict=True):
            place = guard.policy.origin.at("principles", number, "examples", at)
            found[at] = _tried(principle, at, stage, verdict, place)
    yield from (found[at] for at in sorted(found))


def _tried(principle: Principle, at: int, stage: Stage, verdict: Verdict, place: Place | None) -> Tried:
    example = principle.examples[at]
    mine = next((one for one in verdict.evaluations if one.principle_id == principle.id), None)
    problem = None
    if verdict.status is Status.FAILED or mine is None:
        problem = verdict.error or "; ".join(verdict.degraded_reasons) or "nothing to check: no visible character"
    fired = principle.action_for(stage) if mine is not None and mine.fired else Action.ALLOW
    tried = json.dumps([stage.value, example.context, example.system, example.text])
    return Tried(
        principle_id=principle.id,
        number=at,
        stage=stage,
        expect=example.expect,
        found=None if problem else fired,
        score=None if mine is None else mine.score,
        threshold=None if mine is None else mine.threshold,
        place=place,
        digest=hashlib.sha256(tried.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        problem=problem,
    )


@dataclass(frozen=True, slots=True)
class Tally:
    """The results on the examples of one principle."""

    principle_id: str
    fires: int
    """Examples on which it should fire."""
    fired: int
    """How many of those it fired on."""
    passes: int
    """Examples it should let pass."""
    passed: int
    unchecked: int


def tallies(tried: Sequence[Tried]) -> tuple[Tally, ...]:
    """Count the results by principle, in order; principles without examples are left out."""
    found = []
    for identifier, group in groupby(tried, key=lambda one: one.principle_id):
        mine = list(group)
        fires = [one for one in mine if one.expect is not Action.ALLOW]
        passes = [one for one in mine if one.expect is Action.ALLOW]
        found.append(
            Tally(
                principle_id=identifier,
                fires=len(fires),
                fired=sum(one.right for one in fires),
                passes=len(passes),
                passed=sum(one.right for one in passes),
                unchecked=sum(one.problem is not None for one in mine),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Decided:
    """What one policy decides on one text."""

    action: Action
    """In shadow mode, the action without it."""
    principle_id: str | None
    margin: float | None
    """The margin of the principle that decided."""
    status: Status

    @property
    def blocked(self) -> bool:
        """Whether the text may not pass unchanged."""
        return not self.action.passes


@dataclass(frozen=True, slots=True)
class Compared:
    """One text under both policies."""

    before: Decided
    after: Decided

    @property
    def changed(self) -> bool:
        """Whether the action or the deciding principle differs."""
        return (self.before.action, self.before.principle_id) != (self.after.action, self.after.principle_id)


def compare(
    before: Guard, after: Guard, texts: Sequence[str], *, stage: Stage | str, contexts: Sequence[str | None] | None
) -> Iterator[Compared]:
    """Check ``texts`` with both guards and yield each pair of decisions, in order. Raises as ``check_many`` does."""
    pairs = zip(
        before.check_many(texts, stage=stage, contexts=contexts),
        after.check_many(texts, stage=stage, contexts=contexts),
        strict=True,
    )
    for old, new in pairs:
        yield Compared(_decided(old), _decided(new))


def _decided(verdict: Verdict) -> Decided:
    margin = next((one.margin for one in verdict.findings if one.principle_id == verdict.principle_id), None)
    return Decided(verdict.would_action or verdict.action, verdict.principle_id, margin, verdict.status)
