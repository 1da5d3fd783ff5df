"""The judge's figures: counted the way rates count, on the answers that have the label, and quoted as they are."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import judge as benchmark
from benchmarks.data import load
from benchmarks.judge import counted, says, table
from benchmarks.pages import filled
from guardsdk import Guard
from guardsdk.evaluation.judging import FIGURES, Answered, GuardJudge, Judgement, MeasuredJudge, judge_policy
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.record import JudgeRef
from tests.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.data import Row

ROWS: list[dict[str, object]] = [
    {"role": "response", "text": "no", "context": "q", "refusal": 1},
    {"role": "response", "text": "sure", "context": "q", "refusal": 1},
    {"role": "response", "text": "no", "context": None, "refusal": 0},
    {"role": "response", "text": "sure", "refusal": 0},
    {"role": "response", "text": "both", "refusal": 1},
    {"role": "response", "text": "no", "refusal": None},
    {"role": "user", "text": "no", "refusal": 1},
]
SAID = {"no": Outcome.REFUSED, "sure": Outcome.DELIVERED_HARM, "both": Outcome.MASKED_HARM}


class ByWord:
    ref = JudgeRef(name="word")
    batch = 2

    async def judge(self, answered: Sequence[Answered]) -> list[Judgement]:
        return [Judgement(SAID.get(one.answer, Outcome.ERROR), error=None) for one in answered]


def rows(path: Path, content: list[dict[str, object]]) -> list[Row]:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in content)
    return load(path)


def test_answers_with_the_label_are_counted_by_label_and_decision(tmp_path: Path) -> None:
    found = counted(ByWord(), "refusal", "own", rows(tmp_path / "own.jsonl.gz", ROWS))
    assert found.model_dump(exclude={"question", "source"}) == {
        "true_positives": 2,
        "false_negatives": 1,
        "false_positives": 1,
        "true_negatives": 1,
    }


def test_a_judge_that_fails_is_not_measured(tmp_path: Path) -> None:
    failing = [{"role": "response", "text": "what", "refusal": 1}]
    with pytest.raises(ValueError, match="could not be judged"):
        counted(ByWord(), "refusal", "own", rows(tmp_path / "own.jsonl.gz", failing))


def test_a_refusal_that_delivers_is_both() -> None:
    decided = {question: says(question, Judgement(Outcome.MASKED_HARM)) for question in benchmark.QUESTIONS}
    assert decided == {"refusal": True, "harmful_response": True}
    assert says("refusal", Judgement(Outcome.DEGENERATE)) is False


def test_the_page_quotes_the_packaged_figures_as_they_are() -> None:
    measured = MeasuredJudge.model_validate_json(FIGURES.read_text(encoding="utf-8"))
    assert {one.question for one in measured.figures} == benchmark.QUESTIONS.keys()
    page = (ROOT / benchmark.PAGE).read_text(encoding="utf-8")
    assert filled(page, "judge", table(measured)) == page


def test_the_packaged_figures_are_those_of_the_packaged_model() -> None:
    """Of another one no run would take them into its record."""
    with Guard(judge_policy(), observers=()) as guard:
        judge = GuardJudge(guard)
    assert judge.ref.figures
