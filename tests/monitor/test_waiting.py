"""Checks are filed together, and nothing that anybody sees of the monitor is any different for it."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from guardsdk import Guard, Policy
from guardsdk.monitor import Alert, Kind, Monitor, waiting
from guardsdk.monitor.waiting import TOGETHER
from tests.monitor.test_monitor import START_NS, TOML, harmless, policy, record
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardsdk.observing import CheckRecord

KEY = b"k" * 32
MILLISECOND = 1_000_000


def seeded(told: list[Alert]) -> Monitor:
    made = Monitor(policy(window=400), key=KEY, on_alert=told.append)
    made._chance = random.Random(5).random
    return made


def busy(count: int, *, actors: bool = False) -> Iterator[CheckRecord]:
    """Checks a millisecond apart, whose scores rise in the end."""
    chance = random.Random(1)
    for number in range(count):
        score = harmless(chance) if number < 3 * count // 4 else chance.betavariate(4, 12)
        made = record(number, score, actor=f"actor {number % 5}" if actors and number % 3 else None)
        yield replace(made, started_ns=START_NS + number * MILLISECOND)


@pytest.mark.parametrize("actors", [False, True])
def test_it_is_all_one_whether_anybody_looks_after_every_check(actors: bool) -> None:
    often: list[Alert] = []
    seldom: list[Alert] = []
    looked, left = seeded(often), seeded(seldom)
    for number, told in enumerate(busy(2000, actors=actors), 1):
        looked.on_check(told)
        left.on_check(told)
        assert looked.checks == number
    one, other = left.state(), looked.state()
    for (*what, since_s), (*same, then_s) in zip(one.pop("cooling"), other.pop("cooling"), strict=True):
        assert what == same
        assert since_s == pytest.approx(then_s, abs=TOGETHER / 1000)  # by the newest check, filed or not
    assert one == other
    assert left.alerts == looked.alerts
    assert seldom == often
    assert Kind.SCORE_DRIFT in {alert.kind for alert in seldom}


def test_an_alert_about_the_traffic_is_told_soon_though_nobody_looks() -> None:
    told: list[Alert] = []
    monitor = seeded(told)
    for number, one in enumerate(busy(2000)):
        monitor.on_check(one)
        assert len(monitor._waiting) < TOGETHER
        if told:
            assert number - (told[0].time_ns - START_NS) // MILLISECOND < TOGETHER
            return
    pytest.fail("nothing was told")


def test_what_waits_longer_than_a_second_is_filed_with_the_next() -> None:
    monitor = Monitor(policy())
    monitor.on_check(record(0))
    monitor.on_check(record(1))
    assert len(monitor._waiting) == 2
    monitor.on_check(record(3))
    assert len(monitor._waiting) == 0
    assert monitor.checks == 3


def test_an_actor_is_told_of_at_once() -> None:
    told: list[Alert] = []
    monitor = Monitor(policy(), on_alert=told.append)
    for number in range(20):
        monitor.on_check(replace(record(number, 0.99, actor="a"), started_ns=START_NS + number))
        if told:
            assert told[0].kind is Kind.REPEATED_BLOCKS
            assert told[0].time_ns == START_NS + number
            return
    pytest.fail("nothing was told")


def test_a_closed_guard_leaves_nothing_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_LONGEST_NS", 10**18)  # however long a check takes here
    told: list[Alert] = []
    guard = Guard(Policy.from_toml(TOML), models=write_model(tmp_path / "model"), observers=[])
    guard.monitor.listen(told.append)
    with guard:
        for _ in range(5):
            guard.check("filler")
        assert len(guard.monitor._waiting) == 5
    assert len(guard.monitor._waiting) == 0
    assert guard.monitor.checks == 5


def test_a_forked_child_leaves_what_waits_to_its_parent() -> None:
    monitor = Monitor(policy())
    monitor.on_check(record(0))
    child = os.fork()
    if not child:
        os._exit(monitor.checks)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert monitor.checks == 1
