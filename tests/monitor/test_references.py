"""The model's own benign scores: asked for once per model, never while the monitor is locked, and never for nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from guardsdk import Guard, Policy
from guardsdk.errors import InputError, ModelNotFoundError
from guardsdk.monitor import Monitor
from guardsdk.parts.loading import Loader
from guardsdk.registry.manifest import Manifest
from guardsdk.verdict import Stage
from tests.monitor.test_models import KEY, NEW, by
from tests.monitor.test_monitor import TOML, feed, harmless, policy, record
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

AT_INPUT = ("prompt_injection", Stage.INPUT)
EVEN: Mapping[tuple[str, Stage], Sequence[float]] = {AT_INPUT: [number / 100 for number in range(101)]}
WAIT_S = 60.0


@pytest.mark.parametrize("reference", ["traffic", "model"])
def test_a_model_that_loads_slowly_holds_nobody_up(tmp_path: Path, reference: str) -> None:
    """The thread that loads waits until the others are through, so that it would never end if they waited for it."""
    directory = write_model(tmp_path / "model")
    asked, through = threading.Event(), threading.Event()

    def load() -> Manifest:
        asked.set()
        assert through.wait(WAIT_S), "nobody got past the load"
        return Manifest.model_validate_json((directory / "manifest.json").read_text(encoding="utf-8"))

    loader = Loader(load)
    watching = Monitor(policy(reference=reference), key=KEY, references=lambda: loader.get().references)
    slow = threading.Thread(target=watching.on_check, args=(record(0),))
    slow.start()
    assert asked.wait(WAIT_S)

    def others() -> None:
        watching.state()
        watching.limits("a", 0)
        watching.forget("a")
        assert watching.alerts == ()
        through.set()

    other = threading.Thread(target=others)
    other.start()
    for thread in (other, slow):
        thread.join(2 * WAIT_S)
        assert not thread.is_alive()
    assert watching.checks == 1


def test_it_is_asked_once_for_every_model() -> None:
    asked: list[int] = []

    def references() -> Mapping[tuple[str, Stage], Sequence[float]]:
        asked.append(watching.checks)
        return EVEN

    watching = Monitor(policy(), key=KEY, references=references)
    for number in range(10):
        watching.on_check(record(number))
    for number in range(10, 20):
        watching.on_check(by(NEW, record(number)))
        watching.on_check(record(number))
    watching.state()
    assert asked == [0, 10]


def test_a_guard_that_has_checked_nothing_loads_no_model_to_save_its_monitor(tmp_path: Path) -> None:
    rules = Policy.from_toml(f'{TOML}\n[monitor]\nreference = "model"\n')
    guard = Guard(rules, models=write_model(tmp_path / "model"), observers=[])
    guard.monitor.save(tmp_path / "state.json")
    guard.monitor.load(tmp_path / "state.json")
    assert guard.monitor.state()["references"] == {}
    assert guard._loader._loaded is None


def test_a_model_that_is_gone_is_asked_for_again() -> None:
    gone = [True]

    def references() -> Mapping[tuple[str, Stage], Sequence[float]]:
        if gone[0]:
            raise ModelNotFoundError
        return EVEN

    watching = Monitor(policy(), key=KEY, references=references)
    watching.on_check(record(0))
    assert (watching.checks, watching.state()["references"]) == (1, {})
    gone[0] = False
    watching.on_check(record(1))
    assert watching.checks == 2
    assert watching.state()["references"].keys() == {"input/prompt_injection"}


def test_references_go_where_the_state_goes() -> None:
    first, second = Monitor(policy(), key=KEY, references=lambda: EVEN), Monitor(policy(), key=KEY)
    feed(first, 30, harmless)
    second.merge(first.state())
    assert second.state()["references"] == first.state()["references"] != {}


def test_scores_that_came_before_the_reference_are_held_against_it_too() -> None:
    """A state that was saved without references, as by a monitor that nobody gave any."""
    before = Monitor(policy(window=400), key=KEY)
    feed(before, 1000, harmless)
    watching = Monitor(policy(window=400, reference="model"), key=KEY, references=lambda: EVEN)
    watching.merge(before.state())
    feed(watching, 1000, harmless, 1000)
    (alert, *_) = [alert for alert in watching.alerts if alert.series == "prompt_injection"]
    assert alert.evidence["earlier_median"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    "broken", [{"input/a": [0.5]}, {"input/a": [2.0] * 34}, {"nowhere/a": [0.0] * 34}, {"input/a": 3}]
)
def test_references_that_are_none_are_refused(broken: object) -> None:
    watching = Monitor(policy(), key=KEY)
    with pytest.raises(InputError, match="no state of a monitor"):
        watching.merge(watching.state() | {"references": broken})
