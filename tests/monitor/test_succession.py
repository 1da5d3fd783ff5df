"""The first scores of a new model beside those of the one before: which label moved, how far, and false alarms."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard, Policy
from guardsdk.errors import InputError
from guardsdk.monitor import Alert, Kind, Monitor, Severity
from guardsdk.monitor.drift import Series
from guardsdk.monitor.histograms import SCORE_EDGES, middle
from guardsdk.monitor.succession import Succession
from guardsdk.verdict import Stage
from tests.monitor.test_models import KEY, NEW, OLD, by, higher
from tests.monitor.test_monitor import TOML, harmless, policy, record
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from guardsdk.observing import CheckRecord

    Draw = Callable[[random.Random], float]


def monitor(rules: Policy | None = None) -> Monitor:
    """One that breaks ties the same way every time."""
    made = Monitor(rules or policy(window=400), key=KEY)
    made._chance = random.Random(11).random
    return made


def scored(number: int, model: str, **scores: float) -> CheckRecord:
    told = by(model, record(number))
    return replace(told, verdict=told.verdict.model_copy(update={"scores": scores}))


def texts(watching: Monitor, count: int, model: str, first: int, injection: Draw = harmless) -> None:
    """Checks of two labels, of which one is scored by ``injection`` and the other one as ever."""
    chance = random.Random(first)
    for number in range(first, first + count):
        watching.on_check(scored(number, model, prompt_injection=injection(chance), toxicity=chance.betavariate(1, 50)))


def compared(watching: Monitor) -> list[Alert]:
    return [alert for alert in watching.alerts if alert.kind is Kind.SCORE_DRIFT and alert.model_before]


def test_the_label_that_moved_is_told_with_both_models_and_how_far() -> None:
    watching = monitor()
    texts(watching, 2000, OLD, 0)
    texts(watching, 2000, NEW, 2000, higher)
    (alert,) = compared(watching)
    assert (alert.series, alert.stage, alert.severity) == ("prompt_injection", Stage.INPUT, Severity.WARNING)
    assert (alert.model, alert.model_before) == (NEW, OLD)
    figures = alert.evidence
    assert figures["psi"] >= watching.rules.psi
    assert figures["evidence"] >= watching.rules.run_length
    assert figures["earlier"] == 2000
    assert 200 <= figures["recent"] <= 400  # within the first window, and not before half of it
    assert figures["earlier_median"] < figures["recent_median"] == pytest.approx(0.11, abs=0.03)
    assert figures["checks_since_model"] == figures["recent"]
    assert f"prompt_injection (model {NEW[:16]} after {OLD[:16]})" in str(alert)


def test_a_new_model_that_scores_alike_is_told_as_a_change_and_no_more() -> None:
    watching = monitor()
    texts(watching, 2000, OLD, 0)
    texts(watching, 2000, NEW, 2000)
    assert [alert.kind for alert in watching.alerts] == [Kind.MODEL_CHANGE]
    assert watching.state()["traffic"]["successions"] == []


def test_what_drifts_after_the_first_window_is_not_the_models_doing() -> None:
    watching = monitor()
    texts(watching, 2000, OLD, 0)
    texts(watching, 401, NEW, 2000)
    texts(watching, 800, NEW, 3000, higher)
    assert compared(watching) == []
    assert Kind.SCORE_DRIFT in {alert.kind for alert in watching.alerts}


@pytest.mark.parametrize("before", [5, 100])
def test_by_chance_it_tells_no_more_often_than_promised(before: int) -> None:
    """With a limit low enough to be reached: in ``window / limit`` of changes at most, few scores before or many."""
    chance, window, runs = random.Random(before), 40, 120
    limit, told = 3.0 * window, 0
    for _ in range(runs):
        old = Series(SCORE_EDGES, window)
        for _ in range(before):
            old.add(harmless(chance), chance.random())
        first = Succession(OLD, window, {"label": old}).labels["label"]
        told += any(first.add(harmless(chance), chance.random()) >= limit for _ in range(window))
    assert told <= runs * window / limit


def test_a_window_of_forty_is_enough_for_what_is_plain() -> None:
    watching = monitor(policy(window=40))
    texts(watching, 200, OLD, 0)
    texts(watching, 40, NEW, 200, lambda chance: chance.betavariate(20, 10))
    assert [alert.series for alert in compared(watching)] == ["prompt_injection"]


def test_a_model_that_has_scored_next_to_nothing_is_no_measure() -> None:
    watching = monitor()
    texts(watching, 30, OLD, 0)
    texts(watching, 800, NEW, 30, higher)
    assert compared(watching) == []


def test_the_one_before_is_not_changed_by_it() -> None:
    old = Series(SCORE_EDGES, 40)
    chance = random.Random(1)
    for _ in range(90):
        old.add(harmless(chance), chance.random())
    before = old.state()
    first = old.followed()
    for _ in range(50):
        assert first.full == (sum(first.recent_counts) == 40)
        if not first.full:
            first.add(0.9, chance.random())
    assert old.state() == before
    assert first.earlier_counts == old.counts
    assert middle(first.recent_counts, SCORE_EDGES) > 0.8


def test_a_first_window_goes_on_where_it_was_saved_and_counts_together_where_it_was_shared() -> None:
    one, two, whole = monitor(), monitor(), monitor()
    for watching, first in ((one, 0), (two, 10_000)):
        texts(watching, 1000, OLD, first)
        texts(watching, 150, NEW, first + 1000, higher)  # less than half a window
        assert compared(watching) == []
        again = monitor()
        again.merge(watching.state())
        assert again.state() == watching.state()
        whole.merge(again.state())
    texts(whole, 200, NEW, 20_000, higher)
    (alert,) = compared(whole)
    assert (alert.series, alert.evidence["earlier"]) == ("prompt_injection", 2000)


def test_a_rollback_is_another_change_whatever_cools_down() -> None:
    watching = monitor()
    texts(watching, 1000, OLD, 0)
    texts(watching, 1000, NEW, 1000, higher)
    texts(watching, 1000, OLD, 2000)
    told = [(alert.kind, alert.model) for alert in watching.alerts if alert.model_before]
    assert told == [(kind, model) for model in (NEW, OLD) for kind in (Kind.MODEL_CHANGE, Kind.SCORE_DRIFT)]


@pytest.mark.parametrize(
    "broken", [{"before": OLD}, {"stage": "input", "model": NEW, "before": OLD, "scores": {"a": {}}}]
)
def test_a_comparison_that_is_none_is_refused(broken: dict[str, Any]) -> None:
    watching = monitor()
    state = watching.state()
    state["traffic"]["successions"] = [broken]
    with pytest.raises(InputError, match="no state of a monitor"):
        watching.merge(state)


def test_a_guard_with_another_model_says_which_label_it_scores_otherwise(tmp_path: Path) -> None:
    rules = Policy.from_toml(f"{TOML}\n[monitor]\nwindow = 40\n")
    harsh, mild = write_model(tmp_path / "harsh"), write_model(tmp_path / "mild", strong=0.0)
    state = tmp_path / "state.json"
    digests = []
    for model in (harsh, mild):
        with Guard(rules, models=model, observers=[], monitor=monitor(rules)) as guard:
            if state.exists():
                guard.monitor.load(state)
            for number in range(60):
                guard.check(f"please attack {'the ' * number}")
            guard.monitor.save(state)
            digests.append(guard.info().model.digest)
            told = compared(guard.monitor)
    (alert,) = told
    assert (alert.series, [alert.model_before, alert.model]) == ("prompt_injection", digests)
    assert alert.evidence["earlier_median"] > 0.9
    assert alert.evidence["recent_median"] < 0.6
