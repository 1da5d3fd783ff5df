from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.stats import auprc, auroc, binary, resampled, weighted_share
from guardsdk.intervals import wilson

sample = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])), min_size=2, max_size=40)


@given(sample)
def test_auroc_is_the_share_of_ordered_pairs(rows: list[tuple[bool, float]]) -> None:
    positives = [score for label, score in rows if label]
    negatives = [score for label, score in rows if not label]
    found = auroc([label for label, _ in rows], [score for _, score in rows])
    if not positives or not negatives:
        assert math.isnan(found)
        return
    pairs = [(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    assert found == pytest.approx(sum(pairs) / len(pairs))


@given(sample)
def test_auprc_is_precision_summed_over_recall_steps(rows: list[tuple[bool, float]]) -> None:
    found = auprc([label for label, _ in rows], [score for _, score in rows])
    total = sum(label for label, _ in rows)
    if not total:
        assert math.isnan(found)
        return
    area, recalls = 0.0, [0.0]
    for line in sorted({score for _, score in rows}, reverse=True):
        passed = [label for label, score in rows if score >= line]
        recalls.append(sum(passed) / total)
        area += (recalls[-1] - recalls[-2]) * sum(passed) / len(passed)
    assert found == pytest.approx(area)
    assert all(before <= after for before, after in pairwise(recalls))


def test_auprc_does_not_depend_on_the_order_of_equal_scores() -> None:
    assert auprc([True, False, False], [0.5, 0.5, 0.5]) == pytest.approx(1 / 3)
    assert auprc([False, False, True], [0.5, 0.5, 0.5]) == pytest.approx(1 / 3)


@pytest.mark.parametrize("measure", [auroc, auprc])
def test_ranking_refuses_what_it_cannot_rank(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="same length"):
        measure([True], [0.1, 0.2])
    with pytest.raises(ValueError, match="NaN"):
        measure([True, False], [math.nan, 0.2])


def test_binary_counts_and_f1() -> None:
    counted = binary([True, True, False, False, True], [True, False, True, False, True])
    assert (counted.true_positives, counted.false_positives) == (2, 1)
    assert (counted.true_negatives, counted.false_negatives) == (1, 1)
    assert counted.accuracy == pytest.approx(3 / 5)
    assert counted.precision == counted.recall == counted.f1 == pytest.approx(2 / 3)


def test_f1_is_zero_when_nothing_is_found_and_undefined_without_positives() -> None:
    assert binary([True], [False]).f1 == 0.0
    assert math.isnan(binary([False], [True]).f1)
    assert math.isnan(binary([], []).accuracy)


copies = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.25, 0.5]), st.integers(1, 4)), min_size=2)


@given(copies)
def test_a_weight_counts_as_so_many_copies(rows: list[tuple[bool, float, int]]) -> None:
    labels, scores, weights = zip(*rows, strict=True)
    repeated = [(label, score) for label, score, weight in rows for _ in range(weight)]
    for measure in (auroc, auprc):
        expected = measure([label for label, _ in repeated], [score for _, score in repeated])
        assert measure(labels, scores, weights) == pytest.approx(expected, nan_ok=True)
    decisions = [score > 0 for score in scores]
    counted = [score > 0 for _, score in repeated]
    assert binary(labels, decisions, weights) == binary([label for label, _ in repeated], counted)
    assert weighted_share(decisions, weights).rate == pytest.approx(sum(counted) / len(counted))


@given(copies)
def test_weights_widen_the_interval_and_equal_ones_leave_it(rows: list[tuple[bool, float, int]]) -> None:
    decisions, _, weights = zip(*rows, strict=True)
    assert weighted_share(decisions, [2.5] * len(rows)) == wilson(sum(decisions), len(decisions))
    found = weighted_share(decisions, weights)
    assert 0.0 <= found.low <= found.rate <= found.high <= 1.0
    assert found.total <= len(rows) + 1e-9


def test_a_bootstrap_of_a_share_is_near_its_formula() -> None:
    found = [index < 60 for index in range(200)]
    low, high = resampled(lambda drawn: sum(found[index] for index in drawn) / len(drawn), 200, times=2000)
    interval = wilson(60, 200)
    assert (low, high) == pytest.approx((interval.low, interval.high), abs=0.01)
    assert resampled(lambda _: math.nan, 3) == pytest.approx((math.nan, math.nan), nan_ok=True)
    assert resampled(lambda drawn: float(drawn[0] == 0) or math.nan, 2) == (1.0, 1.0)
    assert math.isnan(resampled(len, 0)[0])
