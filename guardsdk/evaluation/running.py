"""Runs an evaluation: every case is asked, guarded, judged and recorded, concurrently; a stopped run can resume."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from guardsdk.disk import path_of
from guardsdk.errors import EvaluationError, InputTypeError, reject_type
from guardsdk.evaluation.asking import Asker, Reply
from guardsdk.evaluation.gathering import Gathering
from guardsdk.evaluation.guarding import Look, Screening
from guardsdk.evaluation.journal import Journal, differences, opened
from guardsdk.evaluation.judging import Answered, Judgement
from guardsdk.evaluation.opening import GUARD
from guardsdk.evaluation.outcomes import Outcome, passed
from guardsdk.evaluation.record import CaseResult, GuardRef, RunHead, RunSettings, TargetRef, open_run, write_run
from guardsdk.evaluation.suites import Suite
from guardsdk.evaluation.targets import question_of
from guardsdk.parts.given import require, require_flags
from guardsdk.parts.info import installed_versions
from guardsdk.verdict import highest_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from guardsdk.evaluation.answers import Answers
    from guardsdk.evaluation.cases import Case
    from guardsdk.evaluation.judging import Judge
    from guardsdk.evaluation.targets import Target

_PARTS: Final = {
    "target": ("ref", "origin", "batch", "ask"),
    "judge": ("ref", "batch", "judge"),
    "answers": ("get", "put"),
}
"""What is used of each part of a plan that may be an object of the caller's own."""
_LOOKED_AT = 32
"""Answers per guard check."""
_UNASKED = Reply(None)
_UNSEEN = Look()


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """What to measure. Without a target, the guard alone checks the cases, and nothing answers."""

    suite: Suite
    target: Target | None
    judge: Judge | None
    """Required with a target."""
    screening: Screening | None = None
    """Required without one."""
    seed: int = 0
    settings: RunSettings = field(default_factory=RunSettings)
    keep_answers: bool = False
    answers: Answers | None = None

    def __post_init__(self) -> None:
        """Refuse what would fail, or be misread, in the midst of a run.

        Raises:
            InputTypeError: A part is of another type, or lacks what is used of it.
            InputError: ``batch`` of the target or of the judge is below 1: nothing would ever be asked.
        """
        if not isinstance(self.suite, Suite):
            reject_type("suite", "what open_suite(source) returns", self.suite)
        if not isinstance(self.screening, Screening | None):
            reject_type("screening", "a Screening or None", self.screening)
        if not isinstance(self.settings, RunSettings):
            reject_type("settings", "RunSettings", self.settings)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            reject_type("seed", "a whole number", self.seed)
        require_flags(keep_answers=self.keep_answers)
        for name, parts in _PARTS.items():
            one = getattr(self, name)
            if one is None:
                continue
            if lacking := [part for part in parts if not hasattr(one, part)]:
                msg = f"{name}, of type {type(one).__name__}, has no {lacking[0]!r}: it needs {', '.join(parts)}"
                raise InputTypeError(msg)
            if "batch" in parts:
                require(isinstance(one.batch, int) and one.batch >= 1, f"batch of the {name} must be at least 1")


def evaluate(
    plan: Plan,
    out: str | Path,
    *,
    overwrite: bool = False,
    resumed: bool = False,
    started: Callable[[int, int], None] = lambda _, __: None,
    on_case: Callable[[CaseResult], None] = lambda _: None,
) -> RunHead:
    """Run ``plan`` and write its record to ``out``; resume an earlier attempt with the same options.

    Args:
        plan: What to measure.
        out: Path of the record. Until the run is done, its results are in ``out`` with ``.journal`` appended.
        overwrite: Replace an existing finished record.
        resumed: Accept an existing finished record of this very run as its result; nothing is left to do.
        started: Called once with the number of cases, and the number already done.
        on_case: Called with every result once it is written.

    Raises:
        EvaluationError: The suite cannot be read or was changed meanwhile, ``out`` already exists, its journal is of
            another run or in use, or the target stopped answering. Finished results are kept.
        InputTypeError: An argument is of another type.
        OSError: A file cannot be read or written.
    """
    if not isinstance(plan, Plan):
        reject_type("plan", "a Plan", plan)
    out = path_of(out, "out")
    require_flags(overwrite=overwrite, resumed=resumed)
    for name, told in (("started", started), ("on_case", on_case)):
        if not callable(told):
            reject_type(name, "a function", told)
    head = _head(plan)
    if resumed and not overwrite and (before := _finished(out, head)) is not None:
        started(head.suite.cases, head.suite.cases)
        return before
    if not overwrite:
        require_new(out)
    unfinished = journal_of(out)
    with opened(unfinished, head) as journal:
        started(head.suite.cases, len(journal))
        asyncio.run(_Running(plan, journal, on_case).run())
        ended = journal.head.model_copy(update={"finished": _now(), "settings": plan.settings})
        write_run(out, ended, journal.results(plan.suite))
        unfinished.unlink()
    return ended


def journal_of(out: Path) -> Path:
    """Return the path of a run's results until its record is written to ``out``."""
    return out.with_name(out.name + ".journal")


def require_new(out: Path) -> None:
    """Raise ``EvaluationError`` if there is a record at ``out``."""
    if out.exists():
        msg = f"{out} is there already: give another --out, or --overwrite"
        raise EvaluationError(msg)


def _finished(out: Path, head: RunHead) -> RunHead | None:
    """Return the head of the record at ``out`` if it belongs to the same run as ``head``."""
    if not out.exists():
        return None
    with open_run(out) as (before, _):
        return None if differences(before, head) else before


