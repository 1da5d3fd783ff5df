from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.errors import EvaluationError
from guardsdk.evaluation import report
from guardsdk.evaluation.compare import Comparison, compare
from guardsdk.evaluation.metrics import METRICS, Sight
from guardsdk.evaluation.outcomes import Expectation, Outcome
from guardsdk.evaluation.pairing import answers, condensed
from guardsdk.evaluation.record import JudgeRef, SuiteRef, TargetRef, read_run
from guardsdk.render.document import as_html
from tests.evaluation.runs import JUDGE, example, guard_run, head, many, result, write

if TYPE_CHECKING:
    from pathlib import Path


def compared(before: Path, after: Path, *allowed: str) -> Comparison:
    return compare(condensed(before), condensed(after), allowed=allowed)


def test_rates_and_differences_are_those_of_the_cases(tmp_path: Path) -> None:
    found = compared(*example(tmp_path))
    harm = found.slices["harm.delivered"]["role_play"]
    assert harm.rate(after=False).rate == pytest.approx(14 / 110)
    assert harm.rate(after=True).rate == pytest.approx(38 / 110)
    assert (harm.pairs.lost, harm.pairs.gained) == (0, 24)
    assert harm.verdict() == "worse"
    assert found.slices["harm.delivered"]["plain"].verdict() == "no clear change"
    assert found.overall["over_refusal"].verdict() == "better"
    assert found.overall["passed"].pairs.total == found.cases == 430
    assert found.overall["harm.masked"].rate(after=True).hits == 4


def test_a_slice_that_changed_stands_after_adjusting_and_one_that_did_not_does_not(tmp_path: Path) -> None:
    adjusted = compared(*example(tmp_path)).adjusted("harm.delivered")
    assert adjusted["role_play"][0] < 0.001
    assert adjusted["plain"] == (1.0, 1.0)


def test_flips_are_the_cases_that_changed_sides_worse_ones_first(tmp_path: Path) -> None:
    flips = compared(*example(tmp_path)).flips
    assert len([flip for flip in flips if flip.worse]) == 24
    assert [flip.worse for flip in flips] == sorted((flip.worse for flip in flips), reverse=True)
    assert flips[0].before is Outcome.REFUSED
    assert flips[0].after in (Outcome.DELIVERED_HARM, Outcome.MASKED_HARM)


def test_the_judges_error_is_taken_out_where_it_was_measured(tmp_path: Path) -> None:
    before, after = example(tmp_path)
    harm = compared(before, after).slices["harm.delivered"]["role_play"]
    raw, corrected = harm.difference(), harm.corrected_difference()
    assert corrected is not None
    assert corrected.value == pytest.approx(raw.value / (0.85 + 0.97 - 1), rel=1e-6)
    assert corrected.high - corrected.low > raw.high - raw.low
    unmeasured = [
        write(path, read_run(path).results, head(judge=JudgeRef(name="own:judge"))) for path in (before, after)
    ]
    assert compared(unmeasured[0], unmeasured[1]).overall["harm.delivered"].corrected_difference() is None


def test_where_the_judges_error_does_not_fit_what_was_seen_nothing_is_corrected(tmp_path: Path) -> None:
    run = condensed(write(tmp_path / "a", many([(Outcome.DELIVERED_HARM, 198), (Outcome.REFUSED, 2)])))
    harm = compare(run, run).overall["harm.delivered"]  # this judge finds 85 %, and cannot see 99 %
    assert not harm.correctable
    assert harm.corrected(after=True) is None
    assert harm.corrected_difference() is None
    assert "A judge with the error it had on labelled texts cannot see" in as_html(report.of_two(compare(run, run)))


def test_a_case_with_an_error_counts_as_an_error_and_nowhere_else(tmp_path: Path) -> None:
    before = write(tmp_path / "a", many([(Outcome.REFUSED, 10)]))
    after = write(tmp_path / "b", many([(Outcome.ERROR, 4), (Outcome.REFUSED, 6)]))
    found = compared(before, after)
    assert found.overall["errors"].rate(after=True).hits == 4
    assert found.overall["harm.delivered"].pairs.total == 6
    assert found.flips == ()
    assert found.notes[0].startswith("4 of 10 cases have no result in one run or both, and are in no rate but errors")
    assert compared(before, before).notes == ()


def test_of_a_guard_alone_harm_cannot_be_delivered_and_curves_can_be_drawn(tmp_path: Path) -> None:
    found = compared(guard_run(tmp_path / "a", 0.1), guard_run(tmp_path / "b", 0.3))
    assert "harm.delivered" not in found.overall
    assert found.overall["harm.held_back"].verdict() == "better"
    before, after = found.curves["prompt_injection"]
    assert before is not None
    assert after is not None
    strict = [curve.at_most(0.01) for curve in (before, after)]
    assert all(point is not None for point in strict)
    assert strict[0].recall.rate < strict[1].recall.rate  # type: ignore[union-attr]
    assert found.latencies[0].name == "guard"


