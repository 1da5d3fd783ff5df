"""What a score means on these texts: the probability that a text with it violates, at equal prior odds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import numpy as np

from guardsdk.calibration.sample import EDGES, REACH
from guardsdk.policy.recalibrating import FLATTEST
from guardsdk.teaching.logistic import platt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guardsdk.calibration.sample import Sample

Method = Literal["platt", "isotonic"]
KNOTS: Final = 24
"""The most points of a curve that is written to a policy."""
_FEWEST: Final = 2
"""The least number of points of a curve."""
_CENTRES = np.linspace(-REACH, REACH, len(EDGES))[:-1] + REACH / (len(EDGES) - 1)
"""[4800]: the centre of each bin, in log-odds."""


class _Kinds(NamedTuple):
    """The distributions of one principle's scores for both kinds of text, with equal total weight."""

    no: NDArray[np.float64]
    """[4800], the share of the benign texts in each bin."""
    yes: NDArray[np.float64]
    """The same for the violating texts."""
    fewest: float
    """Size of the smaller sample, without duplicates."""

    @property
    def both(self) -> NDArray[np.float64]:
        """[4800]."""
        both: NDArray[np.float64] = self.no + self.yes
        return both

    def line(self) -> tuple[float, float]:
        """Return slope and intercept of Platt's line."""
        targets = np.repeat([0.0, 1.0], len(_CENTRES))
        # Each kind weighs as many texts as the smaller sample has: no more certainty than that justifies.
        weights = np.concatenate([self.no, self.yes]) * self.fewest
        return platt(np.tile(_CENTRES, 2), targets, weights)


def _kinds(benign: Sample, violating: Sample, column: int) -> _Kinds | None:
    """Return the score distributions of principle ``column``; ``None`` if there are no texts of a kind."""
    counts = [sample.bins(column) for sample in (benign, violating)]
    totals = [float(one.sum()) for one in counts]
    fewest = float(min(benign.different, violating.different))
    return _Kinds(counts[0] / totals[0], counts[1] / totals[1], fewest) if all(totals) else None


def platt_line(benign: Sample, violating: Sample, column: int) -> tuple[float, float] | None:
    """Return slope and intercept, in log-odds, that map a score to the probability of a violation (Platt 1999).

    Both kinds of text have the same total weight. ``None`` if there are no texts of a kind, or violating texts do not
    score higher.
    """
    kinds = _kinds(benign, violating, column)
    line = None if kinds is None else kinds.line()
    # If the scores of both kinds are alike, the slope is only rounding error.
    return None if line is None or line[0] < FLATTEST else line


def isotonic_points(benign: Sample, violating: Sample, column: int) -> list[tuple[float, float]] | None:
    """Return at most ``KNOTS`` scores with their probabilities, both increasing: the isotonic curve at its steps.

    No chance is closer to 0 or 1 than the smaller sample can tell. None where there are none of a kind, or violating
    texts do not score higher.
    """
    kinds = _kinds(benign, violating, column)
    if kinds is None:
        return None
    shown = np.flatnonzero(kinds.both)
    weights, centres = kinds.both[shown], _CENTRES[shown]
    least = 1.0 / (kinds.fewest + 2.0)
    # Steps that are equal after rounding are merged.
    chances = np.clip(isotonic(kinds.yes[shown], weights), least, 1.0 - least).round(9)
    values, steps = np.unique(chances, return_inverse=True)
    if len(values) < _FEWEST:
        return None
    middles = np.bincount(steps, weights * centres) / np.bincount(steps, weights)
    kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), KNOTS)).astype(np.intp))
    scores = 1.0 / (1.0 + np.exp(-middles[kept]))
    return list(zip(scores.tolist(), values[kept].tolist(), strict=True))


def meaning(benign: Sample, violating: Sample, column: int, method: Method) -> list[tuple[float, float]]:
    """Return scores in ascending order with their probabilities; both kinds of text have the same total weight.

    ``platt`` fits a line to the log-odds (Platt 1999), ``isotonic`` the closest non-decreasing curve (pool adjacent
    violators, Ayer et al. 1955). Empty if there are no texts of a kind.
    """
    kinds = _kinds(benign, violating, column)
    if kinds is None:
        return []
    if method == "platt":
        slope, intercept = kinds.line()
        chances = 1.0 / (1.0 + np.exp(-np.clip(slope * _CENTRES + intercept, -500.0, 500.0)))
    else:
        chances = isotonic(kinds.yes, kinds.both)
    shown = np.flatnonzero(kinds.both)
    places = shown[np.unique(np.linspace(0, len(shown) - 1, 40).astype(np.intp))]
    return [(float(EDGES[place]), float(chances[place])) for place in places]


def isotonic(hits: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the non-decreasing [N] closest to ``hits / weights`` [N] in weighted least squares.

    Empty bins get the value of the bin before.
    """
    blocks: list[tuple[float, float, int]] = []
    for hit, weight in zip(hits.tolist(), weights.tolist(), strict=True):
        block = (hit, weight, 1)
        while blocks and (block[1] == 0.0 or blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]):
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
            if last[1] == 0.0:
                break
        blocks.append(block)
    return np.concatenate([np.full(size, hit / weight if weight else 0.0) for hit, weight, size in blocks])
