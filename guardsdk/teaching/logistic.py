"""Regularised logistic regression, with cross-validated predictions. Pure functions, NumPy only.

N rows, D features; a solution [D + 1] is the weights, then the intercept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_FREE: Final = 1e-6
"""Ridge of the intercept: practically none, but enough to keep the system solvable."""
_STEPS: Final = 50
_CLOSE: Final = 1e-6
"""A fit has converged when no weight changes by more than this."""
_AT_ONCE: Final = 64
"""Refits computed together, which limits memory to a multiple of N times this."""


class Problem(NamedTuple):
    """A regression problem."""

    features: Array
    """[N, D]"""
    targets: Array
    """[N], 0 to 1."""
    weights: Array
    """[N], the weight of each row; rows with weight 0 are only predicted, by a fit to the others."""
    ridge: float
    """Penalty on half the squared length of the weights."""


def fit(problem: Problem) -> Array:
    """Return the solution [D + 1] of ``problem``, by Newton's method."""
    design, targets, weights, ridge = _counting(problem)
    solution = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        step = np.linalg.solve(
            _curvature(design, solution, weights, ridge), _slope(design, solution, targets, weights, ridge)
        )
        # Far from the solution a full Newton step may overshoot: the fit saturates and its curvature vanishes.
        solution -= step * min(1.0, 5.0 / max(float(np.abs(design @ step).max()), 1e-12))
        if float(np.abs(step).max()) < _CLOSE:
            break
    return solution


def log_odds(features: Array, solution: Array) -> Array:
    """Return the log-odds [N] of ``features`` [N, D] under ``solution`` [D + 1]."""
    result: Array = features @ solution[:-1] + solution[-1]
    return result


def without(problem: Problem, solution: Array, groups: Sequence[NDArray[np.intp]]) -> list[Array]:
    """Return, for each group of rows, their log-odds under a fit without that group.

    Every refit starts at ``solution``, the fit to all rows, and reuses its curvature. Fewer rows have less curvature,
    so each step is too short rather than too long, and many refits share one factorisation.
    """
    design, targets, weights, ridge = _counting(problem)
    inverse = np.linalg.inv(_curvature(design, solution, weights, ridge))
    found: list[Array] = []
    for start in range(0, len(groups), _AT_ONCE):
        chosen = groups[start : start + _AT_ONCE]
        counted = np.repeat(problem.weights[:, None], len(chosen), axis=1)
        for column, group in enumerate(chosen):
            counted[group, column] = 0.0
        counted = counted[problem.weights > 0.0]
        fitted = np.repeat(solution[:, None], len(chosen), axis=1)
        for _ in range(_STEPS * 4):
            step = inverse @ _slope(design, fitted, targets[:, None], counted, ridge)
            fitted -= step
            if float(np.abs(step).max()) < _CLOSE:
                break
        found += [log_odds(problem.features[group], fitted[:, column]) for column, group in enumerate(chosen)]
    return found


def platt(scores: Array, targets: Array, weights: Array) -> tuple[float, float]:
    """Return slope and intercept that map ``scores`` [N] to log-odds of ``targets`` [N], 0 or 1 (Platt 1999).

    Targets are smoothed by one pseudo-row of each kind, as by Platt, so that perfectly separating scores do not become
    certainties.
    """
    positive = float(weights @ targets)
    negative = float(weights @ (1.0 - targets))
    smoothed = targets * (positive + 1.0) / (positive + 2.0) + (1.0 - targets) / (negative + 2.0)
    spread = float(scores.std()) or 1.0
    slope, intercept = fit(Problem(scores[:, None] / spread, smoothed, weights, 1e-3))
    return float(slope) / spread, float(intercept)


def _counting(problem: Problem) -> tuple[Array, Array, Array, float]:
    """Return the design [M, D + 1], the targets [M] and the weights [M] of rows with non-zero weight, and the ridge."""
    kept = problem.weights > 0.0
    return _design(problem.features[kept]), problem.targets[kept], problem.weights[kept], problem.ridge


def _design(features: Array) -> Array:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)


def _probabilities(design: Array, solution: Array) -> Array:
    result: Array = 1.0 / (1.0 + np.exp(-np.clip(design @ solution, -500.0, 500.0)))
    return result


def _slope(design: Array, solution: Array, targets: Array, weights: Array, ridge: float) -> Array:
    """Return the gradient of the penalised loss, for one solution [D + 1] or several at once [D + 1, F]."""
    result: Array = design.T @ (weights * (_probabilities(design, solution) - targets))
    result += ridge * solution
    result[-1] += (_FREE - ridge) * solution[-1]
    return result


def _curvature(design: Array, solution: Array, weights: Array, ridge: float) -> Array:
    chances = _probabilities(design, solution)
    bent: Array = (design * (weights * chances * (1.0 - chances))[:, None]).T @ design
    bent[np.diag_indices_from(bent)] += ridge
    bent[-1, -1] += _FREE - ridge
    return bent
