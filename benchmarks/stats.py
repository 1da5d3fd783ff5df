"""The statistics benchmarks share beyond those of ``guardsdk.evaluation``: weighted shares, ranking measures, F1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from guardsdk.evaluation.statistics import percentile
from guardsdk.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from guardsdk.intervals import Share


def weighted_share(decisions: Sequence[bool], weights: Sequence[float]) -> Share:
    """Weighted share of true ``decisions``; Wilson's interval for the effective number of rows (Kish 1965).

    That number, the squared sum of the weights over the sum of their squares, is the count itself where all weigh the
    same. Raises ``ValueError`` where the lengths differ.
    """
    pairs = list(zip(decisions, weights, strict=True))
    if len(set(weights)) <= 1:
        return wilson(sum(decided for decided, _ in pairs), len(pairs))
    whole = math.fsum(weights)
    effective = whole * whole / math.fsum(weight * weight for weight in weights)
    if len(set(decisions)) == 1:
        return wilson(effective if decisions[0] else 0.0, effective)
    return wilson(effective * math.fsum(weight for decided, weight in pairs if decided) / whole, effective)


def share_of(count: int, total: int) -> dict[str, float]:
    """Return ``count`` of ``total`` as figures keep it: the count, the rate, and Wilson's interval from low to high."""
    found = wilson(count, total)
    return {"count": count, "rate": found.rate, "low": found.low, "high": found.high}


def _validated(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    truth = np.asarray(labels, dtype=bool).ravel()
    values = np.asarray(scores, dtype=np.float64).ravel()
    heavy = np.ones(truth.size) if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    if truth.shape != values.shape or truth.shape != heavy.shape:
        msg = f"labels ({truth.size}), scores ({values.size}) and weights ({heavy.size}) must have the same length"
        raise ValueError(msg)
    if np.isnan(values).any():
        msg = "scores must not hold NaN"
        raise ValueError(msg)
    return truth, values, heavy


def auroc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the share of pairs in order; ties count one half. NaN where a class is empty.

    ``labels``, ``scores`` and ``weights``: shape [N]; all weigh the same without the last. Raises ``ValueError`` for
    lengths that differ and for NaN scores.
    """
    truth, values, heavy = _validated(labels, scores, weights)
    if truth.all() or not truth.any():
        return math.nan
    distinct, inverse = np.unique(values, return_inverse=True)
    positive = np.bincount(inverse[truth], heavy[truth], distinct.size)
    negative = np.bincount(inverse[~truth], heavy[~truth], distinct.size)
    below = np.cumsum(negative) - negative
    return float((positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum()))


def auprc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Average precision: precision at each distinct score, weighted by the recall it adds. NaN without positives.

    ``labels``, ``scores`` and ``weights``: shape [N]. Equal scores enter together, so their order cannot matter. The
    figure depends on the share of positives, so rows of a sample must carry their weights. Raises as ``auroc``.
    """
    truth, values, heavy = _validated(labels, scores, weights)
    if not truth.any():
        return math.nan
    order = np.argsort(-values, kind="stable")
    ordered, hits, seen = values[order], np.cumsum((truth * heavy)[order]), np.cumsum(heavy[order])
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, np.array([True])))
    precision = hits[ends] / seen[ends]
    recall = hits[ends] / hits[-1]
    return float(np.sum(np.diff(np.concatenate(([0.0], recall))) * precision))


@dataclass(frozen=True, slots=True)
class Binary:
    """Counts of a binary decision against its truth; sums of weights where rows were weighted."""

    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float

    @property
    def total(self) -> float:
        """How many rows were decided."""
        return self.true_positives + self.false_positives + self.true_negatives + self.false_negatives

    @property
    def accuracy(self) -> float:
        """Share of right decisions, NaN without rows."""
        return (self.true_positives + self.true_negatives) / self.total if self.total else math.nan

    @property
    def precision(self) -> float:
        """Share of the flagged rows that are positive, NaN where none was flagged."""
        flagged = self.true_positives + self.false_positives
        return self.true_positives / flagged if flagged else math.nan

    @property
    def recall(self) -> float:
        """Share of the positive rows that were flagged, NaN without positives."""
        positives = self.true_positives + self.false_negatives
        return self.true_positives / positives if positives else math.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0 where nothing positive was found, NaN without positives."""
        positives = self.true_positives + self.false_negatives
        denominator = 2 * self.true_positives + self.false_positives + self.false_negatives
        return 2 * self.true_positives / denominator if positives else math.nan


def binary(labels: Sequence[bool], decisions: Sequence[bool], weights: Sequence[float] | None = None) -> Binary:
    """Count ``decisions`` against ``labels``. Raises ``ValueError`` where the lengths differ."""
    sums: dict[tuple[bool, bool], float] = dict.fromkeys(((a, b) for a in (True, False) for b in (True, False)), 0)
    heavy = [1.0] * len(labels) if weights is None else weights
    for truth, decided, weight in zip(labels, decisions, heavy, strict=True):
        sums[truth, decided] += weight
    return Binary(
        true_positives=sums[True, True],
        false_positives=sums[False, True],
        true_negatives=sums[False, False],
        false_negatives=sums[True, False],
    )


def resampled(
    measure: Callable[[Sequence[int]], float], rows: int, *, times: int = 300, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval, 95 % (Efron 1979), for what has no formula.

    ``measure`` is given row numbers, drawn with replacement from ``rows``; draws it has no figure for do not count.
    Returns NaN twice where none has one.
    """
    chooser = np.random.default_rng(seed)
    found = [measure(chooser.integers(0, rows, rows).tolist()) for _ in range(times if rows else 0)]
    known = [value for value in found if not math.isnan(value)]
    return percentile(known, 2.5), percentile(known, 97.5)
