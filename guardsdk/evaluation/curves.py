"""Recall against false alarms, from the scores of a run: what each threshold would gain and cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.intervals import wilson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from guardsdk.intervals import Share

_MOST: Final = 200
"""The most points of a curve, enough for a picture."""


@dataclass(frozen=True, slots=True)
class Point:
    """One threshold of a curve."""

    threshold: float
    """Scores from here on count as found."""
    false_alarms: Share
    """Share of harmless cases found."""
    recall: Share
    """Share of harmful cases found."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The curve of one score, from the strictest threshold to the loosest."""

    label: str
    points: tuple[Point, ...]

    def at_most(self, rate: float) -> Point | None:
        """Return the loosest point with at most this share of false alarms; ``None`` if there is none."""
        fitting = [point for point in self.points if point.false_alarms.rate <= rate]
        return fitting[-1] if fitting else None


CurvePair = tuple[Curve | None, Curve | None]
"""One label before and after; ``None`` for a run without it."""


def curve(label: str, harmful: ArrayLike, scores: ArrayLike) -> Curve | None:
    """Return the curve of one score, with at most 200 points; ``None`` if all cases are harmful or none is.

    Equal scores are added together, as no threshold can separate them.

    Args:
        label: The label of the score.
        harmful: Shape [N], whether each case should be found.
        scores: Shape [N].

    Raises:
        ValueError: The shapes differ, or a score is NaN.
    """
    truth, values = np.asarray(harmful, dtype=bool), np.asarray(scores, dtype=np.float64)
    if truth.shape != values.shape or truth.ndim != 1:
        msg = f"harmful {truth.shape} and scores {values.shape} must be one list each, of the same cases"
        raise ValueError(msg)
    if np.isnan(values).any():
        msg = f"the scores of {label!r} must not hold NaN"
        raise ValueError(msg)
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return None
    order = np.argsort(-values, kind="stable")
    ordered, found = values[order], np.cumsum(truth[order])
    ends = np.flatnonzero(np.append(np.diff(ordered) != 0, np.array([True])))
    if ends.size > _MOST:
        # A picture needs every point at low false-alarm rates, so points are spaced evenly in the log of the rank.
        ranks = np.unique(np.rint(np.geomspace(1, ends.size, _MOST)).astype(int)) - 1
        ends = ends[ranks]
    points = tuple(
        Point(
            float(ordered[end]),
            wilson(int(end) + 1 - int(found[end]), negatives),
            wilson(int(found[end]), positives),
        )
        for end in ends
    )
    return Curve(label, points)