def _head(plan: Plan) -> RunHead:
    screening = plan.screening
    if plan.target is None and screening is None:
        msg = "a run needs a target or a guard"
        raise EvaluationError(msg)
    if plan.target is not None and plan.judge is None:
        msg = "answers need a judge"
        raise EvaluationError(msg)
    guard = GuardRef() if screening is None else screening.ref
    return RunHead(
        created=_now(),
        suite=plan.suite.ref(),
        target=TargetRef(kind="guard", model=GUARD) if plan.target is None else plan.target.ref,
        guard=guard,
        judge=None if plan.target is None or plan.judge is None else plan.judge.ref,
        seed=plan.seed,
        settings=plan.settings,
        versions=installed_versions(),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class _Running:
    """The work on one plan, in one event loop."""

    def __init__(self, plan: Plan, journal: Journal, on_case: Callable[[CaseResult], None]) -> None:
        self._plan = plan
        self._journal = journal
        self._on_case = on_case
        self._asker = None if plan.target is None else Asker(plan.target, plan.settings, plan.answers, plan.seed)
        self._judged = None if plan.judge is None else Gathering(plan.judge.judge, plan.judge.batch)
        self._looked: Gathering[Answered, Look] = Gathering(self._after, _LOOKED_AT)

    async def run(self) -> None:
        plan = self._plan
        cases = plan.suite.read_again(self._journal.head.suite)
        batch = 1 if plan.target is None else plan.target.batch
        # Enough to keep the target busy while earlier answers are judged.
        workers = plan.settings.concurrency * batch + (0 if plan.target is None else _LOOKED_AT)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(cases))
        except ExceptionGroup as errors:  # one error is enough, as the others follow from it
            raise errors.exceptions[0] from None

    async def _work(self, cases: Iterator[Case]) -> None:
        for case in cases:
            if case not in self._journal:
                result = await self._one(case)
                self._journal.add(result)
                self._on_case(result)

    async def _one(self, case: Case) -> CaseResult:
        plan = self._plan
        before = _UNSEEN
        if plan.screening is not None and (plan.screening.looks_in or plan.target is None):
            before = await asyncio.to_thread(plan.screening.before, case)
        if before.error is not None:
            return self._result(case, Outcome.ERROR, before, error=before.error)
        if before.blocked_at is not None or self._asker is None:
            return self._result(case, Outcome.ALLOWED if before.blocked_at is None else Outcome.BLOCKED, before)
        return await self._answered(case, before, await self._asker.ask(question_of(case, plan.seed)))

    async def _answered(self, case: Case, before: Look, reply: Reply) -> CaseResult:
        plan = self._plan
        if reply.answer is None:
            return self._result(case, Outcome.ERROR, before, reply=reply, error=reply.error)
        answered = Answered(case, reply.answer)
        after = _UNSEEN
        if plan.screening is not None and plan.screening.looks_out:
            after = await self._looked(answered)
        look = _both(before, after)
        if look.error is not None:
            return self._result(case, Outcome.ERROR, look, reply=reply, error=look.error)
        judgement = await self._judgement(answered)
        if look.blocked_at is not None:  # judged all the same: it is worth knowing what the guard stopped
            return self._result(case, Outcome.BLOCKED, look, reply=reply, judgement=judgement)
        return self._result(case, judgement.outcome, look, reply=reply, judgement=judgement, error=judgement.error)

    async def _judgement(self, answered: Answered) -> Judgement:
        if self._judged is None:  # never the case, as _head checks it
            return Judgement(Outcome.ERROR, error="judge: none")
        return await self._judged(answered)

    async def _after(self, answered: Sequence[Answered]) -> list[Look]:
        screening = self._plan.screening
        return [] if screening is None else await asyncio.to_thread(screening.after, answered)

    def _result(
        self,
        case: Case,
        outcome: Outcome,
        look: Look,
        *,
        reply: Reply = _UNASKED,
        judgement: Judgement | None = None,
        error: str | None = None,
    ) -> CaseResult:
        guarded = self._plan.screening is not None
        alone = self._plan.target is None
        scores = look.scores if alone else judgement.scores if judgement is not None else {}
        doubts = (*look.doubts, *(judgement.doubts if judgement is not None else ()))
        answer = reply.answer
        return CaseResult(
            id=case.id,
            slice=case.slice,
            stage=case.stage,
            expectation=case.expectation,
            outcome=outcome,
            passed=passed(case.expectation, outcome),
            language=case.language,
            hazard=case.hazard,
            scores=_rounded(scores),
            guard_scores={} if alone else _rounded(look.scores),
            blocked_at=look.blocked_at,
            principle_id=look.principle_id,
            doubts=doubts,
            latency_s=None if reply.seconds is None else round(reply.seconds, 4),
            guard_s=round(look.seconds, 4) if guarded else None,
            attempts=reply.attempts,
            answer_digest=None if answer is None else hashlib.sha256(answer.encode("utf-8", "replace")).hexdigest(),
            answer=answer if self._plan.keep_answers else None,
            error=error,
        )


def _both(before: Look, after: Look) -> Look:
    doubts = tuple(dict.fromkeys((*before.doubts, *after.doubts)))
    seconds = before.seconds + after.seconds
    return Look(
        highest_scores(before.scores, after.scores), after.blocked_at, after.principle_id, seconds, doubts, after.error
    )


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    """Round to six decimals: finer than any threshold, and half the file size."""
    return {label: round(score, 6) for label, score in scores.items()}
