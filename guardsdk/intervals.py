"""Confidence intervals of proportions, and the sample sizes they need. Plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

from guardsdk.errors import InputError, reject_type

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIDENCE: Final = 0.95
_BISECTIONS: Final = 60


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` out of ``total`` with an interval; if ``total`` is 0, the rate is NaN and the interval 0 to 1."""

    hits: float
    """A whole number, like ``total``, unless texts were weighted."""
    total: float
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Observed share, 0 to 1."""
        return self.hits / self.total if self.total else math.nan


def quantile(confidence: float) -> float:
    """Return the two-sided standard normal quantile. Raises ``InputError`` if ``confidence`` is not between 0 and 1."""
    require_inside(confidence, "a confidence")
    return NormalDist().inv_cdf((1.0 + confidence) / 2.0)


def require_inside(value: float, what: str) -> None:
    """Raise ``InputError`` that says ``what`` it is unless ``value`` is between 0 and 1; neither is NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        reject_type(what, "a number between 0 and 1", value)
    if not 0.0 < value < 1.0:
        msg = f"{what} lies between 0 and 1, not at {value:g}"
        raise InputError(msg)


def wilson(hits: float, total: float, confidence: float = CONFIDENCE) -> Share:
    """Return the share with its Wilson score interval (Wilson 1927, JASA 22:209).

    The counts need not be whole: weighted counts have an effective size. Raises ``ValueError`` if ``hits`` is not in
    0..``total``.
    """
    _check(hits, total)
    if total == 0:
        return Share(0, 0, 0.0, 1.0)
    z, rate = quantile(confidence), hits / total
    scale = 1.0 + z * z / total
    centre = (rate + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == total else min(1.0, centre + half)
    return Share(hits, total, low, high)


def upper_bound(hits: int, total: int, confidence: float = CONFIDENCE) -> float:
    """Return the exact one-sided upper bound of the true share at ``confidence`` (Clopper and Pearson 1934).

    1.0 if ``total`` is 0. Raises ``ValueError`` if ``hits`` is not in 0..``total``, and ``InputError`` if
    ``confidence`` is not between 0 and 1.
    """
    _check(hits, total)
    require_inside(confidence, "a confidence")
    if hits == total:
        return 1.0
    return crossing(lambda rate: at_most(hits, total, rate) > 1.0 - confidence, 0.0, 1.0)


def crossing(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return where ``holds`` changes from true (at ``low``) to false (at ``high``), on the false side."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high


def at_most(hits: int, total: int, rate: float) -> float:
    """Return the probability of at most ``hits`` hits out of ``total`` trials with success probability ``rate``."""
    if rate <= 0.0 or hits >= total:
        return 1.0
    if rate >= 1.0:
        return 0.0
    chosen = math.lgamma(total + 1)
    each, other = math.log(rate), math.log1p(-rate)
    logs = (
        chosen - math.lgamma(k + 1) - math.lgamma(total - k + 1) + k * each + (total - k) * other
        for k in range(hits + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


def most_hits(total: int, rate: float, confidence: float = CONFIDENCE) -> int | None:
    """Return the most hits out of ``total`` that still show, at ``confidence``, a true share of at most ``rate``.

    ``None`` if the sample is too small to show it even without a hit. Raises as ``needed`` does.
    """
    require_inside(rate, "a rate")
    require_inside(confidence, "a confidence")
    if at_most(0, total, rate) > 1.0 - confidence:
        return None
    low, high = 0, max(1, math.ceil(total * rate))  # the upper bound for the expected number of hits exceeds the rate
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if at_most(middle, total, rate) <= 1.0 - confidence else (low, middle)
    return low


def needed(rate: float, confidence: float = CONFIDENCE) -> int:
    """Return how many texts without a hit show, at ``confidence``, a true share of at most ``rate``.

    About ``3 / rate`` at 95 % (the rule of three, Hanley and Lippman-Hand 1983, JAMA 249:1743). Raises ``InputError``
    if ``rate`` or ``confidence`` is not between 0 and 1.
    """
    require_inside(rate, "a rate")
    require_inside(confidence, "a confidence")
    return math.ceil(math.log(1.0 - confidence) / math.log1p(-rate))


def _check(hits: float, total: float) -> None:
    if not 0 <= hits <= total:
        msg = f"hits ({hits}) must lie in 0..total ({total})"
        raise ValueError(msg)
