"""Lines chosen on samples: what is counted is exact, what is promised holds for new text, and no more is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from guardsdk.calibration.choosing import tune
from guardsdk.calibration.meaning import isotonic, meaning, platt_line
from guardsdk.calibration.sample import EDGES, KEPT, Known, Sample
from guardsdk.errors import InputError, InputTypeError
from guardsdk.intervals import needed, upper_bound
from guardsdk.parts.info import RuleInfo
from guardsdk.verdict import Action, Evaluation, Stage, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

RULES = tuple(
    RuleInfo(stage=Stage.INPUT, principle_id=name, label=name, threshold=0.5, action=Action.BLOCK) for name in "ab"
)


def verdict(scores: Iterable[float], *, coverage: float = 1.0, status: Status = Status.COMPLETE) -> Verdict:
    evaluations = tuple(
        Evaluation(
            principle_id=rule.principle_id, label=rule.label, score=score, threshold=0.5, margin=0.0, fired=False
        )
        for rule, score in zip(RULES, scores, strict=False)
    )
    return Verdict(
        allowed=True,
        action=Action.ALLOW,
        status=status,
        stage=Stage.INPUT,
        coverage=coverage,
        evaluations=evaluations,
    )


def sampled(rows: NDArray[np.float64]) -> Sample:
    sample = Sample(RULES)
    sample.add([verdict(map(float, row)) for row in rows])
    return sample


def drawn(rng: np.random.Generator, count: int, shift: float = -3.0) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-(rng.normal(size=(count, 2)) * 1.5 + shift))))


def test_how_many_reach_a_line_is_counted_exactly() -> None:
    rows = drawn(np.random.default_rng(0), 3000)
    rows[:3] = [[0.0, 1.0], [1.0, 0.0], [EDGES[2400], EDGES[2400]]]
    sample = sampled(rows)
    for column in (0, 1):
        exact = [int((rows[:, column] >= edge).sum()) for edge in EDGES[::400]]
        assert sample.reaching(column)[::400].tolist() == exact
        assert int(sample.bins(column).sum()) == 3000
    assert sample.any_reaching([0.5, 0.9]) == (int(((rows[:, 0] >= 0.5) | (rows[:, 1] >= 0.9)).sum()), 3000)


def test_texts_that_were_not_read_to_their_end_do_not_count() -> None:
    sample = Sample(RULES)
    sample.add([verdict([0.1, 0.1], coverage=0.5), verdict([0.1]), verdict([0.1, 0.1], status=Status.FAILED)])
    sample.add([verdict([0.2, 0.3])])
    assert (sample.texts, sample.unchecked) == (1, 3)


def test_what_is_kept_side_by_side_is_bounded_and_drawn_evenly() -> None:
    sample = Sample(RULES)
    count = 3 * KEPT
    for start in range(0, count, 5000):
        sample.add([verdict([place / count, 0.0]) for place in range(start, start + 5000)])
    assert sample.any_reaching([0.0, 1.0]) == (KEPT, KEPT)
    reaching, kept = sample.any_reaching([0.5, 1.0])
    assert reaching / kept == pytest.approx(0.5, abs=0.02)
    assert sample.texts == count


def test_a_line_is_raised_as_far_as_it_has_to_be_and_no_further() -> None:
    rows = drawn(np.random.default_rng(1), 4000, shift=-1.5)
    tuning = tune(sampled(rows), None, 0.01, 0.95)
    for column, choice in enumerate(tuning.choices):
        assert choice.what == "raised"
        assert choice.before.flagged.hits == int((rows[:, column] >= 0.5).sum())
        assert choice.after.bound <= 0.01
        assert choice.after.flagged.hits == int((rows[:, column] >= choice.after.value).sum())
        lower = EDGES[int(np.searchsorted(EDGES, choice.after.value)) - 1]
        assert int((rows[:, column] >= lower).sum()) > choice.after.flagged.hits
    assert tuning.shown
    assert tuning.flagged_after.hits <= sum(choice.after.flagged.hits for choice in tuning.choices)


def test_the_promise_is_kept_on_text_that_was_not_there() -> None:
    broken = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        line = tune(sampled(drawn(rng, 1000, shift=-1.5)), None, 0.02, 0.95).choices[0].after.value
        broken += float((drawn(rng, 20_000, shift=-1.5)[:, 0] >= line).mean()) > 0.02
    assert broken <= 11  # one in twenty, and what chance allows of a hundred: 11 is exceeded once in 200 times


def test_a_line_is_lowered_only_where_violating_texts_show_what_that_finds() -> None:
    rng = np.random.default_rng(2)
    benign, violating = sampled(drawn(rng, 4000, shift=-8.0)), sampled(drawn(rng, 300, shift=-0.5))
    assert [choice.what for choice in tune(benign, None, 0.01, 0.95).choices] == ["kept", "kept"]
    tuning = tune(benign, violating, 0.01, 0.95)
    for choice in tuning.choices:
        assert choice.what == "lowered"
        assert choice.before.found is not None
        assert choice.after.found is not None
        assert choice.after.found.hits > choice.before.found.hits
        assert choice.after.bound <= 0.01
    assert tuning.found_before is not None
    assert tuning.found_after is not None
    assert tuning.found_after.rate > tuning.found_before.rate


def test_a_line_stays_where_a_lower_one_finds_no_more() -> None:
    benign = sampled(np.zeros((1000, 2)))  # as a screen that works by rule scores what it does not find
    tuning = tune(benign, sampled(np.array([[0.0, 0.9]] * 30)), 0.01, 0.95)
    assert [(choice.what, choice.after.value) for choice in tuning.choices] == [("kept", 0.5)] * 2


def test_scores_that_are_alike_in_both_samples_mean_nothing() -> None:
    values = np.linspace(0.01, 0.99, 99)
    for value in values:
        assert platt_line(sampled(np.full((5, 2), value)), sampled(np.full((3, 2), value)), 0) is None
    mixed = sampled(np.stack([values, values], axis=1))
    assert platt_line(mixed, mixed, 0) is None
    line = platt_line(sampled(np.full((5, 2), 0.2)), sampled(np.full((3, 2), 0.7)), 0)
    assert line is not None
    assert line[0] > 0.0


def test_a_sample_that_cannot_show_the_rate_is_refused_and_told_what_would() -> None:
    rng = np.random.default_rng(3)
    tuning = tune(sampled(drawn(rng, needed(0.01) - 1, shift=-20.0)), None, 0.01, 0.95)
    assert not tuning.shown
    assert {choice.what for choice in tuning.choices} == {"refused"}
    assert str(needed(0.01)) in tuning.choices[0].why
    assert tuning.choices[0].after.value == 0.5
    assert tune(sampled(drawn(rng, needed(0.01), shift=-20.0)), None, 0.01, 0.95).shown


def test_copies_of_a_text_are_no_evidence_about_others() -> None:
    benign, violating = Sample(RULES), sampled(np.full((30, 2), 0.4))
    benign.add([verdict([0.01, 0.01])] * 3000, [False, *[True] * 2999])
    tuning = tune(benign, violating, 0.01, 0.95)
    assert (tuning.texts, tuning.different, tuning.shown) == (3000, 1, False)
    why = "3000 texts of which 1 differ cannot show 0.01: it takes 299 that differ without a hit"
    assert tuning.choices[0].why == why
    benign.add([verdict([0.02, 0.02])] * needed(0.01))
    lowered = tune(benign, violating, 0.01, 0.95).choices[0]
    assert lowered.what == "lowered"
    assert lowered.after.bound == upper_bound(0, needed(0.01) + 1)


def test_a_text_that_comes_often_is_flagged_often() -> None:
    rows = [verdict([0.6, 0.6])] * 50 + [verdict([0.01, 0.01])] * 950
    again, once = Sample(RULES), Sample(RULES)
    again.add(rows, [False, *[True] * 49, *[False] * 950])
    once.add(rows)
    for copies, alone in zip(*(tune(one, None, 0.01, 0.95).choices for one in (again, once)), strict=True):
        assert copies.what == alone.what == "raised"
        assert copies.why == alone.why == "50 flagged, at most 4 may be"
        assert copies.after.value == alone.after.value


def test_a_line_is_raised_for_those_that_differ_where_the_copies_hide_them() -> None:
    rows = [verdict([0.6, 0.6])] * 6 + [verdict([0.01, 0.01])] * 3994
    benign = Sample(RULES)
    benign.add(rows, [*[False] * 6, *[False] * 394, *[True] * 3600])
    choice = tune(benign, None, 0.01, 0.95).choices[0]
    assert (choice.what, choice.why) == ("raised", "6 that differ are flagged, at most 0 may be")
    assert choice.after.flagged.hits == 0


def test_what_came_before_is_known_however_it_is_spaced() -> None:
    known = Known()
    said = [("a b", None), (" a\n b ", None), ("a b", "why?"), ("ab", None), ("a b", "why?"), ("\ud800", None)]
    assert [known.again(*one) for one in said] == [False, True, False, False, True, False]
    assert sum(known.again(f"text {number}", None) for number in range(10_000)) < 10


def test_scores_as_high_as_they_can_be_leave_no_line() -> None:
    rows = drawn(np.random.default_rng(4), 1000)
    rows[:100, 0] = 1.0
    first, second = tune(sampled(rows), None, 0.02, 0.95).choices
    assert first.what == "refused"
    assert "as high as a score can be" in first.why
    assert second.what != "refused"


def test_the_never_falling_curve_is_the_closest_one() -> None:
    rng = np.random.default_rng(5)
    weights = rng.integers(1, 9, 12).astype(np.float64)
    hits = weights * rng.random(12)
    found = isotonic(hits, weights)
    assert (np.diff(found) >= -1e-12).all()

    def loss(curve: NDArray[np.float64]) -> float:
        return float((weights * (curve - hits / weights) ** 2).sum())

    for _ in range(3000):
        other = np.sort(np.clip(found + rng.normal(size=12) * rng.choice([0.3, 0.03, 0.003]), 0.0, 1.0))
        assert loss(other) >= loss(found) - 1e-12


def test_where_nothing_was_counted_the_curve_stays_as_high_as_before() -> None:
    hits, weights = np.array([0.0, 0.0, 2.0, 0.0, 1.0]), np.array([0.0, 4.0, 4.0, 0.0, 1.0])
    assert isotonic(hits, weights).tolist() == [0.0, 0.0, 0.5, 0.5, 1.0]


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_score_means_the_chance_that_was_put_into_it(method: str) -> None:
    rng = np.random.default_rng(6)
    # Log-odds drawn from normals one unit apart on both sides of 0: their true log-odds are twice the score's.
    benign, violating = (
        sampled(np.asarray(1.0 / (1.0 + np.exp(-(rng.normal(size=(20_000, 2)) + shift))))) for shift in (-1.0, 1.0)
    )
    for score, chance in meaning(benign, violating, 0, method):  # type: ignore[arg-type]
        if 0.1 < score < 0.9:
            odds = np.log(score / (1.0 - score))
            assert chance == pytest.approx(1.0 / (1.0 + np.exp(-2.0 * odds)), abs=0.08)
    assert meaning(benign, Sample(RULES), 0, method) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"fpr": -0.01}, InputError, "fpr lies between 0 and 1, not at -0.01"),
        ({"fpr": 3.0}, InputError, "fpr lies between 0 and 1, not at 3"),
        ({"fpr": float("nan")}, InputError, "fpr lies between 0 and 1, not at nan"),
        ({"fpr": "0.01"}, InputTypeError, "fpr must be a number between 0 and 1, not str"),
        ({"confidence": 0.0}, InputError, "confidence lies between 0 and 1, not at 0"),
        ({"confidence": -1.0}, InputError, "confidence lies between 0 and 1, not at -1"),
        ({"confidence": float("nan")}, InputError, "confidence lies between 0 and 1, not at nan"),
        ({"confidence": None}, InputTypeError, "confidence must be a number between 0 and 1, not NoneType"),
        ({"benign": ["a text"]}, InputTypeError, "benign must be a Sample, not list"),
        ({"violating": ["a text"]}, InputTypeError, "violating must be a Sample, not list"),
    ],
)
def test_a_rate_that_is_none_tunes_nothing(changed: dict[str, Any], error: type[Exception], said: str) -> None:
    benign = sampled(drawn(np.random.default_rng(0), 400))
    given: dict[str, Any] = {"benign": benign, "violating": benign, "fpr": 0.05, "confidence": 0.95} | changed
    with pytest.raises(error, match=f"^{said}$"):
        tune(**given)
