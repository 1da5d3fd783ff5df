from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from guardsdk.evaluation.curves import curve


def test_a_curve_has_one_point_for_each_distinct_score() -> None:
    found = curve("x", [True, True, False, True, False], [0.9, 0.8, 0.8, 0.3, 0.1])
    assert found is not None
    assert [point.threshold for point in found.points] == [0.9, 0.8, 0.3, 0.1]
    assert [point.recall.rate for point in found.points] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert [point.false_alarms.rate for point in found.points] == pytest.approx([0, 1 / 2, 1 / 2, 1])


def test_recall_at_a_rate_of_false_alarms_is_the_best_that_keeps_it() -> None:
    found = curve("x", [True] * 3 + [False] * 2, [0.9, 0.5, 0.4, 0.6, 0.1])
    assert found is not None
    strict, loose = found.at_most(0.0), found.at_most(0.5)
    assert strict is not None
    assert loose is not None
    assert (strict.threshold, loose.threshold) == (0.9, 0.4)
    worst = curve("x", [True, False], [0.1, 0.9])
    assert worst is not None
    assert worst.at_most(0.5) is None


def test_a_long_curve_is_thinned_and_keeps_its_ends_and_its_order() -> None:
    chooser = np.random.default_rng(0)
    truth = chooser.random(5000) < 0.3
    found = curve("x", truth, chooser.normal(truth * 1.0, 1.0))
    assert found is not None
    assert len(found.points) <= 200
    assert found.points[0].recall.hits + found.points[0].false_alarms.hits == 1
    assert found.points[-1].recall.rate == found.points[-1].false_alarms.rate == 1.0
    assert all(a.threshold > b.threshold and a.recall.rate <= b.recall.rate for a, b in pairwise(found.points))


def test_one_kind_of_case_alone_has_no_curve_and_bad_scores_are_refused() -> None:
    assert curve("x", [True, True], [0.1, 0.2]) is None
    assert curve("x", [], []) is None
    with pytest.raises(ValueError, match="same cases"):
        curve("x", [True], [0.1, 0.2])
    with pytest.raises(ValueError, match="'x' must not hold NaN"):
        curve("x", [True, False], [0.1, float("nan")])
