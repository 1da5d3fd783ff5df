"""A monitor through a change of the model: what scored differently is not compared, and what is of actors stays."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.errors import InputError
from guardsdk.monitor import Kind, Monitor, Severity
from guardsdk.monitor.sketch import LEARNED_FROM
from guardsdk.verdict import Stage
from tests.monitor.test_behaviour import embedding
from tests.monitor.test_monitor import feed, harmless, policy, record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from guardsdk.observing import CheckRecord

KEY = b"k" * 32
OLD, NEW = "d" * 64, "e" * 64


def monitor(**rules: Any) -> Monitor:
    return Monitor(policy(window=400, **rules), key=KEY)


def by(model: str, told: CheckRecord) -> CheckRecord:
    """The same check, scored by another model."""
    assert told.verdict.model is not None
    scored = told.verdict.model.model_copy(update={"digest": model})
    return replace(told, verdict=told.verdict.model_copy(update={"model": scored}))


def higher(chance: random.Random) -> float:
    """Scores as the new model gives them: all higher, and as far from the threshold as to change no decision."""
    return chance.betavariate(4, 30)


def with_new(watching: Monitor, count: int, first: int, score: Callable[[random.Random], float] = higher) -> None:
    chance = random.Random(first)
    for number in range(first, first + count):
        watching.on_check(by(NEW, record(number, score(chance))))


def counted(watching: Monitor, model: str) -> float:
    """Scores of ``model`` in the histograms of stage input."""
    traffic = watching.state()["traffic"]
    if traffic["scored_by"].get("input") == model:
        return float(sum(traffic["scores"]["input/prompt_injection"]["counts"]))
    found = [one["scores"] for one in traffic["aside"] if (one["stage"], one["model"]) == ("input", model)]
    return float(sum(found[0]["prompt_injection"]["counts"])) if found else 0.0


@pytest.mark.parametrize("saved", [False, True], ids=["in one process", "saved between"])
def test_another_model_is_told_once_and_its_scores_are_held_against_its_own(tmp_path: Path, saved: bool) -> None:
    watching = monitor()
    feed(watching, 2000, harmless)
    if saved:
        watching.save(tmp_path / "state.json")
        watching = monitor()
        watching.load(tmp_path / "state.json")
    with_new(watching, 2000, 2000)
    alert, compared = watching.alerts
    assert (alert.kind, alert.severity, alert.stage) == (Kind.MODEL_CHANGE, Severity.INFO, Stage.INPUT)
    assert (alert.model, alert.model_before, alert.evidence) == (NEW, OLD, {"checks": 2000.0})
    assert (compared.kind, compared.model_before) == (Kind.SCORE_DRIFT, OLD)
    assert (counted(watching, OLD), counted(watching, NEW)) == (2000.0, 2000.0)
    with_new(watching, 800, 4000, lambda chance: chance.betavariate(12, 20))
    drift = next(alert for alert in watching.alerts if alert.kind is Kind.SCORE_DRIFT and not alert.model_before)
    assert drift.evidence["checks_since_model"] > 2000


def test_what_a_model_blocks_is_compared_with_what_the_one_before_blocked() -> None:
    watching = monitor()
    feed(watching, 2000, harmless)
    with_new(watching, 800, 2000, lambda chance: 0.95 if chance.random() < 0.2 else 0.05)
    shift = next(alert for alert in watching.alerts if alert.series == "blocked")
    assert shift.evidence["recent_share"] > shift.evidence["earlier_share"]
    assert 0 < shift.evidence["checks_since_model"] <= 800


def test_two_guards_with_a_model_each_that_come_by_turns_are_no_change_after_change() -> None:
    watching = monitor(cooldown_s=0)
    chance = random.Random(3)
    for number in range(3000):
        watching.on_check(by(NEW, record(number, higher(chance))) if number % 2 else record(number, harmless(chance)))
    assert [alert.kind for alert in watching.alerts] == [Kind.MODEL_CHANGE]
    assert (counted(watching, OLD), counted(watching, NEW)) == (1500.0, 1500.0)


def test_a_model_that_comes_back_is_told_and_goes_on_with_its_histograms() -> None:
    watching = monitor(cooldown_s=0)
    feed(watching, 1000, harmless)
    with_new(watching, 1000, 1000)
    feed(watching, 1000, harmless, 2000)
    assert [alert.model for alert in watching.alerts if alert.kind is Kind.MODEL_CHANGE] == [NEW, OLD]
    assert (counted(watching, OLD), counted(watching, NEW)) == (2000.0, 1000.0)


def test_states_of_two_models_are_put_together_model_by_model() -> None:
    old, new, whole = monitor(), monitor(), monitor()
    feed(old, 900, harmless)
    with_new(new, 700, 900)
    for one in (new, old):
        whole.merge(one.state())
    assert whole.checks == 1600
    assert (counted(whole, OLD), counted(whole, NEW)) == (900.0, 700.0)
    assert whole.state()["traffic"]["scored_by"] == {"input": NEW}
    with_new(whole, 1000, 1600)
    assert whole.alerts == ()
    again = monitor()
    again.merge(whole.state())
    assert again.state() == whole.state()


def test_a_state_from_before_models_were_told_apart_belongs_to_its_last_model() -> None:
    watching, later = monitor(), monitor()
    feed(watching, 900, harmless)
    state = watching.state()
    for name in ("scored_by", "aside", "changed_s"):
        del state["traffic"][name]
    state["lessons"] = None
    later.merge(state)
    with_new(later, 600, 900)
    assert [alert.model_before for alert in later.alerts if alert.kind is Kind.MODEL_CHANGE] == [OLD]
    assert (counted(later, OLD), counted(later, NEW)) == (900.0, 600.0)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), "yesterday"])
def test_a_time_of_the_change_that_is_none_is_refused(broken: object) -> None:
    watching = monitor()
    feed(watching, 100, harmless)
    state = watching.state()
    state["traffic"]["changed_s"] = broken
    with pytest.raises(InputError, match="no state of a monitor"):
        watching.merge(state)


def test_scores_of_one_actor_that_are_higher_because_of_the_model_are_no_climb() -> None:
    watching = monitor()
    chance = random.Random(5)
    for number in range(3000):
        watching.on_check(record(number, harmless(chance), actor="regular"))
    blocks = watching._memory.actors.get(watching.pseudonym("regular")).checks
    for number in range(3000, 3004):  # close below the threshold, higher each time, and few
        watching.on_check(by(NEW, record(number, 0.6 + 0.02 * (number - 3000), actor="regular")))
    assert [alert.kind for alert in watching.alerts if alert.actor] == []
    regular = watching._memory.actors.get(watching.pseudonym("regular"))
    assert regular.asked == 4
    assert regular.checks > blocks * 0.9


def test_texts_are_compared_by_the_model_that_read_them() -> None:
    """Every embedding of the new model points the same way but for a little: by the old one's lessons all are alike."""
    watching = monitor()
    for number in range(LEARNED_FROM + 10):
        watching.on_check(replace(record(number, 0.01), embedding=embedding(number)))
    first = LEARNED_FROM + 10
    usual = embedding(1_000_000)

    def read_by_new(number: int, score: float, seed: int, actor: str | None = "a") -> None:
        vector = usual + 0.3 * embedding(seed)
        watching.on_check(by(NEW, replace(record(number, score, actor=actor), embedding=vector)))

    watching.on_check(replace(record(first, 0.99, actor="a"), embedding=embedding(7)))
    read_by_new(first + 1, 0.99, 8)
    read_by_new(first + 2, 0.6, 9)  # passes close below the threshold, and says something else
    assert [alert.kind for alert in watching.alerts if alert.actor] == []
    for number in range(LEARNED_FROM):
        read_by_new(first + 3 + number, 0.01, 2000 + number, None)
    after = first + 3 + LEARNED_FROM
    read_by_new(after, 0.99, 8)
    read_by_new(after + 1, 0.6, 9)
    assert [alert.kind for alert in watching.alerts if alert.actor] == []
    read_by_new(after + 2, 0.6, 8)
    assert [alert.kind for alert in watching.alerts if alert.actor] == [Kind.REPHRASED]


def test_the_references_model_rule_takes_the_reference_of_the_model_in_use() -> None:
    given: dict[str, Mapping[tuple[str, Stage], Sequence[float]]] = {"now": reference(harmless)}
    watching = Monitor(policy(window=400, reference="model"), key=KEY, references=lambda: given["now"])
    feed(watching, 1500, harmless)
    given["now"] = reference(higher)
    with_new(watching, 1500, 1500)
    assert {alert.model_before for alert in watching.alerts} == {OLD}  # of what changed with the model, and no other


def reference(score: Callable[[random.Random], float]) -> dict[tuple[str, Stage], Sequence[float]]:
    chance = random.Random(9)
    drawn = sorted(score(chance) for _ in range(20_001))
    return {("prompt_injection", Stage.INPUT): drawn[::200]}
