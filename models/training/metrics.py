"""Ranking quality, for watching a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def auroc(labels: NDArray[np.integer], scores: NDArray[np.floating]) -> float:
    """Return the area under the ROC curve by ranks, ties counted half; NaN where a class is missing."""
    positive = int((labels == 1).sum())
    negative = len(labels) - positive
    if not positive or not negative:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float((ranks[labels == 1].sum() - positive * (positive + 1) / 2.0) / (positive * negative))
