from __future__ import annotations

import base64
import json
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.errors import InputError
from guardsdk.monitor import Kind, Monitor
from guardsdk.monitor.actors import Actor
from guardsdk.policy.monitoring import Enforcement
from guardsdk.verdict import Stage
from tests.monitor.test_monitor import MARKER, START_NS, feed, harmless, policy, record

if TYPE_CHECKING:
    from collections.abc import Callable
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


def test_a_state_is_of_its_moment_and_shares_nothing_with_the_monitor() -> None:
    def references() -> dict[tuple[str, Stage], list[float]]:
        return {("prompt_injection", Stage.INPUT): [number / 100 for number in range(101)]}

    watching = Monitor(POLICY, key=KEY, references=references)
    for number in range(600):
        watching.on_check(record(number, 0.99 if number % 9 else 0.8, actor=f"a{number % 7}"))
    state = watching.state()
    assert state["references"]
    at_its_moment = json.dumps(state)
    for number in range(600, 700):
        watching.on_check(record(number, 0.99, actor=f"a{number % 7}", threshold=0.98))
    later = watching.state()
    assert json.dumps(state) == at_its_moment
    emptied = watching.state()
    for part in containers(emptied):
        part.clear()
    assert watching.state() == later


def containers(part: Any) -> list[Any]:
    """Every list and dictionary in ``part``, the innermost first."""
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else None
    return [] if inner is None else [*(one for item in inner for one in containers(item)), part]


def test_a_state_without_actors_has_all_the_rest() -> None:
    watching = monitor()
    for number in range(8):
        watching.on_check(record(number, 0.99, actor="a"))
    whole = watching.state()
    assert len(whole["actors"]) == 1
    assert watching.state(actors=False) == whole | {"actors": {}}


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
    chance = random.Random(1)
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


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("now_s",), float("nan")),
        (("now_s",), 10**400),
        (("checks",), float("inf")),
        (("traffic", "totals", "input"), [10**400, 1.0]),
        (("traffic", "totals", "input"), [float("nan")] * 7),
        (("traffic", "totals", "input"), [-1.0] * 7),
        (("traffic", "variants"), [float("inf"), 1.0]),
        (("traffic", "variants"), [1.0]),
        (("traffic", "variants"), ""),
        (("traffic", "thresholds"), {"input/prompt_injection": float("nan")}),
        (("traffic", "principles"), {"input/no-override": -1}),
        (("traffic", "slots"), {"1": {"input/checks": 10**30}}),
        (("suppressed",), -1),
        (("traffic", "scores", "input/prompt_injection", "evidence"), float("nan")),
        (("traffic", "rates", "input/blocked", "tail"), float("inf")),
        (("traffic", "rates", "input/blocked", "counts"), [-1.0, 5.0]),
        (("traffic", "principles"), {"input/no-override": "many"}),
        (("traffic", "slots"), {"1": {"input/checks": None}}),
        (("actors",), {"0" * 16: base64.b64encode(Actor(near=float("nan")).packed()).decode()}),
    ],
)
def test_figures_that_would_silence_a_rule_are_refused_and_nothing_is_taken_over(
    place: tuple[str, ...], value: object
) -> None:
    kept = monitor()
    feed(kept, 100, harmless)
    before, broken = kept.state(), kept.state()
    inner: dict[str, Any] = broken
    for key in place[:-1]:
        inner = inner[key]
    assert place[-1] in inner
    inner[place[-1]] = value
    with pytest.raises(InputError, match="no state of a monitor"):
        kept.merge(broken)
    assert kept.state() == before


def test_a_clock_that_was_ahead_for_a_moment_silences_nothing() -> None:
    ahead = 366 * 24 * 3600
    limiting = policy(window=400, enforcement=Enforcement())
    watching = Monitor(limiting, key=KEY)
    for number in range(8):
        watching.on_check(record(ahead + number, 0.99, actor="a"))
    assert kinds(watching) == [Kind.REPEATED_BLOCKS]
    for number in range(8):
        watching.on_check(record(number, 0.01, actor="b"))
    assert watching.limits("a", START_NS) is None
    assert watching.state()["now_s"] == pytest.approx(START_NS / 1e9 + 7)
    for number in range(10, 30):
        watching.on_check(record(number, 0.99, actor="a"))
    assert kinds(watching) == [Kind.REPEATED_BLOCKS] * 2
    assert watching.limits("a", START_NS + 40 * 10**9) is not None
    watching.on_check(record(0, 0.01))  # a check that took its time is no clock that was set
    assert watching.state()["now_s"] == pytest.approx(START_NS / 1e9 + 29)


def test_checks_are_counted_over_time_again_after_a_clock_was_ahead_for_long() -> None:
    watching = Monitor(policy(window=400, slot_s=60, slots=3), key=KEY)
    for number in (*range(0, 180, 20), *range(10**6, 10**6 + 300, 20), *range(300, 460, 20)):
        watching.on_check(record(number))
    assert sorted(watching.state()["traffic"]["slots"]) == points(range(300, 480, 60), 60)
    watching.on_check(record(0))  # a check that took its time is no clock that was set
    assert sorted(watching.state()["traffic"]["slots"]) == points(range(300, 480, 60), 60)


