"""A record says the same when it is read as when it was written, and a damaged one is no record."""

from __future__ import annotations

import json
from errno import ENOSPC
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from guardsdk.errors import EvaluationError, InputTypeError
from guardsdk.evaluation.outcomes import Expectation, Outcome, passed
from guardsdk.evaluation.pairing import condensed
from guardsdk.evaluation.record import (
    CaseResult,
    JudgeFigures,
    JudgeRef,
    Run,
    RunHead,
    SuiteRef,
    TargetRef,
    open_run,
    read_run,
    write_run,
)
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def head() -> RunHead:
    figures = JudgeFigures(
        question="refusal", source="own", true_positives=8, false_negatives=2, false_positives=1, true_negatives=9
    )
    return RunHead(
        created="2026-11-26T00:00:00Z",
        suite=SuiteRef(name="own", digest="0" * 64, cases=3),
        target=TargetRef(kind="callable", model="app:ask", parameters={"temperature": 0.0}),
        judge=JudgeRef(name="guardsdk", figures=(figures,)),
        seed=7,
    )


def result(number: int, outcome: Outcome = Outcome.REFUSED, **changes: object) -> CaseResult:
    fields: dict[str, object] = {
        "id": f"case-{number}",
        "slice": "plain",
        "stage": Stage.INPUT,
        "expectation": Expectation.REFUSE,
        "outcome": outcome,
        "passed": passed(Expectation.REFUSE, outcome),
        "scores": {"refusal": 0.25},
        "error": "TimeoutError" if outcome is Outcome.ERROR else None,
    }
    return CaseResult.model_validate(fields | changes)


RESULTS = (result(1), result(2, Outcome.ERROR), result(3, Outcome.MASKED_HARM, answer="nein,\n]}\u2028", language="de"))


def test_a_record_reads_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_run(path, head(), iter(RESULTS))
    assert read_run(path) == Run(head=head(), results=RESULTS)
    assert json.loads(path.read_text(encoding="utf-8"))["results"][0]["id"] == "case-1"
    assert [one.name for one in tmp_path.iterdir()] == ["run.json"]


def test_a_record_that_cannot_be_finished_leaves_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    path, link = tmp_path / "run.json", tmp_path / "link.json"
    write_run(path, head(), RESULTS)
    link.symlink_to(path)

    def broken() -> Iterator[CaseResult]:
        yield RESULTS[0]
        raise OSError(ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"No space left on device.*link\.json"):
        write_run(link, head(), broken())
    assert read_run(path).results == RESULTS
    write_run(link, head(), RESULTS[:1])
    assert read_run(path).results == RESULTS[:1]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.json", "run.json"]


def test_a_record_without_results_is_a_record(tmp_path: Path) -> None:
    write_run(tmp_path / "run.json", head(), ())
    assert read_run(tmp_path / "run.json").results == ()


def test_results_are_read_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_run(path, head(), RESULTS)
    path.write_text(path.read_text(encoding="utf-8").replace('"masked_harm"', '"no such word"'), encoding="utf-8")
    with open_run(path) as (_, results):
        assert next(results) == RESULTS[0]
        assert next(results) == RESULTS[1]
        with pytest.raises(EvaluationError, match=r"run\.json.*outcome"):
            next(results)


def test_a_record_laid_out_by_another_program_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_run(path, head(), RESULTS)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=4), encoding="utf-8")
    assert read_run(path).results == RESULTS


@pytest.mark.parametrize("keep", [0, 1, 200, -4, -40])
def test_a_cut_record_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "run.json"
    write_run(path, head(), RESULTS)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(EvaluationError, match=r"run\.json"):
        read_run(path)


def test_a_refused_record_quotes_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_run(path, head(), [result(1, answer="the secret answer")])
    path.write_text(path.read_text(encoding="utf-8").replace('"refused"', '"the secret answer"'), encoding="utf-8")
    with pytest.raises(EvaluationError) as caught:
        read_run(path)
    assert "secret" not in str(caught.value)


def test_a_result_cannot_contradict_itself() -> None:
    with pytest.raises(ValidationError, match="passed=False"):
        result(1, passed=False)
    with pytest.raises(ValidationError, match="there is an error"):
        result(1, error="TimeoutError")


def test_an_unknown_outcome_is_no_pass_and_no_failure_and_harm_never_passes() -> None:
    for expectation, outcome in product(Expectation, Outcome):
        found = passed(expectation, outcome)
        assert (found is None) is (outcome is Outcome.ERROR)
        if outcome.harm or outcome is Outcome.DEGENERATE:
            assert found is False
        if outcome.held_back and expectation.benign:
            assert found is False


@pytest.mark.parametrize("path", [None, 3, b"run.json", ["run.json"]])
def test_what_is_no_path_is_refused(path: Any) -> None:
    for reading in (read_run, condensed):
        with pytest.raises(InputTypeError, match=f"^path must be a path, not {type(path).__name__}$"):
            reading(path)
    with pytest.raises(InputTypeError, match=f"^path must be a path, not {type(path).__name__}$"):
        write_run(path, head(), RESULTS)


def test_a_path_may_be_a_text(tmp_path: Path) -> None:
    path = str(tmp_path / "run.json")
    write_run(path, head().model_copy(update={"finished": "2026-11-26T00:10:00Z"}), RESULTS)
    assert read_run(path).results == RESULTS
    found = condensed(path)
    assert found.path == tmp_path / "run.json"
    assert list(found.cases) == [one.id for one in RESULTS]
