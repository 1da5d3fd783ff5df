"""Records as a guard makes them, and logs to write them to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.decisions import DecisionLog, LogRules
from guardsdk.decisions.files import Place
from guardsdk.observing import CheckRecord
from guardsdk.verdict import Action, Evaluation, Stage, Status, Verdict
from tests.cli.conftest import run as run  # noqa: PLC0414  the fixture that runs the command line

if TYPE_CHECKING:
    from pathlib import Path

START_NS = 1_790_000_000_000_000_000


def record(
    number: int = 0, *, actor: str | None = None, stage: Stage = Stage.INPUT, fired: bool = False
) -> CheckRecord:
    score = 0.9 if fired else number % 80 / 100
    verdict = Verdict(
        allowed=not fired,
        action=Action.BLOCK if fired else Action.ALLOW,
        status=Status.COMPLETE,
        stage=stage,
        principle_id="no-override" if fired else None,
        scores={"prompt_injection": score},
        evaluations=(
            Evaluation(
                principle_id="no-override",
                label="prompt_injection",
                score=score,
                threshold=0.8,
                margin=score - 0.8,
                fired=fired,
            ),
        ),
        coverage=1.0,
        duration_s=0.01,
    )
    return CheckRecord(verdict, START_NS + number * 1_000_000_000, text_length=number, actor=actor)


class Written:
    """A log in a folder of its own, and everything that is in its files."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "decisions.jsonl"
        self.place = Place(self.path)

    def log(self, **rules: Any) -> DecisionLog:
        return DecisionLog(self.path, LogRules(**rules), actor_key=b"k" * 32)

    def fill(self, count: int, **rules: Any) -> DecisionLog:
        log = self.log(**rules)
        for number in range(count):
            log.record([record(number)])
        return log

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for file in self.place.every() for line in file.read_text().splitlines()]

    def kinds(self) -> list[str]:
        return [line.get("event", line["kind"]) for line in self.lines()]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)
