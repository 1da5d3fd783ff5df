"""The simulator counts what it plants, and keeps no text of what it scored."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import monitor, traffic
from benchmarks.traffic import Scored, Traffic
from guardsdk.policy.load import default_policy
from guardsdk.verdict import Action, Evaluation, Stage, Status, Verdict

if TYPE_CHECKING:
    from guardsdk.observing import CheckRecord

PRINCIPLE = next(one.id for one in default_policy().principles if one.label == "jailbreak")


def scored(score: float, stage: Stage = Stage.INPUT) -> Scored:
    fired = score >= 0.9
    verdict = Verdict(
        allowed=not fired,
        action=Action.BLOCK if fired else Action.ALLOW,
        status=Status.COMPLETE,
        stage=stage,
        principle_id=PRINCIPLE if fired else None,
        scores={"jailbreak": score},
        evaluations=(
            Evaluation(
                principle_id=PRINCIPLE, label="jailbreak", score=score, threshold=0.9, margin=score - 0.9, fired=fired
            ),
        ),
        coverage=1.0,
    )
    return Scored(verdict, 10, np.ones(4, dtype=np.float32))


@pytest.fixture
def made() -> Traffic:
    pools = {
        "benign": [scored(0.01), scored(0.02)],
        "answers": [scored(0.01, Stage.OUTPUT)],
        "documents": [scored(0.01, Stage.TOOL)],
        "attacks": [scored(0.99)],
    }
    return Traffic(pools=pools)


def test_harmless_traffic_raises_no_alarm_of_either_kind(made: Traffic) -> None:
    assert monitor.false_alarms(made, 1500, seed=1) == ({}, 0)


def test_what_is_planted_comes_at_its_share_and_the_yardstick_sees_blocks(made: Traffic) -> None:
    steps = list(monitor.mixed(made, random.Random(1), lambda _: 0.5, made.pools["attacks"], 10))
    assert len(steps) == monitor.LONGEST
    assert [number for number, step in enumerate(steps) if step.violation] == [10]
    share = sum(not step.text.verdict.allowed for step in steps) / len(steps)
    assert 0.15 < share < 0.4
    replay = monitor.Replay()
    assert [replay.feed(step) for step in steps[:250]][-1]


def test_lines_hold_verdict_and_embedding_and_no_text() -> None:
    text = scored(0.5)
    record = SimpleNamespace(verdict=text.verdict, text_length=10, embedding=text.embedding, checked_text="zebra")
    told: CheckRecord = record  # type: ignore[assignment]  # as much of one as is read
    lines = [traffic._line("pool", "benign", 0, told), traffic._line("session", "probing", 0, told)]
    assert "zebra" not in "".join(lines)
    found = traffic._read(lines)
    assert found.pools["benign"][0].verdict == text.verdict
    assert np.array_equal(found.sessions["probing"][0][0].embedding, text.embedding)  # type: ignore[arg-type]


def test_the_page_has_a_row_for_every_scenario() -> None:
    found = monitor.Found("slow drift", ("score_drift",), 5, 4, 3, 120.0, 1, 200.0)
    result = {
        "model": "m",
        "date": "2026-01-01",
        "hardware": "h",
        "found": [json.loads(json.dumps(asdict(found)))],
        "harmless": [asdict(monitor.Harmless("drafts", 60, 2, {"probing": 3}, 2))],
        "false_alarms": {"checks": 1000, "alerts": {"probing": 2}, "naive": 3},
        "cost": {"us_without_actor": 1, "us_with_actor": 2, "us_with_actor_median": 3, "actors": 4, "mb_of_actors": 5},
    }
    page = monitor.markdown(result)
    assert "| slow drift | `score_drift` | 5 | 4 | 3 | 120 | 1 (after 200) |" in page
    assert "| drafts | 60 | 2 | 3 (`probing`) | 2 |" in page
    assert "1,000 harmless checks: `probing` 2; of the naive rule 3" in page
