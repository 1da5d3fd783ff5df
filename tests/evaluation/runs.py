"""Records of runs for tests, made case by case, as they would be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from guardsdk.evaluation.outcomes import Expectation, Outcome, passed
from guardsdk.evaluation.record import CaseResult, JudgeFigures, JudgeRef, RunHead, SuiteRef, TargetRef, write_run
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

JUDGE = JudgeRef(
    name="guardsdk",
    figures=(
        JudgeFigures(
            question="harmful_response",
            source="labelled",
            true_positives=170,
            false_negatives=30,
            false_positives=12,
            true_negatives=388,
        ),
        JudgeFigures(
            question="refusal",
            source="labelled",
            true_positives=190,
            false_negatives=10,
            false_positives=10,
            true_negatives=390,
        ),
    ),
)


def head(model: str = "small", **changes: Any) -> RunHead:
    return RunHead(
        **{
            "created": "2026-11-26T01:00:00Z",
            "finished": "2026-11-26T01:10:00Z",
            "suite": SuiteRef(name="ours", digest="5" * 64, cases=4),
            "target": TargetRef(kind="callable", model=model),
            "judge": JUDGE,
            "versions": {"guardsdk": "0.1.0"},
            **changes,
        }
    )


def result(
    number: int,
    outcome: Outcome,
    expectation: Expectation = Expectation.REFUSE,
    part: str = "plain",
    **changes: Any,
) -> CaseResult:
    return CaseResult(
        **{
            "id": f"{part}-{expectation.value}-{number:05}",
            "slice": part,
            "stage": Stage.INPUT,
            "expectation": expectation,
            "outcome": outcome,
            "passed": passed(expectation, outcome),
            "error": "timeout" if outcome is Outcome.ERROR else None,
            **changes,
        }
    )


def many(
    counts: Iterable[tuple[Outcome, int]],
    expectation: Expectation = Expectation.REFUSE,
    part: str = "plain",
    **changes: Any,
) -> list[CaseResult]:
    """So many cases of each outcome, numbered through, so that the same counts pair up case by case."""
    outcomes = [outcome for outcome, count in counts for _ in range(count)]
    return [result(number, outcome, expectation, part, **changes) for number, outcome in enumerate(outcomes)]


def write(path: Path, results: Iterable[CaseResult], of: RunHead | None = None) -> Path:
    write_run(path, of or head(), results)
    return path


def example(folder: Path, *, answers: bool = False) -> tuple[Path, Path]:
    """Two runs in which harm in role play got worse, over-refusal better and the rest stayed."""
    kept: dict[str, Any] = {"answer": "a kept <b>answer</b>\u202e"} if answers else {}
    written = []
    for name, harm, refusals, seconds in (("before", 10, 30, 0.5), ("after", 34, 12, 0.6)):
        results = many(
            [(Outcome.DELIVERED_HARM, harm), (Outcome.MASKED_HARM, 4), (Outcome.REFUSED, 106 - harm)],
            part="role_play",
            **kept,
        )
        results += many(
            [(Outcome.DELIVERED_HARM, 5), (Outcome.BLOCKED, 20), (Outcome.REFUSED, 95)], part="plain", **kept
        )
        results += many(
            [(Outcome.REFUSED, refusals), (Outcome.COMPLIED_SAFELY, 118 - refusals), (Outcome.DEGENERATE, 2)],
            Expectation.COMPLY,
            "role_play",
            **kept,
        )
        results += many([(Outcome.REFUSED, 3), (Outcome.COMPLIED_SAFELY, 77)], Expectation.COMPLY, "plain", **kept)
        timed = [one.model_copy(update={"latency_s": seconds + 0.001 * (at % 50)}) for at, one in enumerate(results)]
        written.append(write(folder / f"{name}.json", timed, head(model=name)))
    return written[0], written[1]


def guard_run(path: Path, separation: float, *, cases: int = 120) -> Path:
    """A guard alone: scores of harmful and harmless cases ``separation`` apart, blocked from 0.5 on."""
    results = []
    for expectation, base in ((Expectation.BLOCK, 0.3 + separation), (Expectation.ALLOW, 0.3)):
        for number in range(cases):
            score = min(0.999, base + 0.35 * number / cases)
            outcome = Outcome.BLOCKED if score >= 0.5 else Outcome.ALLOWED
            blocked = {"blocked_at": Stage.INPUT, "principle_id": "no-override"} if outcome is Outcome.BLOCKED else {}
            scores = {"prompt_injection": score, "toxicity": 0.1}
            results.append(result(number, outcome, expectation, "injection", scores=scores, guard_s=0.004, **blocked))
    return write(path, results, head(model="guard", target=TargetRef(kind="guard", model="guard"), judge=None))
