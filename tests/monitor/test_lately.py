"""Variants of one text, from the embeddings that the monitor is told of to the alert."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from guardsdk.monitor import Kind, Monitor, Severity, lately
from guardsdk.monitor.approach import LATELY
from guardsdk.monitor.lately import Late, Lately
from guardsdk.monitor.sketch import LEARNED_FROM, Sketchers
from guardsdk.policy.monitoring import Enforcement
from guardsdk.verdict import Stage
from tests.monitor.test_behaviour import embedding
from tests.monitor.test_monitor import policy, record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

USUALLY = LEARNED_FROM + 200
SCORES = (0.010, 0.012, 0.011, 0.02, 0.03, 0.05)


@pytest.fixture(scope="module")
def state() -> dict[str, object]:
    """What a monitor remembers that has seen ordinary traffic of many users."""
    watching = Monitor(policy(), key=b"k")
    for number in range(USUALLY):
        told = record(number, 0.001 * (number % 20), actor=f"user{number % 300}")
        watching.on_check(replace(told, embedding=embedding(number)))
    assert watching.alerts == ()
    return watching.state()


def kinds(state: dict[str, object], texts: list[tuple[float, NDArray[np.float32]]]) -> list[Kind]:
    watching = Monitor(policy(), key=b"k")
    watching.merge(state)
    for number, (score, vector) in enumerate(texts, USUALLY):
        watching.on_check(replace(record(number, score, actor="planted"), embedding=vector))
    return [alert.kind for alert in watching.alerts]


def test_variants_of_one_text_that_end_over_the_line_are_probing(state: dict[str, object]) -> None:
    variants = [embedding(10_000 + at, 9999, 0.9) for at in range(7)]
    assert kinds(state, [*zip(SCORES, variants, strict=False), (0.95, variants[6])]) == [Kind.PROBING]
    others = [embedding(20_000 + at) for at in range(7)]
    assert kinds(state, [*zip(SCORES, others, strict=False), (0.95, others[6])]) == []


def test_over_the_line_by_little_and_without_a_climb_is_told_as_what_may_be_a_mistake(state: dict[str, object]) -> None:
    limiting = policy(enforcement=Enforcement())
    flat, climb = [0.02] * 8, [0.01 * 1.4**at for at in range(8)]

    def told(scores: list[float]) -> list[tuple[Severity, bool]]:
        watching = Monitor(limiting, key=b"k")
        watching.merge(state)
        for number, score in enumerate(scores, USUALLY):
            variant = embedding(10_000 + number, 9999, 0.9)
            watching.on_check(replace(record(number, score, actor="planted"), embedding=variant))
        limited = watching.limits("planted", record(USUALLY + len(scores)).started_ns) is not None
        return [(alert.severity, limited) for alert in watching.alerts]

    little, far = 0.92, 0.99  # 0.2 and 2.4 log-odds over the threshold
    assert told([*flat, little]) == [(Severity.INFO, False)]
    assert told([*flat, far]) == [(Severity.WARNING, True)]
    assert told([*climb, little]) == [(Severity.WARNING, True)]
    # What may be a mistake holds nothing back: the next variant is weighed with the same texts, and told.
    assert told([*flat, little, far]) == [(Severity.INFO, True), (Severity.WARNING, True)]


def test_variants_of_a_harmless_text_are_nobodys_business(state: dict[str, object]) -> None:
    variants = [embedding(10_000 + at, 9999, 0.9) for at in range(30)]
    assert kinds(state, [(0.01 + 0.001 * at, vector) for at, vector in enumerate(variants)]) == []


def test_how_frequent_variants_are_is_learned_where_every_question_is_answered(state: dict[str, object]) -> None:
    watching = Monitor(policy(), key=b"k")
    watching.merge(state)
    _, before = shares_of(watching)
    for number in range(USUALLY, USUALLY + 600, 2):  # an answer after each question: their numbers are all even
        told = record(number, 0.01, actor=f"user{number % 100}")
        watching.on_check(replace(told, embedding=embedding(number)))
        answer = told.verdict.model_copy(update={"stage": Stage.OUTPUT})
        watching.on_check(replace(told, verdict=answer, started_ns=told.started_ns + 1))
    hits, texts = shares_of(watching)
    assert texts > before + 10
    assert hits == 0


def test_an_actor_who_sends_one_text_a_thousand_times_does_not_have_everybody_look_like_that() -> None:
    watching = Monitor(policy(), key=b"k")
    for number in range(LEARNED_FROM):
        watching.on_check(replace(record(number, 0.01), embedding=embedding(number)))
    for number in range(LEARNED_FROM, LEARNED_FROM + 1000):
        watching.on_check(replace(record(number, 0.01, actor="flood"), embedding=embedding(9999)))
    assert shares_of(watching) == [1.0, 1.0]


def test_a_model_that_was_forgotten_learns_anew() -> None:
    sketchers = Sketchers(lambda: b"x")
    for at in range(LEARNED_FROM + 1):
        sketchers.learn("a", embedding(at))
    assert sketchers.of("a").ready
    for model in "bcde":  # as many as are kept
        sketchers.of(model)
    for at in range(LEARNED_FROM):
        sketchers.learn("a", embedding(at))
    assert sketchers.of("a").ready


def shares_of(watching: Monitor) -> list[float]:
    """Variants among the texts that were compared to learn how frequent they are, and these texts."""
    found: list[float] = watching.state()["traffic"]["variants"]
    return found


def test_only_a_few_texts_of_a_few_actors_are_held_and_those_told_of_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lately, "ACTORS", 2)
    held, sketchers = Lately(), Sketchers(lambda: b"x")
    for at in range(LATELY + 3):
        held.note("a", Late(float(at), float(at), embedding(at), "m"))
    steps = held.steps("a", 0.0, sketchers, 0.5)
    assert [step.closeness for step in steps] == [float(at) for at in range(3, LATELY + 3)]
    assert {step.variant for step in steps} == {None}
    assert len(held.steps("a", LATELY, sketchers, 0.5)) == 3
    assert not held.count("a", LATELY + 2.0)  # none before it lately
    assert held.count("a", 0.0)
    assert not held.count("a", 0.0)
    assert held.count("a", LATELY + 2.5) is False
    held.note("b", Late(0.0, 0.0, embedding(1), "m"))
    held.begin_anew("a")
    assert len(held.steps("a", 0.0, sketchers, 0.5)) == 1
    held.note("a", Late(0.0, 0.0, embedding(2), "m"))
    held.note("c", Late(0.0, 0.0, embedding(3), "m"))
    assert held.steps("b", 0.0, sketchers, 0.5) == []
    held.forget("a")
    assert held.steps("a", 0.0, sketchers, 0.5) == []


def test_nothing_saved_is_long_enough_to_hold_an_embedding(state: dict[str, object]) -> None:
    actors = state["actors"]
    assert isinstance(actors, dict)
    assert max(map(len, actors.values())) < 384
