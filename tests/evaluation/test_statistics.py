from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.evaluation.statistics import (
    Paired,
    benjamini_hochberg,
    holm,
    mcnemar,
    paired_difference,
    percentile,
    percentile_change,
)
from guardsdk.intervals import quantile

changes = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 200)).map(
    lambda drawn: Paired(drawn[0], drawn[1], sum(drawn))
)
RUNS = 4000
"""Simulated runs: the share of intervals that hold the truth is then known to about 0.7 points."""


def test_percentile_interpolates() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.5
    assert percentile([4.0, 1.0, 3.0, 2.0], 100) == 4.0
    assert math.isnan(percentile([], 50))


def test_without_any_change_the_interval_has_its_closed_form() -> None:
    z = quantile(0.95)
    found = paired_difference(Paired(0, 0, 54))
    assert (found.low, found.high) == pytest.approx((-z * z / (54 + z * z), z * z / (54 + z * z)))


@pytest.mark.parametrize(("lost", "gained", "total"), [(1, 0, 54), (1, 1, 54), (4, 11, 100), (12, 2, 50), (0, 9, 30)])
def test_at_its_ends_the_score_of_the_likelihood_is_the_quantile(lost: int, gained: int, total: int) -> None:
    found = paired_difference(Paired(lost, gained, total))
    mirrored = paired_difference(Paired(gained, lost, total))
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
    for end, sign in ((found.low, 1), (found.high, -1)):
        share = np.linspace(max(0.0, -end) + 1e-7, (1 - end) / 2 - 1e-7, 400_001)  # of losses, by brute force
        likelihood = lost * np.log(share) + gained * np.log(share + end)
        likelihood += (total - lost - gained) * np.log(1 - 2 * share - end)
        best = float(share[np.argmax(likelihood)])
        score = (gained - lost - total * end) / math.sqrt(total * (2 * best + end - end * end))
        assert score == pytest.approx(sign * quantile(0.95), abs=2e-3)


@given(changes)
def test_a_paired_interval_holds_its_difference_and_grows_with_confidence(pairs: Paired) -> None:
    if pairs.total == 0:
        assert math.isnan(paired_difference(pairs).low)
        return
    narrow, wide = paired_difference(pairs, 0.8), paired_difference(pairs, 0.99)
    assert -1.0 <= wide.low <= narrow.low <= pairs.difference + 1e-12
    assert pairs.difference - 1e-12 <= narrow.high <= wide.high <= 1.0
    assert wide.low < wide.high


@pytest.mark.parametrize(
    ("lost", "gained", "total"),
    [(0.05, 0.05, 100), (0.02, 0.08, 150), (0.01, 0.04, 600), (0.2, 0.1, 60), (0.01, 0.01, 300)],
)
def test_of_simulated_pairs_95_percent_of_the_intervals_hold_the_true_change(
    lost: float, gained: float, total: int
) -> None:
    cells = np.random.default_rng(2).multinomial(total, [lost, gained, 1 - lost - gained], RUNS)
    interval = cache(lambda a, b: paired_difference(Paired(a, b, total)))
    held = [interval(int(a), int(b)).low <= gained - lost <= interval(int(a), int(b)).high for a, b, _ in cells]
    assert 0.93 <= np.mean(held) <= 0.97


@pytest.mark.parametrize(
    ("lost", "gained", "expected"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 2 / 32), (1, 9, 22 / 1024), (9, 1, 22 / 1024)]
)
def test_mcnemar_is_the_exact_binomial_test(lost: int, gained: int, expected: float) -> None:
    assert mcnemar(Paired(lost, gained, 40)) == pytest.approx(expected)


def test_mcnemar_finds_no_change_where_there_is_none() -> None:
    cells = np.random.default_rng(3).multinomial(200, [0.06, 0.06, 0.88], RUNS)
    p_value = cache(lambda a, b: mcnemar(Paired(a, b, 200)))
    assert np.mean([p_value(int(a), int(b)) <= 0.05 for a, b, _ in cells]) <= 0.05


def test_impossible_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="3 lost and 2 gained of 4"):
        Paired(3, 2, 4)


def test_adjusted_p_values_match_worked_examples() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.02, 0.04, 0.04, 0.02])
    assert holm([]) == benjamini_hochberg([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_adjusting_keeps_the_order_and_only_raises(p_values: list[float]) -> None:
    for adjusted in (holm(p_values), benjamini_hochberg(p_values)):
        assert all(p <= a + 1e-12 <= 1.0 + 1e-9 for p, a in zip(p_values, adjusted, strict=True))
        ordered = [adjusted[index] for index in sorted(range(len(p_values)), key=lambda one: p_values[one])]
        assert all(before <= after for before, after in pairwise(ordered))
    assert all(b <= h + 1e-12 for b, h in zip(benjamini_hochberg(p_values), holm(p_values), strict=True))


def test_over_slices_without_a_change_holm_finds_one_in_at_most_5_percent_of_runs() -> None:
    chooser = np.random.default_rng(4)
    p_value = cache(lambda a, b: mcnemar(Paired(a, b, 80)))
    false = 0
    for _ in range(RUNS // 4):
        cells = chooser.multinomial(80, [0.08, 0.08, 0.84], 12)
        false += min(holm([p_value(int(a), int(b)) for a, b, _ in cells])) <= 0.05
    assert false / (RUNS // 4) <= 0.05


def test_a_percentile_change_holds_the_true_shift() -> None:
    chooser = np.random.default_rng(5)
    held = 0
    runs = 150
    for run in range(runs):
        common = chooser.lognormal(0, 0.5, 150)
        before, after = common + chooser.normal(0, 0.02, 150), common + 0.1 + chooser.normal(0, 0.02, 150)
        found = percentile_change(before, after, 50, times=200, seed=run)
        held += found.low <= 0.1 <= found.high
    assert held / runs >= 0.90


def test_percentile_changes_are_repeatable_and_need_pairs() -> None:
    assert percentile_change([1, 2, 3], [2, 3, 4], 50) == percentile_change([1, 2, 3], [2, 3, 4], 50)
    assert percentile_change([1, 2, 3], [2, 3, 4], 50).value == 1
    assert math.isnan(percentile_change([], [], 50).value)
    with pytest.raises(ValueError, match="same cases"):
        percentile_change([1], [1, 2], 50)
