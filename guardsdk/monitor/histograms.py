"""The bins in which scores and rates are counted, and statistics of histograms. Pure functions."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCORE_EDGES: Final = tuple(1 / (1 + math.exp(-step / 2)) for step in range(-16, 17))
"""Bounds of the score bins: steps of half a log-odd from -8 to 8."""
RATE_EDGES: Final = (0.5,)
"""The same for booleans (0 or 1)."""

_SMOOTH: Final = 0.5
"""Added to every bin before two histograms are compared, so that an empty bin is not an infinite difference."""

_MOST_COUNTED: Final = 2.0**53
"""From here on, adding one to a float has no effect."""


def psi(expected: Sequence[float], observed: Sequence[float]) -> float:
    """Return the population stability index of two histograms with the same bins: ``sum((q - p) * ln(q / p))``.

    It is the symmetrised Kullback-Leibler divergence (Siddiqi, Credit Risk Scorecards, 2006, calls 0.1 a small and 0.25
    a large change). By chance alone it is about ``bins * (1 / sum(expected) + 1 / sum(observed))`` (Yurdakul, 2018).
    """
    extra = _SMOOTH * len(expected)
    before, after = sum(expected) + extra, sum(observed) + extra
    total = 0.0
    for one, two in zip(expected, observed, strict=True):
        if one or two:
            p, q = (one + _SMOOTH) / before, (two + _SMOOTH) / after
            total += (q - p) * math.log(q / p)
    return total


def shares(quantiles: Sequence[float], edges: Sequence[float]) -> list[float]:
    """Return the share of each bin between ``edges``, from evenly spaced ``quantiles``, the minimum first."""
    last = len(quantiles) - 1

    def below(edge: float) -> float:
        place = bisect_right(quantiles, edge)
        if place == 0:
            return 0.0
        if place > last:
            return 1.0
        low, high = quantiles[place - 1], quantiles[place]
        return (place - 1 + (edge - low) / (high - low)) / last

    bounds = [0.0, *map(below, edges), 1.0]
    return [high - low for low, high in pairwise(bounds)]


def middle(counts: Sequence[float], edges: Sequence[float]) -> float:
    """Return the median of a histogram with bins between ``edges``, interpolated within its bin, from 0 to 1.

    0 if the histogram is empty.
    """
    half = sum(counts) / 2
    if not half:
        return 0.0
    bounds = (0.0, *edges, 1.0)
    place = next(at for at, reached in enumerate(accumulate(counts)) if reached >= half)
    below = sum(counts[:place])
    return bounds[place] + (bounds[place + 1] - bounds[place]) * (half - below) / counts[place]


def above(counts: Sequence[float], place: int) -> float:
    """Return the share in the bins from ``place`` on."""
    return sum(counts[place:]) / (sum(counts) or 1.0)


def upper(counts: Sequence[float], share: float = 0.05) -> int:
    """Return the first bin from which on at most ``share`` of all counts lie."""
    return next(place for place in range(len(counts) + 1) if above(counts, place) <= share)


def counted(number: Any) -> float:  # noqa: ANN401  JSON
    """Return ``number`` as a count. Raises ``ValueError`` if it is not a valid one.

    A count that is negative or not finite would silence or trigger every rule that uses its share.
    """
    found = float(number)
    if not 0.0 <= found <= _MOST_COUNTED:
        msg = "a count holds a number that counts nothing"
        raise ValueError(msg)
    return found


def counters(counts: Mapping[str, Any]) -> Counter[str]:
    """Return saved counts by name. Raises ``ValueError`` as ``counted`` does."""
    return Counter({str(what): int(counted(count)) for what, count in counts.items()})
