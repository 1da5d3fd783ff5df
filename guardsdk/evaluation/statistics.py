"""Statistics of two runs over the same cases: paired differences, multiple comparisons, percentiles.

Pure functions of counts and numbers, NumPy only. All intervals are 95 % by default.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.intervals import CONFIDENCE, at_most, crossing, quantile, require_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from guardsdk.intervals import Share

_AT_ONCE: Final = 1_000_000
"""The most drawn values held in memory at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval; NaN if there is none."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, found: Share | Interval) -> Interval:
        """Return ``found`` as an interval; the estimate of a share is its rate."""
        return found if isinstance(found, Interval) else cls(found.rate, found.low, found.high)


NO_INTERVAL: Final = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Paired:
    """The same cases decided twice: how many changed, and in which direction."""

    lost: int
    """True before, false after."""
    gained: int
    """False before, true after."""
    total: int
    """All pairs, including those that did not change."""

    @property
    def difference(self) -> float:
        """Rate after minus rate before, in -1..1; NaN without pairs."""
        return (self.gained - self.lost) / self.total if self.total else math.nan

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for impossible counts."""
        if min(self.lost, self.gained) < 0 or self.lost + self.gained > self.total:
            msg = f"{self.lost} lost and {self.gained} gained of {self.total} pairs"
            raise ValueError(msg)


def mcnemar(pairs: Paired) -> float:
    """Return the exact two-sided p value of no change (McNemar 1947; binomial over the pairs that changed)."""
    changed = pairs.lost + pairs.gained
    return min(1.0, 2.0 * at_most(min(pairs.lost, pairs.gained), changed, 0.5))


def _tango(pairs: Paired, change: float) -> float:
    """Return the score statistic of the difference at ``change`` (Tango 1998), about standard normal if it is true."""
    total, observed = pairs.total, pairs.gained - pairs.lost
    b = -(pairs.lost + pairs.gained) + change * (2 * total + pairs.lost - pairs.gained)
    c = -pairs.lost * change * (1.0 - change)
    share = (-b + math.sqrt(max(b * b - 8.0 * total * c, 0.0))) / (4.0 * total)
    """Most likely probability of a loss if the difference were ``change``."""
    variance = total * (2.0 * share + change * (1.0 - change))
    distance = observed - total * change
    if variance <= 0.0:
        return 0.0 if distance == 0.0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def paired_difference(pairs: Paired, confidence: float = CONFIDENCE) -> Interval:
    """Return rate after minus rate before with its score interval (Tango 1998, Statistics in Medicine 17:891).

    Unlike Wald's interval it keeps its coverage if few pairs changed, and has a width if none did.
    """
    if pairs.total == 0:
        return NO_INTERVAL
    z, value = quantile(confidence), pairs.difference
    low = -1.0 if value <= -1.0 else crossing(lambda change: _tango(pairs, change) > z, -1.0, value)
    high = 1.0 if value >= 1.0 else crossing(lambda change: _tango(pairs, change) >= -z, value, 1.0)
    return Interval(value, low, high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted to control the chance of *any* false finding (Holm 1979)."""
    count, highest = len(p_values), 0.0
    adjusted = [0.0] * count
    for rank, index in enumerate(sorted(range(count), key=lambda one: p_values[one])):
        highest = max(highest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted to control the *share* of false findings (Benjamini and Hochberg 1995)."""
    count, lowest = len(p_values), 1.0
    adjusted = [0.0] * count
    for rank, index in enumerate(sorted(range(count), key=lambda one: p_values[one], reverse=True)):
        lowest = min(lowest, p_values[index] * count / (count - rank))
        adjusted[index] = lowest
    return adjusted


def percentile(values: ArrayLike, share: float) -> float:
    """Return the percentile with linear interpolation; ``share`` in 0..100. NaN without values."""
    numbers = np.asarray(values, dtype=np.float64)
    return float(np.percentile(numbers, share)) if numbers.size else math.nan


def percentile_change(
    before: ArrayLike,
    after: ArrayLike,
    share: float,
    *,
    times: int = 1000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Return how far a percentile moved, after minus before, with a bootstrap interval (Efron 1979).

    Pairs are resampled, so that cases slow in both runs do not blur the difference.

    Args:
        before: Shape [N], one value for each case.
        after: Shape [N], for the same cases in the same order.
        share: The percentile, 0..100.
        times: The number of resamples.
        seed: Of the resampling.
        confidence: Of the interval.

    Raises:
        ValueError: The shapes differ.
        InputError: ``confidence`` is not between 0 and 1: the ends of the interval would change places.
    """
    require_inside(confidence, "a confidence")
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        msg = f"before {first.shape} and after {second.shape} must be one list each, of the same cases"
        raise ValueError(msg)
    if first.size == 0:
        return NO_INTERVAL
    chooser = np.random.default_rng(seed)
    found: list[NDArray[np.float64]] = []
    block = max(1, _AT_ONCE // first.size)
    for begin in range(0, times, block):
        drawn = chooser.integers(0, first.size, (min(block, times - begin), first.size))
        found.append(np.percentile(second[drawn], share, axis=1) - np.percentile(first[drawn], share, axis=1))
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(np.concatenate(found), [tail, 100.0 - tail])
    return Interval(percentile(second, share) - percentile(first, share), float(low), float(high))
