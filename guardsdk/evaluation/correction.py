"""Corrects a rate for the errors of the judge, as measured on labelled texts.

A judge with a given ``sensitivity`` and ``specificity`` observes the rate
``seen = true * sensitivity + (1 - true) * (1 - specificity)``. Solving for the true rate gives the estimator of Rogan
and Gladen (1978, American Journal of Epidemiology 107:71). The intervals include both sampling errors: that of the run,
and that of the judge's two figures.

This assumes that the judge errs on the run's answers as often as on the labelled texts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.evaluation.statistics import NO_INTERVAL, Interval
from guardsdk.intervals import CONFIDENCE, quantile, require_inside, wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from guardsdk.intervals import Share

_DRAWS: Final = 4000
_PRIOR: Final = 0.5
"""Pseudo-count of each kind of pair, so that what a small run did not show is not taken to be impossible."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """The confusion matrix of a judge on labelled texts."""

    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int

    def __add__(self, other: Confusion) -> Confusion:
        """Return the counts of both labelled sets combined."""
        return Confusion(
            self.true_positives + other.true_positives,
            self.false_negatives + other.false_negatives,
            self.false_positives + other.false_positives,
            self.true_negatives + other.true_negatives,
        )

    @property
    def found(self) -> Share:
        """The sensitivity, as a share."""
        return wilson(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def left(self) -> Share:
        """The specificity, as a share."""
        return wilson(self.true_negatives, self.true_negatives + self.false_positives)

    @property
    def sensitivity(self) -> float:
        """The rate of ``found``; NaN if the set has no positives."""
        return self.found.rate

    @property
    def specificity(self) -> float:
        """The rate of ``left``; NaN if the set has no negatives."""
        return self.left.rate

    @property
    def usable(self) -> bool:
        """Whether the judge is clearly better than chance; otherwise a rate cannot be corrected."""
        return self.found.low + self.left.low > 1.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The observed counts of one run."""

    certain: int
    """Cases that count without a judge's decision, such as those a guard blocked."""
    positives: int
    """Cases that count according to the judge."""
    judged: int
    """Cases that the judge decided, including the positive ones."""
    total: int

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for impossible counts."""
        if min(self.certain, self.positives) < 0 or self.positives > self.judged:
            msg = f"{self.positives} positive of {self.judged} judged cases, {self.certain} certain"
            raise ValueError(msg)
        if self.certain + self.judged > self.total:
            msg = f"{self.certain} certain and {self.judged} judged cases of {self.total}"
            raise ValueError(msg)


def fits(seen: Seen, error: Confusion) -> bool:
    """Return whether a judge with this error can have observed these counts.

    Its rate of positives lies between its false-positive rate and its sensitivity. Rates clearly outside mean that its
    error on these answers differs from that on the labelled texts, so nothing can be corrected.
    """
    if seen.judged == 0:
        return True
    rate = wilson(seen.positives, seen.judged)
    return not (rate.low > error.found.high or rate.high < 1.0 - error.left.high)


def corrected_rate(seen: Seen, error: Confusion, confidence: float = CONFIDENCE) -> Interval:
    """Return the rate corrected for the judge's error, in 0..1; NaN without cases or with an unusable judge.

    The interval is that of Lang and Reiczigel (2014, Preventive Veterinary Medicine 113:13), widened by the sampling
    error of the share of cases that were judged.
    """
    if seen.total == 0 or not error.usable:
        return NO_INTERVAL
    z = quantile(confidence)
    if seen.judged == 0:
        return Interval.of(wilson(seen.certain, seen.total, confidence))
    share, certain = seen.judged / seen.total, seen.certain / seen.total
    rate, middle, half = _inverted(seen.positives, seen.judged, error, z)
    certain_counts = seen.certain > 0
    """If so, a case that was not judged counts, else it does not; either way the split is a sample too."""
    lever = 1.0 - rate if certain_counts else rate
    spread = math.hypot(share * half, z * lever * math.sqrt(share * (1.0 - share) / seen.total))
    centre = certain + share * middle
    return Interval(_inside(certain + share * rate), _inside(centre - spread), _inside(centre + spread))


def _inverted(positives: int, judged: int, error: Confusion, z: float) -> tuple[float, float, float]:
    """Return the true rate among the judged cases in 0..1, and the centre and half-width of its interval."""
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
    """Return corrected rate after minus rate before; NaN as in ``corrected_rate``.

    The interval is the central part of a posterior of both samples: of the pairs (Dirichlet) and of the judge's figures
    (Beta, uniform prior).

    Args:
        pairs: Counts of cases, shape [4][4]: rows are the outcome before, columns the outcome after, each in the
            order certain, judged positive, judged negative, neither.
        error: The judge's confusion matrix, the same for both runs.
        confidence: Of the interval.
        seed: Of the draws.

    Raises:
        InputError: ``confidence`` is not between 0 and 1: the ends of the interval would change places.
    """
    require_inside(confidence, "a confidence")
    counts = np.asarray(pairs, dtype=np.float64)
    if counts.sum() == 0 or not error.usable:
        return NO_INTERVAL
    sums = error.sensitivity + error.specificity - 1.0, error.specificity
    value = float(_difference(counts[None] / counts.sum(), np.asarray(sums[0]), np.asarray(sums[1]))[0])
    chooser = np.random.default_rng(seed)
    # Outcomes that occur in neither run, such as blocked without a guard, stay impossible.
    rows, columns = counts.sum(axis=1) > 0, counts.sum(axis=0) > 0
    if rows[1] or rows[2] or columns[1] or columns[2]:
        rows[1:3] = columns[1:3] = True  # judged cases may have either result
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
