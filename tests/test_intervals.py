"""Shares with their intervals, and how many texts a rate takes to be shown."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.errors import InputError, InputTypeError
from guardsdk.intervals import at_most, most_hits, needed, quantile, upper_bound, wilson

COUNTS = st.integers(0, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
RUNS = 4000
"""Simulated samples: the share of intervals that hold the truth is then known to about 0.7 points."""


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (8, 10, 0.4902, 0.9433), (15, 148, 0.0624, 0.1605)],
)
def test_wilsons_interval_is_as_published(hits: int, total: int, low: float, high: float) -> None:
    # The last row: Newcombe 1998, Statistics in Medicine 17:857, table I, method 3; the others by the closed form.
    share = wilson(hits, total)
    assert share.rate == hits / total
    assert [share.low, share.high] == pytest.approx([low, high], abs=1e-3)


@given(COUNTS)
def test_the_interval_holds_the_rate(count: tuple[int, int]) -> None:
    share = wilson(*count)
    assert 0.0 <= share.low <= share.high <= 1.0
    assert math.isnan(share.rate) if share.total == 0 else share.low <= share.rate <= share.high


@pytest.mark.parametrize(("rate", "total"), [(0.02, 600), (0.1, 120), (0.5, 40), (0.9, 200)])
def test_of_simulated_samples_95_percent_of_the_intervals_hold_the_true_rate(rate: float, total: int) -> None:
    drawn = np.random.default_rng(1).binomial(total, rate, RUNS)
    held = [interval.low <= rate <= interval.high for interval in map(cache(lambda hits: wilson(hits, total)), drawn)]
    assert 0.93 <= np.mean(held) <= 0.97


def test_nothing_seen_says_nothing() -> None:
    share = wilson(0, 0)
    assert math.isnan(share.rate)
    assert (share.low, share.high, upper_bound(0, 0)) == (0.0, 1.0, 1.0)


def test_the_binomial_tail_is_summed_exactly() -> None:
    exact = sum(math.comb(12, k) * 0.3**k * 0.7 ** (12 - k) for k in range(5))
    assert at_most(4, 12, 0.3) == pytest.approx(exact, rel=1e-12)
    assert (at_most(3, 3, 0.5), at_most(0, 5, 1.0), at_most(2, 5, 0.0)) == (1.0, 0.0, 1.0)


@pytest.mark.parametrize(("hits", "total"), [(0, 50), (3, 400), (17, 1000)])
def test_the_upper_bound_is_where_so_few_hits_would_be_one_in_twenty(hits: int, total: int) -> None:
    assert at_most(hits, total, upper_bound(hits, total)) == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("rate", [0.001, 0.005, 0.05])
def test_what_is_needed_is_just_enough(rate: float) -> None:
    enough = needed(rate)
    assert upper_bound(0, enough) <= rate < upper_bound(0, enough - 1)
    assert enough == pytest.approx(3 / rate, rel=0.05)  # the rule of three
    assert most_hits(enough, rate) == 0
    assert most_hits(enough - 1, rate) is None


@pytest.mark.parametrize(("total", "rate"), [(1000, 0.005), (5000, 0.005), (100_000, 0.001), (700, 0.02)])
def test_the_most_hits_are_the_last_whose_bound_keeps_the_rate(total: int, rate: float) -> None:
    most = most_hits(total, rate)
    assert most is not None
    assert upper_bound(most, total) <= rate < upper_bound(most + 1, total)


def test_quantiles_are_those_of_the_normal_distribution() -> None:
    assert quantile(0.95) == pytest.approx(1.959963984540054)
    assert quantile(0.99) == pytest.approx(2.5758293035489)
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile(1.0)


@pytest.mark.parametrize("share", [-0.5, 0.0, 1.0, 3.0, math.nan, math.inf])
def test_a_rate_or_a_confidence_outside_0_to_1_is_refused(share: float) -> None:
    for wrong in (
        lambda: quantile(share),
        lambda: upper_bound(1, 10, share),
        lambda: most_hits(100, share),
        lambda: most_hits(100, 0.1, share),
        lambda: needed(share),
        lambda: needed(0.1, share),
    ):
        with pytest.raises(InputError, match="lies between 0 and 1, not at"):
            wrong()


@pytest.mark.parametrize("share", [None, "0.5", True, b"1"])
def test_a_rate_or_a_confidence_that_is_no_number_is_refused(share: Any) -> None:
    for wrong in (lambda: quantile(share), lambda: most_hits(100, share), lambda: upper_bound(1, 10, share)):
        with pytest.raises(InputTypeError, match="must be a number between 0 and 1, not"):
            wrong()


def test_impossible_counts_are_refused() -> None:
    for wrong in (
        lambda: wilson(3, 2),
        lambda: wilson(-1, 3),
        lambda: upper_bound(-1, 2),
        lambda: needed(0.0),
        lambda: needed(1.0),
    ):
        with pytest.raises(ValueError, match=r"must lie in|between 0 and 1"):
            wrong()
