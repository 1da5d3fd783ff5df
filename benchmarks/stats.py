"""The statistics every benchmark shares: intervals for proportions, ranking measures and F1. NumPy only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""
_BISECTIONS = 60


@dataclass(frozen=True, slots=True)
class Proportion:
    """``successes`` of ``total`` with a 95 % interval; all three rates are NaN where ``total`` is 0."""

    successes: int
    total: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Observed share in 0..1."""
        return self.successes / self.total if self.total else math.nan


def _check(successes: int, total: int) -> None:
    if not 0 <= successes <= total:
        msg = f"successes ({successes}) must lie in 0..total ({total})"
        raise ValueError(msg)


def wilson(successes: int, total: int, z: float = Z_95) -> Proportion:
    """Wilson score interval (Wilson 1927, JASA 22:209).

    Raises ``ValueError`` where ``successes`` is not in 0..``total``.
    """
    _check(successes, total)
    if total == 0:
        return Proportion(0, 0, math.nan, math.nan)
    rate = successes / total
    scale = 1.0 + z * z / total
    centre = (rate + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == total else min(1.0, centre + half)
    return Proportion(successes, total, low, high)


def _log_factorials(total: int) -> NDArray[np.float64]:
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, total + 1, dtype=np.float64)))))


def _upper_tail(successes: int, total: int, rate: float) -> float:
    """Probability of at least ``successes`` of ``total`` at ``rate`` in the open interval 0..1."""
    factorials = _log_factorials(total)
    k = np.arange(successes, total + 1)
    logs = factorials[total] - factorials[k] - factorials[total - k] + k * math.log(rate)
    return float(np.exp(logs + (total - k) * math.log1p(-rate)).sum())


def _solve(successes: int, total: int, target: float) -> float:
    """Rate at which ``_upper_tail`` reaches ``target``; the tail grows with the rate, so bisection finds it."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _upper_tail(successes, total, middle) < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def clopper_pearson(successes: int, total: int, confidence: float = 0.95) -> Proportion:
    """Exact interval (Clopper and Pearson 1934, Biometrika 26:404), wider than Wilson's and never too narrow.

    Raises ``ValueError`` where ``successes`` is not in 0..``total``.
    """
    _check(successes, total)
    if total == 0:
        return Proportion(0, 0, math.nan, math.nan)
    alpha = (1 - confidence) / 2
    low = 0.0 if successes == 0 else _solve(successes, total, alpha)
    high = 1.0 if successes == total else _solve(successes + 1, total, 1 - alpha)
    return Proportion(successes, total, low, high)


def _validated(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    truth = np.asarray(labels, dtype=bool).ravel()
    values = np.asarray(scores, dtype=np.float64).ravel()
    if truth.shape != values.shape:
        msg = f"labels ({truth.size}) and scores ({values.size}) must have the same length"
        raise ValueError(msg)
    if np.isnan(values).any():
        msg = "scores must not hold NaN"
        raise ValueError(msg)
    return truth, values


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve by the rank-sum formula; ties count one half. NaN where a class is empty.

    ``labels`` and ``scores``: shape [N]. Raises ``ValueError`` for lengths that differ and for NaN scores.
    """
    truth, values = _validated(labels, scores)
    positives = int(truth.sum())
    negatives = truth.size - positives
    if positives == 0 or negatives == 0:
        return math.nan
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank = (last - counts + 1 + last) / 2
    ranks = mean_rank[inverse]
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auprc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Average precision: precision at each distinct score, weighted by the recall it adds. NaN without positives.

    ``labels`` and ``scores``: shape [N]. Equal scores enter together, so their order cannot matter.
    """
    truth, values = _validated(labels, scores)
    positives = int(truth.sum())
    if positives == 0:
        return math.nan
    order = np.argsort(-values, kind="stable")
    ordered, hits = values[order], np.cumsum(truth[order])
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, np.array([True])))
    precision = hits[ends] / (ends + 1)
    recall = hits[ends] / positives
    return float(np.sum(np.diff(np.concatenate(([0.0], recall))) * precision))


@dataclass(frozen=True, slots=True)
class Binary:
    """Counts of a binary decision against its truth."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def total(self) -> int:
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


def binary(labels: Sequence[bool], decisions: Sequence[bool]) -> Binary:
    """Count ``decisions`` against ``labels``. Raises ``ValueError`` where their lengths differ."""
    pairs = list(zip(labels, decisions, strict=True))
    return Binary(
        true_positives=sum(truth and decided for truth, decided in pairs),
        false_positives=sum(decided and not truth for truth, decided in pairs),
        true_negatives=sum(not truth and not decided for truth, decided in pairs),
        false_negatives=sum(truth and not decided for truth, decided in pairs),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """Percentile with linear interpolation; ``share`` in 0..100. NaN without values."""
    return float(np.percentile(np.asarray(values, dtype=np.float64), share)) if values else math.nan
