"""What examples support: on embeddings made up so that it is known what can be learned from them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk.engine.heads import Heads
from guardsdk.errors import TeachingError
from guardsdk.intervals import wilson
from guardsdk.teaching import learn as learning
from guardsdk.teaching.bank import Bank
from guardsdk.teaching.learn import Examples, clusters, learn
from guardsdk.teaching.logistic import platt
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guardsdk.teaching.lesson import Lesson

WIDTH = 32


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    lengths: NDArray[np.float64] = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / lengths).astype(np.float32)


def texts(rng: np.random.Generator, count: int, topic: float = 0.0) -> NDArray[np.float32]:
    """Embeddings that differ in every direction, most in the first two, as far along the last one as ``topic`` says."""
    spread = np.full(WIDTH, 0.3)
    spread[:2] = 2.0
    rows = rng.normal(size=(count, WIDTH)) * spread
    rows[:, -1] += topic
    return unit(rows)


@pytest.fixture(scope="module")
def bank() -> Bank:
    rng = np.random.default_rng(0)
    return Bank.of("0" * 64, {stage: texts(rng, 400) for stage in (Stage.INPUT, Stage.OUTPUT)})


def taught(
    bank: Bank,
    violates: NDArray[np.float32],
    allowed: NDArray[np.float32],
    *,
    stages: tuple[Stage, ...] = (Stage.INPUT,),
    fpr: float = 0.01,
) -> Lesson:
    examples = Examples(np.stack([violates] * len(stages)), np.stack([allowed] * len(stages)))
    return learn("no-topic", examples, bank, text="No.", stages=stages, action=Action.BLOCK, fpr=fpr)


def scores(lesson: Lesson, rows: NDArray[np.float32]) -> NDArray[np.float64]:
    odds = np.array(Heads([lesson.head]).beside([[] for _ in rows], rows))[:, 0] + lesson.intercept
    return np.asarray(1.0 / (1.0 + np.exp(-(lesson.calibration.slope * odds + lesson.calibration.intercept))))


def test_a_topic_is_learned_from_twenty_examples_and_the_estimate_holds_on_new_texts(bank: Bank) -> None:
    rng = np.random.default_rng(1)
    lesson = taught(bank, texts(rng, 20, 2.0), texts(rng, 10))
    assert lesson.armed
    assert lesson.flagged_benign.hits <= 4
    found = (scores(lesson, texts(rng, 2000, 2.0)) >= lesson.threshold).mean()
    wrong = (scores(lesson, texts(rng, 2000)) >= lesson.threshold).mean()
    assert found >= lesson.recall.low  # taught on all of them it may well do better
    assert wrong <= lesson.flagged_benign.high


def test_examples_that_are_like_everything_else_are_refused(bank: Bank) -> None:
    rng = np.random.default_rng(2)
    lesson = taught(bank, texts(rng, 20), texts(rng, 20))
    assert not lesson.armed
    assert lesson.recall.hits < 10
    assert "in cross-validation it finds" in lesson.refusals[0]
    with pytest.raises(TeachingError, match="not armed") as caught:
        lesson.require_armed()
    assert caught.value.lesson is lesson


def test_examples_that_only_repeat_each_other_do_not_vouch_for_each_other(bank: Bank) -> None:
    rng = np.random.default_rng(3)
    # Two topics, each said ten times over in nearly the same words: without the one, the other does not find it.
    first, second = np.zeros((2, 1, WIDTH))
    first[0, -1] = second[0, -2] = 1.0
    said = unit(
        np.concatenate([np.repeat(first, 10, 0), np.repeat(second, 10, 0)]) + rng.normal(size=(20, WIDTH)) * 0.01
    )
    assert [len(cluster) for cluster in clusters(said.astype(np.float64))] == [10, 10]
    lesson = taught(bank, said, texts(rng, 5))
    assert lesson.recall.hits == 0
    assert not lesson.armed


def test_examples_that_say_nearly_the_same_are_no_more_evidence_than_one(bank: Bank) -> None:
    rng = np.random.default_rng(12)
    topics, allowed = texts(rng, 8, 2.0), texts(rng, 10)
    said = unit(np.repeat(topics, 5, 0) + rng.normal(size=(40, WIDTH)) * 0.001)
    assert [len(cluster) for cluster in clusters(said.astype(np.float64))] == [5] * 8
    lesson, alone = taught(bank, said, allowed), taught(bank, topics, allowed)
    assert lesson.armed
    assert (lesson.recall.hits, lesson.recall.total) == (40, 40)
    assert lesson.recall.low == pytest.approx(alone.recall.low) == pytest.approx(wilson(8, 8).low)
    assert any("say nearly the same" in sentence for sentence in lesson.advice)
    assert not any("say nearly the same" in sentence for sentence in alone.advice)
    # Found without each other, but by what is one example and its copies.
    few = taught(bank, np.concatenate([said[:5], said[5:6], said[10:11], said[15:16]]), allowed)
    assert few.recall.hits == 8
    assert few.refusals == (
        "of 8 violating examples many say nearly the same, so they count as 2.3: give at least 5 that differ",
    )


def test_an_example_is_tested_by_what_would_have_been_learned_without_it(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested: list[NDArray[np.float64]] = []

    def seen(scores: NDArray[np.float64], *rest: NDArray[np.float64]) -> tuple[float, float]:
        tested.append(scores.copy())
        return platt(scores, *rest)

    monkeypatch.setattr(learning, "platt", seen)
    rng = np.random.default_rng(9)
    violates, allowed = texts(rng, 20, 1.5), texts(rng, 5)
    taught(bank, violates, allowed)
    for one in range(len(violates)):
        without = taught(bank, np.delete(violates, one, axis=0), allowed)
        # Of the two voices the second is heard or not, by a gate that moves a little with every example.
        heard, never = (
            Heads([replace(without.head, gate=gate)]).beside([[]], violates[one : one + 1])[0][0] + without.intercept
            for gate in (-np.inf, np.inf)
        )
        assert min(abs(tested[0][one] - heard), abs(tested[0][one] - never)) < 0.3


def test_an_example_that_is_given_as_both_is_named(bank: Bank) -> None:
    rng = np.random.default_rng(14)
    violates, allowed = texts(rng, 10, 2.0), texts(rng, 6)
    allowed[4] = unit(violates[7:8] + rng.normal(size=(1, WIDTH)) * 0.001)
    said = [one for one in taught(bank, violates, allowed).advice if "take out one" in one]
    assert [one.partition(" say")[0] for one in said] == ["violates[7] and allowed[4]"]


def test_an_example_is_judged_by_the_highest_of_its_parts_as_a_check_does(bank: Bank) -> None:
    rng = np.random.default_rng(13)
    violates, allowed, parts = texts(rng, 20, 2.0), texts(rng, 10), texts(rng, 2, 2.5)
    violates[19], allowed[9] = texts(rng, 2)  # as a whole these are about something else
    whole = taught(bank, violates, allowed)
    examples = Examples(violates[None], allowed[None], parts, np.array([19, 29]))
    lesson = learn("no-topic", examples, bank, text="No.", stages=(Stage.INPUT,), action=Action.BLOCK, fpr=0.01)
    assert lesson.weights == whole.weights  # what is learned is learned of the wholes
    assert whole.flagged_allowed.hits == 0
    assert ("violates", 19) in {(one.kind, one.place) for one in whole.confusing}
    named = {(one.kind, one.place) for one in lesson.confusing}
    assert ("violates", 19) not in named
    assert ("allowed", 9) in named or lesson.threshold > whole.threshold


def test_the_odd_one_out_is_named_by_its_place(bank: Bank) -> None:
    rng = np.random.default_rng(4)
    violates = np.concatenate([texts(rng, 19, 2.0), texts(rng, 1)])
    allowed = np.concatenate([texts(rng, 19), texts(rng, 1, 2.0)])
    lesson = taught(bank, violates, allowed)
    named = {(one.kind, one.place) for one in lesson.confusing}
    assert {("violates", 19), ("allowed", 19)} <= named
    assert any("violates[19]" in sentence for sentence in lesson.advice)


def test_few_examples_are_refused_whatever_they_show_and_more_are_asked_for(bank: Bank) -> None:
    rng = np.random.default_rng(5)
    lesson = taught(bank, texts(rng, 4, 2.0), texts(rng, 0))
    assert "too few" in lesson.refusals[0]
    assert any("allowed examples of the same subject" in sentence for sentence in lesson.advice)
    assert taught(bank, texts(rng, 5, 2.0), texts(rng, 5)).armed


def test_without_a_contrast_nothing_is_armed_and_what_to_give_is_said(bank: Bank) -> None:
    rng = np.random.default_rng(10)
    violates, allowed = texts(rng, 20, 2.0), texts(rng, 5)
    for count, armed in ((0, False), (4, False), (5, True)):
        lesson = taught(bank, violates, allowed[:count])
        assert lesson.recall.low > 0.5
        assert lesson.armed is armed
        assert armed or [one.partition(":")[0] for one in lesson.refusals] == [f"{count} allowed examples are too few"]


def test_texts_that_only_a_manner_of_writing_joins_do_not_hang_together(bank: Bank) -> None:
    rng = np.random.default_rng(11)
    # All a little along one way that the bank does not go, which is enough for a head to find each without it.
    violates, allowed = texts(rng, 20, 0.9), texts(rng, 40)
    lesson = taught(bank, violates, allowed, fpr=0.05)
    assert lesson.recall.low > 0.5
    assert len(lesson.refusals) == 1
    assert "no subject in common" in lesson.refusals[0]


def test_a_lower_rate_draws_a_higher_line_and_one_nobody_can_show_is_refused(bank: Bank) -> None:
    rng = np.random.default_rng(6)
    violates, allowed = texts(rng, 20, 2.0), texts(rng, 0)
    loose, tight = (taught(bank, violates, allowed, fpr=rate) for rate in (0.05, 0.005))
    assert loose.threshold < tight.threshold
    assert loose.flagged_benign.hits <= 20
    assert tight.flagged_benign.hits <= 2
    assert "0.001" not in tight.thresholds_by_fpr  # 400 texts cannot show it
    assert tight.thresholds_by_fpr["0.05"] == loose.threshold
    with pytest.raises(TeachingError, match=r"0\.001 cannot be shown on a bank of 400"):
        taught(bank, violates, allowed, fpr=0.001)


def test_an_example_counts_once_however_many_stages_it_is_seen_at(bank: Bank) -> None:
    rng = np.random.default_rng(7)
    lesson = taught(bank, texts(rng, 20, 2.0), texts(rng, 10), stages=(Stage.INPUT, Stage.OUTPUT))
    assert (lesson.recall.total, lesson.flagged_allowed.total, lesson.flagged_benign.total) == (20, 10, 800)


def test_a_stage_without_ordinary_text_cannot_be_taught(bank: Bank) -> None:
    rng = np.random.default_rng(8)
    with pytest.raises(TeachingError, match="0 texts of stage tool"):
        taught(bank, texts(rng, 20, 2.0), texts(rng, 10), stages=(Stage.TOOL,))
    with pytest.raises(TeachingError, match="at least one violating"):
        taught(bank, texts(rng, 0), texts(rng, 10))