def test_times_are_compared_case_by_case(tmp_path: Path) -> None:
    (times,) = compared(*example(tmp_path)).latencies
    assert times.at(50, after=True) - times.at(50, after=False) == pytest.approx(0.1)
    assert times.change(50).low > 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (
            {"suite": SuiteRef(name="other", digest="6" * 64, cases=4)},
            "suite: ours 555555555555 and other 666666666666",
        ),
        ({"judge": JUDGE.model_copy(update={"name": "own:judge"})}, "judge: guardsdk and own:judge"),
        ({"judge": JUDGE.model_copy(update={"figures": ()})}, "judge: guardsdk in two versions"),
        ({"seed": 1}, "seed: 0 and 1"),
        (
            {"target": TargetRef(kind="model", model="m", parameters={"temperature": 1})},
            "parameters: of the target: temp",
        ),
    ],
)
def test_runs_that_measure_something_else_are_refused_unless_it_is_said(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    before = write(tmp_path / "a", many([(Outcome.REFUSED, 4)]))
    after = write(tmp_path / "b", many([(Outcome.REFUSED, 4)]), head(**changes))
    with pytest.raises(EvaluationError, match=named) as caught:
        compared(before, after)
    name = named.partition(":")[0]
    assert f"--allow-different {name}" in str(caught.value)
    assert f"{name} differs, as was allowed" in compared(before, after, name).notes[0]


def test_a_judge_that_differs_gives_no_corrected_figures(tmp_path: Path) -> None:
    before = write(tmp_path / "a", many([(Outcome.REFUSED, 4)]))
    after = write(tmp_path / "b", many([(Outcome.REFUSED, 4)]), head(judge=JUDGE.model_copy(update={"figures": ()})))
    assert compared(before, after, "judge").overall["harm.delivered"].error is None


def test_what_can_never_be_compared_is_refused(tmp_path: Path) -> None:
    model, guard = write(tmp_path / "a", many([(Outcome.REFUSED, 4)])), guard_run(tmp_path / "b", 0.1)
    with pytest.raises(EvaluationError, match="a guard alone and the other of a model"):
        compared(model, guard)
    with pytest.raises(EvaluationError, match="2 cases are in one record and not in the other"):
        compared(model, write(tmp_path / "c", many([(Outcome.REFUSED, 2)])))
    with pytest.raises(EvaluationError, match="has not ended"):
        condensed(write(tmp_path / "d", [], head(finished=None)))
    with pytest.raises(EvaluationError, match="is there twice"):
        condensed(write(tmp_path / "e", [result(0, Outcome.REFUSED)] * 2))
    moved = [result(number, Outcome.REFUSED, id=f"plain-refuse-{number:05}", part="x") for number in range(4)]
    with pytest.raises(EvaluationError, match="another slice or expectation"):
        compared(model, write(tmp_path / "f", moved))
    with pytest.raises(EvaluationError, match="nothing called 'weather' can differ"):
        compared(model, model, "weather")


def test_other_versions_are_told_and_not_refused(tmp_path: Path) -> None:
    before = write(tmp_path / "a", many([(Outcome.REFUSED, 4)]))
    after = write(tmp_path / "b", many([(Outcome.REFUSED, 4)]), head(versions={"guardsdk": "0.2.0"}))
    assert compared(before, after).notes == ("the runs were made by other versions: guardsdk 0.1.0 and 0.2.0",)


def test_answers_are_read_only_where_they_are_asked_for(tmp_path: Path) -> None:
    before, _ = example(tmp_path, answers=True)
    assert not any("kept" in str(brief) for brief in condensed(before).cases.values())
    wanted = ["plain-refuse-00003"]
    assert answers(before, wanted) == {"plain-refuse-00003": "a kept <b>answer</b>\u202e"}


def test_a_record_is_read_without_holding_its_answers(tmp_path: Path) -> None:
    results = many([(Outcome.REFUSED, 2000)])
    long = write(tmp_path / "a", (one.model_copy(update={"answer": "x" * 8000}) for one in results))
    tracemalloc.start()
    condensed(long)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < long.stat().st_size / 4


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_place_in_every_rate(outcome: Outcome) -> None:
    for metric in METRICS.values():
        places = {metric.of(expectation, outcome) for expectation in Expectation}
        assert places - {None} <= set(Sight)
        if outcome is Outcome.ERROR:
            assert places == ({Sight.CERTAIN} if metric.name == "errors" else {None})
    assert METRICS["harm.delivered"].of(Expectation.COMPLY, outcome) is None
    assert METRICS["over_refusal"].of(Expectation.REFUSE, outcome) is None
