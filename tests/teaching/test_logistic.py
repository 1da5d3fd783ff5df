"""The fit minimises what it says, and a refit in place is the refit from scratch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from guardsdk.teaching import logistic
from guardsdk.teaching.logistic import Problem, fit, log_odds, platt, without


def problem(rows: int = 120, width: int = 20, ridge: float = 0.05, shift: float = 0.8) -> Problem:
    rng = np.random.default_rng(5)
    targets = (np.arange(rows) < rows // 6).astype(np.float64)
    features = rng.normal(size=(rows, width)) + shift * targets[:, None] * rng.normal(size=width)
    weights = np.where(targets > 0, 1.0, 0.3)
    return Problem(features, targets, weights, ridge)


def loss(of: Problem, solution: np.ndarray) -> float:
    odds = log_odds(of.features, solution)
    each = np.logaddexp(0.0, odds) - of.targets * odds
    return float(of.weights @ each + 0.5 * of.ridge * solution[:-1] @ solution[:-1])


def test_no_step_in_any_direction_lowers_the_loss() -> None:
    given = problem()
    solution = fit(given)
    lowest = loss(given, solution)
    for direction in np.eye(len(solution)):
        for step in (-1e-3, 1e-3):
            assert loss(given, solution + step * direction) > lowest


@pytest.mark.parametrize("ridge", [0.01, 0.2])
def test_what_is_said_of_rows_left_out_is_what_a_fit_without_them_says(ridge: float) -> None:
    given = problem(ridge=ridge)
    groups = [np.array([0]), np.array([3, 4, 5]), np.array([1, 119]), np.arange(60, 90)]
    for group, found in zip(groups, without(given, fit(given), groups), strict=True):
        rest = np.setdiff1d(np.arange(len(given.targets)), group)
        alone = fit(Problem(given.features[rest], given.targets[rest], given.weights[rest], ridge))
        assert found == pytest.approx(log_odds(given.features[group], alone), abs=1e-3)


def test_rows_that_count_nothing_are_judged_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given = problem()
    more = np.random.default_rng(6).normal(size=(40, 20))
    both = Problem(
        np.concatenate([given.features, more]),
        np.concatenate([given.targets, np.zeros(40)]),
        np.concatenate([given.weights, np.zeros(40)]),
        given.ridge,
    )
    rows: set[int] = set()

    def slope(design: np.ndarray, *rest: Any) -> np.ndarray:
        rows.add(len(design))
        return whole(design, *rest)

    whole = logistic._slope
    monkeypatch.setattr(logistic, "_slope", slope)
    assert fit(both).tolist() == fit(given).tolist()
    (found,), (alone,) = (
        without(one, fit(given), [group])
        for one, group in ((both, np.array([3, 4, 121, 159])), (given, np.array([3, 4])))
    )
    assert found[:2] == pytest.approx(alone)
    rest = np.setdiff1d(np.arange(120), [3, 4])
    refit = fit(Problem(given.features[rest], given.targets[rest], given.weights[rest], given.ridge))
    assert found[2:] == pytest.approx(log_odds(more[[1, 39]], refit), abs=1e-3)
    assert rows == {120, 118}  # none of the work is about the others


def test_a_perfect_separation_stays_finite() -> None:
    features = np.concatenate([np.full((20, 2), 3.0), np.full((20, 2), -3.0)])
    solution = fit(Problem(features, np.repeat([1.0, 0.0], 20), np.ones(40), 0.01))
    assert np.isfinite(solution).all()
    assert (log_odds(features, solution) > 0).tolist() == [True] * 20 + [False] * 20


def test_calibrated_scores_mean_what_they_say() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=4000) * 2.0
    targets = (rng.random(4000) < 1.0 / (1.0 + np.exp(-truth))).astype(np.float64)
    slope, intercept = platt(truth / 3.0 + 1.0, targets, np.ones(4000))  # scores that are stretched and shifted
    assert [slope, intercept] == pytest.approx([3.0, -3.0], rel=0.1)
