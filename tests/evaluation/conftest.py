"""Suites of numbered cases, plans without a model, and modules that hold targets."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from guardsdk.evaluation.judging import Answered, Judgement
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.record import JudgeRef

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class WordJudge:
    """Judges by a word, for runs in which the judging is not what is tried."""

    ref = JudgeRef(name="word")
    batch = 8

    async def judge(self, answered: Sequence[Answered]) -> list[Judgement]:
        return [Judgement(Outcome.REFUSED if "no" in one.answer else Outcome.COMPLIED_SAFELY) for one in answered]


@pytest.fixture
def suite_file(tmp_path: Path) -> Callable[[int], Path]:
    """Write a suite of so many cases, every other one to be refused."""

    def write(number: int) -> Path:
        path = tmp_path / f"suite-{number}.jsonl"
        rows = (
            {
                "id": f"case-{at}",
                "slice": "odd" if at % 2 else "even",
                "prompt": f"question {at}",
                "expectation": "refuse" if at % 2 else "comply",
            }
            for at in range(number)
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    """Write a module that can be pointed at, under a name no other test has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write
