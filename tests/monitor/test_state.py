from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from guardsdk.errors import InputError
from guardsdk.monitor import Kind, Monitor
from tests.monitor.test_monitor import MARKER, feed, harmless, policy, record

if TYPE_CHECKING:
    from pathlib import Path

KEY = b"k" * 32
POLICY = policy(window=400)


def monitor(key: bytes = KEY) -> Monitor:
    return Monitor(POLICY, key=key)


def kinds(watching: Monitor) -> list[Kind]:
    """What was told of actors."""
    return [alert.kind for alert in watching.alerts if alert.actor]


def test_a_monitor_goes_on_where_it_was_saved(tmp_path: Path) -> None:
    first = monitor()
    feed(first, 2000, harmless)
    for number in range(2000, 2008):
        first.on_check(record(number, 0.99, actor=MARKER))
    path = tmp_path / "state.json"
    first.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert MARKER not in path.read_text()
    second = monitor()
    second.load(path)
    assert second.state() == first.state()
    assert kinds(second) == [Kind.REPEATED_BLOCKS]
    feed(second, 800, lambda chance: chance.betavariate(4, 12), 3000)
    assert Kind.SCORE_DRIFT in {alert.kind for alert in second.alerts}


def test_two_processes_find_together_what_none_sees_alone() -> None:
    one, two, whole = monitor(), monitor(), monitor()
    # An actor blocked six times, by turns in two processes.
    for number in range(6):
        told = record(number, 0.99, actor="a")
        whole.on_check(told)
        (one if number % 2 else two).on_check(told)
    assert kinds(whole) == [Kind.REPEATED_BLOCKS]
    assert kinds(one) == kinds(two) == []
    one.merge(two.state())
    one.on_check(record(6, 0.99, actor="a"))
    assert kinds(one) == [Kind.REPEATED_BLOCKS]


def test_merged_histograms_and_counts_are_those_of_one_process() -> None:
    one, two, whole = monitor(), monitor(), monitor()
    chance = random.Random(1)  # noqa: S311  seeded
    for number in range(3000):
        told = record(number, 0.95 if chance.random() < 0.03 else harmless(chance), actor=f"a{number % 40}")
        whole.on_check(told)
        (one if chance.random() < 0.5 else two).on_check(told)
    one.merge(two.state())
    merged, expected = one.state(), whole.state()
    assert merged["checks"] == expected["checks"]
    for part in ("totals", "slots", "principles"):
        assert merged["traffic"][part] == expected["traffic"][part]
    for kind in ("scores", "rates"):
        for key, series in expected["traffic"][kind].items():
            assert merged["traffic"][kind][key]["counts"] == series["counts"]
    assert merged["actors"].keys() == expected["actors"].keys()


def test_pseudonyms_of_another_key_cannot_be_merged() -> None:
    with pytest.raises(InputError, match="same key"):
        monitor().merge(monitor(b"x" * 32).state())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("not json", "not JSON"),
        ("[]", "no JSON object"),
        ("{}", "no state of a monitor"),
        (json.dumps({"format": "guardsdk-monitor", "version": 99}), "another format"),
    ],
)
def test_a_file_that_is_no_state_is_named(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(content)
    with pytest.raises(InputError, match=expected) as caught:
        monitor().load(path)
    assert str(path) in str(caught.value)


def test_a_state_with_a_broken_part_changes_nothing() -> None:
    kept = monitor()
    feed(kept, 100, harmless)
    broken = kept.state()
    broken["traffic"]["rates"]["input/blocked"]["counts"] = [1.0]
    before = kept.state()
    with pytest.raises(InputError):
        kept.merge(broken)
    assert kept.state() == before