@pytest.mark.parametrize(("before", "after"), [(300.0, 60.0), (60.0, 300.0), (1.1, 1.1)])
def test_a_state_with_points_in_time_of_another_length_keeps_its_times(before: float, after: float) -> None:
    first = Monitor(policy(slot_s=before), key=KEY)
    second = Monitor(policy(slot_s=after), key=KEY)
    for number in range(0, 3000, 300):
        first.on_check(record(number))
    second.merge(first.state())
    second.on_check(record(3000))
    kept = second.state()["traffic"]["slots"]
    assert sum(counts["input/checks"] for counts in kept.values()) == 11
    start_s = START_NS / 1e9
    for slot in kept:
        assert start_s - before - after <= int(slot) * after <= start_s + 3000 + before


def points(seconds: range, slot_s: int) -> list[str]:
    """What points in time are kept under."""
    return [str(int((START_NS / 1e9 + one) // slot_s)) for one in seconds]


def test_a_cool_down_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    first = monitor()
    for number in range(8):
        first.on_check(record(number, 0.99, actor="a"))
    assert kinds(first) == [Kind.REPEATED_BLOCKS]
    first.save(path)
    second = monitor()
    second.load(path)
    for number in range(8, 12):
        second.on_check(record(number, 0.99, actor="a"))
    assert kinds(second) == [Kind.REPEATED_BLOCKS]
    assert second.suppressed > first.suppressed
    after = 20 + int(POLICY.monitor.cooldown_s if POLICY.monitor else 0)
    for number in range(after, after + 8):
        second.on_check(record(number, 0.99, actor="a"))
    assert kinds(second) == [Kind.REPEATED_BLOCKS] * 2


def test_of_two_cool_downs_the_later_one_holds() -> None:
    early, late = monitor(), monitor()
    for number in range(8):
        early.on_check(record(number, 0.99, actor="a"))
        late.on_check(record(number + 3000, 0.99, actor="a"))
    early.merge(late.state())
    told = len(kinds(early))
    for number in range(5000, 5008):  # the early one's is over, the late one's not
        early.on_check(record(number, 0.99, actor="a"))
    assert len(kinds(early)) == told
    early.forget("a")
    assert early.state()["cooling"] == []


def test_a_forked_child_counts_what_it_sees_itself() -> None:
    parent, whole = monitor(), monitor()
    for one in (parent, whole):  # ties are broken by chance, and an alert about the traffic starts its counts anew
        one._chance = random.Random(7).random
    for number in range(600):
        told = record(number, 0.99 if number < 8 else 0.01, actor="a" if number < 8 else f"b{number % 30}")
        parent.on_check(told)
        whole.on_check(told)
    mine = [record(number, 0.99, actor="c") for number in range(600, 606)]
    child = in_child(lambda: [*map(parent.on_check, mine)] and parent.state())
    assert child["checks"] == 6
    assert len(child["actors"]) == 1
    assert [alert["kind"] for alert in child["alerts"]] == ["repeated_blocks"]
    for told in mine:
        whole.on_check(told)
    parent.merge(child)
    merged, expected = parent.state(), whole.state()
    for part in ("totals", "slots", "principles", "checks"):
        assert merged["traffic"][part] == expected["traffic"][part]
    assert merged["checks"] == expected["checks"]
    assert merged["actors"].keys() == expected["actors"].keys()
    about = [[alert["actor"] for alert in state["alerts"] if alert["actor"]] for state in (merged, expected)]
    assert about[0] == about[1]  # what is told of the traffic is partly chance
    counts = [state["traffic"]["scores"]["input/prompt_injection"]["counts"] for state in (merged, expected)]
    assert counts[0] == counts[1]


def test_a_forked_child_repeats_no_alert_and_lifts_no_limit() -> None:
    limiting = policy(window=400, enforcement=Enforcement())
    parent = Monitor(limiting, key=KEY)
    for number in range(8):
        parent.on_check(record(number, 0.99, actor="a"))
    now_ns = record(9).started_ns

    def told() -> list[object]:
        before = parent.limits("a", now_ns) is not None
        for number in range(9, 17):
            parent.on_check(record(number, 0.99, actor="a"))
        return [before, len(parent.alerts), parent.suppressed > 0, parent.limits("b", now_ns) is None]

    assert in_child(told) == [True, 0, True, True]


def in_child(work: Callable[[], Any]) -> Any:
    """Do ``work`` in a forked child and return what it returned there."""
    if not hasattr(os, "fork"):
        pytest.skip("this system does not fork")
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        with os.fdopen(send, "w", encoding="utf-8") as stream:
            try:
                json.dump(work(), stream)
            except BaseException as error:  # noqa: BLE001  the child must end here, and the parent must hear of it
                json.dump(repr(error), stream)
            stream.flush()
            os._exit(0)
    os.close(send)
    with os.fdopen(receive, encoding="utf-8") as stream:
        found = json.load(stream)
    os.waitpid(child, 0)
    return found
