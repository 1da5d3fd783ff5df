"""What a rate would be if the judge never erred, from how often it errs on labelled texts.

A judge that finds ``sensitivity`` of what is there, and leaves ``specificity`` of the rest alone, sees the rate
``seen = true * sensitivity + (1 - true) * (1 - specificity)``. Solved for the true rate this is the estimator of Rogan
and Gladen (1978, American Journal of Epidemiology 107:71). The intervals carry both errors: of the run, which is a
sample, and of the two figures of the judge, which were counted on a sample too.

This holds where the judge errs on the run's answers as often as on the labelled texts. That is an assumption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.evaluation.statistics import NO_INTERVAL, Interval
from guardsdk.intervals import CONFIDENCE, quantile, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from guardsdk.intervals import Share

_DRAWS: Final = 4000
_PRIOR: Final = 0.5
"""Cases added to each way a pair can go, so that what was not seen in a small run is not taken for impossible."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """How a judge did on labelled texts: its confusion matrix."""

    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int

    def __add__(self, other: Confusion) -> Confusion:
        """Return the counts of both labelled sets together."""
        return Confusion(
            self.true_positives + other.true_positives,
            self.false_negatives + other.false_negatives,
            self.false_positives + other.false_positives,
            self.true_negatives + other.true_negatives,
        )

    @property
    def found(self) -> Share:
        """Share found of what is there: the sensitivity."""
        return wilson(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def left(self) -> Share:
        """Share left alone of the rest: the specificity."""
        return wilson(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def sensitivity(self) -> float:
        """The rate of ``found``; NaN where the set has none."""
        return self.found.rate

    @property
    def specificity(self) -> float:
        """The rate of ``left``; NaN where the set has none."""
        return self.left.rate

    @property
    def usable(self) -> bool:
        """Whether the judge is clearly better than chance: a rate seen by a worse one cannot be corrected."""
        return self.found.low + self.left.low > 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of the cases of one run."""

    certain: int
    """Cases that count and that no judge was needed for, such as those a guard blocked."""
    positives: int
    """Cases the judge says count."""
    judged: int
    """Cases the judge was asked about, the positive ones included."""
    total: int

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for counts that no run can give."""
        if min(self.certain, self.positives) < 0 or self.positives > self.judged:
            msg = f"{self.positives} positive of {self.judged} judged cases, {self.certain} certain"
            raise ValueError(msg)
        if self.certain + self.judged > self.total:
            msg = f"{self.certain} certain and {self.judged} judged cases of {self.total}"
            raise ValueError(msg)


def fits(seen: Seen, error: Confusion) -> bool:
    """Return whether a judge with this error can have seen this.

    It sees at least its false alarms, where nothing is there, and at most its sensitivity, where everything is. Rates
    clearly outside say that it errs otherwise on these answers than on the labelled texts, so nothing can be corrected.
    """
    if seen.judged == 0:
        return True
    rate = wilson(seen.positives, seen.judged)
    return not (rate.low > error.found.high or rate.high < 1.0 - error.left.high)


def corrected_rate(seen: Seen, error: Confusion, confidence: float = CONFIDENCE) -> Interval:
    """Return the rate without the judge's error, in 0..1; NaN where there are no cases or the judge is not usable.

    The interval is that of Lang and Reiczigel (2014, Preventive Veterinary Medicine 113:13), widened by the error of
    the share of cases that were judged at all.
    """
    if seen.total == 0 or not error.usable:
        return NO_INTERVAL
    z = quantile(confidence)
    if seen.judged == 0:
        return Interval.of(wilson(seen.certain, seen.total, confidence))
    share, certain = seen.judged / seen.total, seen.certain / seen.total
    rate, middle, half = _inverted(seen.positives, seen.judged, error, z)
    certain_counts = seen.certain > 0
    """Then a case that was not judged counts, else it does not; either way the split is a sample as well."""
    lever = 1.0 - rate if certain_counts else rate
    spread = math.hypot(share * half, z * lever * math.sqrt(share * (1.0 - share) / seen.total))
    centre = certain + share * middle
    return Interval(_inside(certain + share * rate), _inside(centre - spread), _inside(centre + spread))


def _inverted(positives: int, judged: int, error: Confusion, z: float) -> tuple[float, float, float]:
    """Return the true rate among the judged cases in 0..1, and the middle and half width of its interval."""
    youden = error.sensitivity + error.specificity - 1.0
    rate = _inside((positives / judged + error.specificity - 1.0) / youden)
    seen_n, seen = judged + z * z, (positives + z * z / 2.0) / (judged + z * z)
    found_n, left_n = (
        error.true_positives + error.false_negatives + 2,
        error.true_negatives + error.false_positives + 2,
    )
    found, left = (error.true_positives + 1) / found_n, (error.true_negatives + 1) / left_n
    middle = (seen + left - 1.0) / (found + left - 1.0)
    of_found, of_left = found * (1.0 - found) / found_n, left * (1.0 - left) / left_n
    middle += 2.0 * z * z * (middle * of_found - (1.0 - middle) * of_left)
    variance = seen * (1.0 - seen) / seen_n + middle**2 * of_found + (1.0 - middle) ** 2 * of_left
    return rate, middle, z * math.sqrt(variance) / abs(found + left - 1.0)


def _inside(rate: float) -> float:
    return min(max(rate, 0.0), 1.0)


def corrected_difference(
    pairs: Sequence[Sequence[int]], error: Confusion, *, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """Return rate after minus rate before without the judge's error; NaN as in ``corrected_rate``.

    The interval holds the middle of what a posterior of both samples gives: of the pairs (Dirichlet) and of the judge's
    figures (Beta, uniform prior).

    Args:
        pairs: Counts of cases, shape [4][4]: rows say what was seen before, columns what was seen after, each in the
            order certain, judged positive, judged negative, neither.
        error: Of the judge, the same one both times.
        confidence: Of the interval.
        seed: Of the draws.
    """
    counts = np.asarray(pairs, dtype=np.float64)
    if counts.sum() == 0 or not error.usable:
        return NO_INTERVAL
    sums = error.sensitivity + error.specificity - 1.0, error.specificity
    value = float(_difference(counts[None] / counts.sum(), np.asarray(sums[0]), np.asarray(sums[1]))[0])
    chooser = np.random.default_rng(seed)
    # Ways that no case of either run went, such as blocked without a guard, stay impossible.
    rows, columns = counts.sum(axis=1) > 0, counts.sum(axis=0) > 0
    if rows[1] or rows[2] or columns[1] or columns[2]:
        rows[1:3] = columns[1:3] = True  # what was judged may go both ways
    possible = np.outer(rows, columns)
    shares = np.zeros((_DRAWS, *counts.shape))
    shares[:, possible] = chooser.dirichlet(counts[possible] + _PRIOR, _DRAWS)
    found = chooser.beta(error.true_positives + 1, error.false_negatives + 1, _DRAWS)
    left = chooser.beta(error.true_negatives + 1, error.false_positives + 1, _DRAWS)
    better = found + left > 1.0
    drawn = _difference(shares[better], (found + left - 1.0)[better], left[better])
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(drawn, [tail, 100.0 - tail])
    return Interval(max(-1.0, min(value, 1.0)), max(-1.0, float(low)), min(1.0, float(high)))


def _difference(
    shares: NDArray[np.float64], youden: NDArray[np.float64], specificity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return true rate after minus before for tables of shares, shape [N, 4, 4]."""
    moved = shares.sum(axis=1) - shares.sum(axis=2)
    certain, positives, judged = moved[:, 0], moved[:, 1], moved[:, 1] + moved[:, 2]
    result: NDArray[np.float64] = certain + (positives - (1.0 - specificity) * judged) / youden
    return result
