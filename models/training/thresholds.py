"""From scores to probabilities and thresholds: the arithmetic of the calibrate step, on plain arrays."""

from __future__ import annotations

from itertools import product
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from guardsdk.registry.manifest import Calibration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_CONVERGED = 1e-9
_HALVINGS = 16
TARGETS = {"input": 0.005, "tool": 0.0025, "output": 0.015}
"""Share of the benign texts of ``calib/`` that a stage may block, all blocking principles of the default policy
together.

About 1 % is what users tolerate, and half of it is the target: the sources nearest to real traffic, chats and scraped
pages in English, are blocked about twice as often as the mean, and so is text from elsewhere. The answers include a
source of comments that were selected for being loud, which takes up nearly all of what may be blocked: of the other
answers no more than 0.5 % are. The documents have one or two windows, those that agents open have dozens, of which each
may be blocked: their target is half as high.
"""
_LEAST = 3
SPREAD = 0.6
"""Standard deviation, in log-odds, of the uncertainty of a benign score.

Compared with none, 0.3 and an exponential tail, thresholds set with it on one half of the benign texts of ``calib/``
differ least between halves, and come closest to the target on the other half (tool results and prompts, two models).
"""
_STEPS = np.array([NormalDist().inv_cdf((at + 0.5) / 15) for at in range(15)])


def spread(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``scores`` [N] as [15 N]: for each the quantiles of a normal distribution around it, ``SPREAD`` wide.

    At a rate of 1 in 200, a few hundred texts give two or three hits with gaps between: a threshold on the scores alone
    jumps across a gap with a single text. Rates of spread scores are a kernel estimate of the tail. Scores of several
    labels of the same texts stay aligned.
    """
    return (scores + SPREAD * _STEPS[:, None]).ravel()


def platt(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> Calibration:
    """Fit ``p = sigmoid(slope * x + intercept)`` with both classes weighing the same (Platt 1999, with his targets).

    Newton's method on a convex loss; a tiny ridge keeps the fit of separable classes finite.
    """
    x = np.concatenate([positive, negative])
    counts = np.array([len(positive), len(negative)], float)
    goals = np.array([(counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2)])
    target = np.repeat(goals, counts.astype(int))
    weight = np.repeat(0.5 / counts, counts.astype(int))
    design = np.stack([x, np.ones_like(x)])
    start = np.array([1.0, 0.0])
    ridge = 1e-4

    def loss(theta: NDArray[np.float64]) -> float:
        logits = theta @ design
        fit = weight @ (np.logaddexp(0.0, logits) - target * logits)
        return float(fit + 0.5 * ridge * ((theta - start) ** 2).sum())

    theta = start
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(theta @ design, -500, 500)))
        gradient = design @ (weight * (p - target)) + ridge * (theta - start)
        hessian = (design * (weight * p * (1 - p))) @ design.T + ridge * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        # A full step can overshoot where the starting line fits the classes badly: halve it until it helps.
        while loss(theta - step) > loss(theta) and np.abs(step).max() > _CONVERGED:
            step /= 2
        theta = theta - step
        if np.abs(step).max() <= _CONVERGED:
            break
    return Calibration(slope=max(float(theta[0]), 1e-3), intercept=float(theta[1]))


def threshold_at(rate: float, negatives: Sequence[NDArray[np.float64]]) -> float:
    """Return the smallest score that at most ``rate`` of the negatives reach, as the mean over sources."""
    candidates = np.unique(np.concatenate(negatives))
    # One past the largest score, where nothing fires, is a candidate too.
    candidates = np.append(candidates, np.nextafter(candidates[-1], np.inf))
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if mean_rate(candidates[middle], negatives) <= rate:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low])


def mean_rate(threshold: float, negatives: Sequence[NDArray[np.float64]]) -> float:
    """Return the share that reaches ``threshold``, averaged over sources."""
    return float(np.mean([(scores >= threshold).mean() for scores in negatives]))


def joint_thresholds(
    benign: Sequence[Mapping[str, NDArray[np.float64]]],
    wanted: Sequence[tuple[str, Mapping[str, NDArray[np.float64]]]],
    target: float,
) -> tuple[dict[str, float], float]:
    """Split ``target``, the share of benign texts that may be hit at all, among a stage's labels for the best recall.

    Each benign pool maps the labels it is a negative of to the scores of its texts, aligned; ``wanted`` pairs each pool
    of positives with its label. Of all splits in tenths with at least ``_LEAST`` of them per label, each scaled until
    the labels together hit ``target`` of the benign texts (the mean over pools), the one with the highest recall is
    taken: the mean over labels of the mean over their pools, a text counting as found when any label fires. Returns the
    thresholds and the rate reached.
    """
    labels = sorted({label for pool in benign for label in pool})
    negatives = {label: [pool[label] for pool in benign if label in pool] for label in labels}

    def thresholds_at(rates: Sequence[float]) -> dict[str, float]:
        return {label: threshold_at(rate, negatives[label]) for label, rate in zip(labels, rates, strict=True)}

    def union(thresholds: Mapping[str, float]) -> float:
        return float(np.mean([_any(pool, thresholds).mean() for pool in benign]))

    best: tuple[float, float, dict[str, float], float] | None = None
    for shares in _shares(len(labels)):
        low, high = 0.0, 1.0
        chosen = thresholds_at([0.0] * len(labels))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            thresholds = thresholds_at([middle * target * len(labels) * share for share in shares])
            if union(thresholds) <= target:
                low, chosen = middle, thresholds
            else:
                high = middle
        # Of equal recalls the most even split wins, so that a label without positives keeps its part.
        rank = (_recall(wanted, chosen), -max(shares))
        if best is None or rank > best[:2]:
            best = (*rank, chosen, union(chosen))
    return ({}, 0.0) if best is None else best[2:]


def _any(pool: Mapping[str, NDArray[np.float64]], thresholds: Mapping[str, float]) -> NDArray[np.bool_]:
    hits: NDArray[np.bool_] = np.any(
        [pool[label] >= thresholds[label] for label in pool if label in thresholds], axis=0
    )
    return hits


def _shares(count: int) -> list[tuple[float, ...]]:
    """Return every way to split 1 among ``count`` labels in tenths, each with at least ``_LEAST`` of them.

    The minimum limits how much the known attacks decide: there will be others.
    """
    tenths = product(range(_LEAST, 11), repeat=count)
    return [tuple(part / 10 for part in parts) for parts in tenths if sum(parts) == 10]


def _recall(wanted: Sequence[tuple[str, Mapping[str, NDArray[np.float64]]]], thresholds: Mapping[str, float]) -> float:
    found: dict[str, list[float]] = {}
    for label, scores in wanted:
        if label in thresholds:
            found.setdefault(label, []).append(float(_any(scores, thresholds).mean()))
    return float(np.mean([np.mean(rates) for rates in found.values()])) if found else 0.0
