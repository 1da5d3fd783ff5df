from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Stage
from guardsdk.cli import main
from guardsdk.errors import InputError
from guardsdk.monitor import Monitor
from guardsdk.monitor.alerts import Alert
from guardsdk.monitor.report import report
from tests.monitor.test_monitor import MARKER, feed, harmless, policy, record
from tests.rendering import CONTRAST, render

if TYPE_CHECKING:
    from pathlib import Path


def busy() -> Monitor:
    """A monitor that has seen quiet hours, a shift and a stubborn actor."""
    quantiles = [number / 1000 for number in range(101)]
    monitor = Monitor(policy(window=400), references=lambda: {("prompt_injection", Stage.INPUT): quantiles})
    feed(monitor, 3000, harmless)
    feed(monitor, 900, lambda chance: chance.betavariate(4, 12), 3000)
    chance = random.Random(1)
    for number in range(3900, 4300):
        monitor.on_check(record(number, 0.99 if chance.random() < 0.2 else 0.01, actor=MARKER))
    return monitor


@pytest.fixture(scope="module")
def state() -> dict[str, object]:
    return busy().state()


def test_the_page_shows_alerts_scores_and_principles_and_no_name(state: dict[str, object]) -> None:
    page = report(state)
    for words in (
        "score_drift",
        "prompt_injection on stage input",
        "threshold 0.900",
        "no-override",
        "Boundary band",
        "model&#x27;s reference",
    ):
        assert words in page
    assert MARKER not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert report(state) == page


def test_a_monitor_that_saw_nothing_has_a_page_too() -> None:
    page = report(Monitor(policy()).state())
    assert "No check yet." in page
    assert "None." in page


def test_the_command_writes_the_page(tmp_path: Path, state: dict[str, object]) -> None:
    saved, out = tmp_path / "state.json", tmp_path / "report.html"
    saved.write_text(json.dumps(state), encoding="utf-8")
    assert main(["monitor", "report", str(saved), "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == report(state)
    saved.write_text("{}", encoding="utf-8")
    assert main(["monitor", "report", str(saved), "--out", str(out)]) == 2


def test_the_page_says_how_many_alerts_it_leaves_out_and_lists_all_on_request(
    tmp_path: Path, state: dict[str, Any]
) -> None:
    many: dict[str, Any] = json.loads(json.dumps(state))
    many["rules"]["keep_alerts"] = 20_000
    one = many["alerts"][0] | {"severity": "critical"}
    many["alerts"] = [one | {"time_ns": one["time_ns"] + number * 10**9} for number in range(10_000)]
    times = [Alert.model_validate(alert).time for alert in many["alerts"]]
    page = report(many)
    assert [page.count(time) for time in (times[9_999], times[9_800], times[9_799], times[0])] == [1, 1, 0, 0]
    assert "The newest 200 of 10,000 kept alerts. 9,800 older ones are left out (9,800 critical)" in page
    saved, out = tmp_path / "state.json", tmp_path / "report.html"
    saved.write_text(json.dumps(many), encoding="utf-8")
    assert main(["monitor", "report", str(saved), "--out", str(out), "--all-alerts"]) == 0
    whole = out.read_text(encoding="utf-8")
    assert all(f">{time}<" in whole for time in times)
    assert "left out" not in whole


@pytest.mark.parametrize(("count", "left_out"), [(200, False), (201, True)])
def test_alerts_that_all_have_room_are_said_to_be_left_out_by_no_page(
    state: dict[str, Any], count: int, left_out: bool
) -> None:
    many: dict[str, Any] = json.loads(json.dumps(state))
    many["alerts"] = [many["alerts"][0]] * count
    assert ("older ones are left out (1 " in report(many)) is left_out


def test_what_is_no_state_is_an_error() -> None:
    with pytest.raises(InputError, match="no state"):
        report({"rules": {"windows": 3}})


@pytest.mark.parametrize("key", ["now_s", "time_ns", "slot", "policy"])
def test_a_state_of_no_time_in_a_calendar_is_none(state: dict[str, Any], key: str) -> None:
    broken: dict[str, Any] = json.loads(json.dumps(state))
    if key == "time_ns":
        broken["alerts"][0]["time_ns"] = 10**30
    elif key == "slot":
        broken["traffic"]["slots"]["99999999999999"] = {"input/checks": 1}
    else:
        broken[key] = {"now_s": 1e300, "policy": None}[key]
    with pytest.raises(InputError, match="no state of a monitor"):
        report(broken)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("policy", {"name": "p", "version": "1", "digest": None}),
        ("rules", {"keep_alerts": 10**19}),
        ("evidence", float("nan")),
        ("actor", "\ud800"),
    ],
)
def test_a_state_that_no_page_could_show_is_none(state: dict[str, Any], key: str, value: object) -> None:
    broken: dict[str, Any] = json.loads(json.dumps(state))
    alert = broken["alerts"][0]
    if key == "evidence":
        alert["evidence"]["blocks"] = value
    elif key == "actor":
        alert["actor"] = value
    else:
        broken[key] = value
    with pytest.raises(InputError, match="no state of a monitor"):
        report(broken)


def test_more_actions_than_checks_make_no_area_below_nothing(state: dict[str, Any]) -> None:
    odd: dict[str, Any] = json.loads(json.dumps(state))
    for counts in odd["traffic"]["slots"].values():
        counts["input/checks"] = 1
    assert report(odd).startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_it_whole_and_asks_for_nothing(tmp_path: Path, state: dict[str, object], dark: bool) -> None:
    page = tmp_path / "report.html"
    page.write_text(report(state), encoding="utf-8")
    shown = render(
        page,
        tmp_path / "report.png",
        dark=dark,
        probes={"pictures": "document.querySelectorAll('figure svg').length", "contrast": CONTRAST},
    )
    assert shown.console == shown.requests == []
    assert shown.width <= shown.window
    assert shown.probes["pictures"] >= 4
    assert shown.probes["contrast"][0] >= 4.5
