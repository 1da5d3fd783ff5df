"""Recalibration of the model's scores on your own text: a line or a curve in log-odds, by label and stage."""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import Field, PrivateAttr, model_validator

from guardsdk.errors import PolicyError
from guardsdk.frozen import NO_WORD, Frozen
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    OperatingPoints = Mapping[tuple[str, Stage], Mapping[str, float]]
    """The thresholds of screens per label and stage: ``"default"`` and false-positive rates (``"0.001"``)."""
    Quantiles = Mapping[tuple[str, Stage], Sequence[float]]
    """Evenly spaced quantiles of benign scores per label and stage, the reference for drift."""

MOST: Final = 64
"""The most points of a curve."""
FLATTEST: Final = 1e-6
"""The least slope of a line."""

_Score = Annotated[float, Field(gt=0.0, lt=1.0), NO_WORD]
_Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""Log-odds before and after, equally many, both increasing."""


class Recalibration(Frozen):
    """How the scores of one label on one stage are recalibrated; numeric thresholds apply to the result.

    Either a line in log-odds with ``slope`` and ``intercept`` (Platt 1999), or an increasing curve through ``points``,
    linear in log-odds between them and extended beyond the first and the last.
    """

    label: str = Field(min_length=1)
    """The label whose scores it changes."""
    stage: Stage
    """The stage on which it changes them."""
    slope: Annotated[float, Field(ge=FLATTEST, le=1e6, allow_inf_nan=False), NO_WORD] | None = None
    """Slope of the line in log-odds; positive, so that the order of scores is kept."""
    intercept: Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False), NO_WORD] | None = None
    """Intercept of the line in log-odds."""
    points: Annotated[tuple[tuple[_Score, _Score], ...], Field(min_length=2, max_length=MOST)] | None = None
    """Instead of a line: increasing scores between 0 and 1, each with its recalibrated value, increasing as well."""
    _curve: _Curve = PrivateAttr(default=((), ()))

    @model_validator(mode="after")
    def _of_one_form(self) -> Self:
        if self.points is None:
            if self.slope is None or self.intercept is None:
                msg = "needs slope and intercept, or points"
                raise ValueError(msg)
            return self
        if self.slope is not None or self.intercept is not None:
            msg = "has points, so it can have no slope and no intercept"
            raise ValueError(msg)
        before, after = (tuple(map(_log_odds, column)) for column in zip(*self.points, strict=True))
        if not all(one < two for column in (before, after) for one, two in pairwise(column)):
            msg = "points must rise, in both numbers"
            raise ValueError(msg)
        self._curve = before, after
        return self

    def of(self, score: float) -> float:
        """Return the recalibrated ``score``. Monotone; values outside (0, 1) are returned unchanged."""
        if not 0.0 < score < 1.0:
            return score
        odds = _log_odds(score)
        if self.slope is not None and self.intercept is not None:
            return _chance(self.slope * odds + self.intercept)
        return _chance(_between(odds, *self._curve))

    def after(self, first: Recalibration) -> Recalibration:
        """Return the composition for the same label and stage: ``first``, then this one.

        Raises ``PolicyError`` if it would need more than ``MOST`` points.
        """
        if not (self.slope is None or self.intercept is None or first.slope is None or first.intercept is None):
            line = {"slope": self.slope * first.slope, "intercept": self.slope * first.intercept + self.intercept}
            return self.model_copy(update=line)
        ends = first._ends(), self._ends()
        # The curve bends where either one bends, given on the original scale.
        places = sorted({*ends[0][0], *(_between(odds, ends[0][1], ends[0][0]) for odds in ends[1][0])})
        points = [(_chance(odds), _chance(_between(_between(odds, *ends[0]), *ends[1]))) for odds in places]
        if len(points) > MOST:
            msg = (
                f"{self.label!r} on {self.stage.value} is recalibrated for the second time, by {len(points)} points of "
                f"{MOST} at most: begin with a policy that does not recalibrate it"
            )
            raise PolicyError(msg)
        return Recalibration(label=self.label, stage=self.stage, points=tuple(points))

    def _ends(self) -> _Curve:
        """Return the curve; for a line, any two of its points."""
        if self.slope is None or self.intercept is None:
            return self._curve
        return (-1.0, 1.0), (self.intercept - self.slope, self.intercept + self.slope)


def _log_odds(score: float) -> float:
    return math.log(score) - math.log1p(-score)


def _chance(odds: float) -> float:
    # The branch that cannot overflow; beyond floating-point precision the score is 0 or 1.
    if odds >= 0.0:
        return 1.0 / (1.0 + math.exp(-odds))
    small = math.exp(odds)
    return small / (1.0 + small)


def _between(value: float, before: Sequence[float], after: Sequence[float]) -> float:
    """Return the piecewise linear interpolation at ``value`` through ``before`` and ``after``, both increasing."""
    at = min(max(bisect_right(before, value), 1), len(before) - 1)
    share = (value - before[at - 1]) / (before[at] - before[at - 1])
    found = after[at - 1] + (after[at] - after[at - 1]) * share
    # Rounding may put the end of a segment above the start of the next, which would reverse two scores.
    return found if at == len(before) - 1 else min(found, after[at])


Lines = dict[tuple[str, Stage], Recalibration]


def lines_of(given: Iterable[Recalibration]) -> Lines:
    """Return the recalibrations by label and stage."""
    return {(one.label, one.stage): one for one in given}


def offered(given: Iterable[Recalibration], points: OperatingPoints) -> OperatingPoints:
    """Return the screens' thresholds, ``points``, converted to the scale recalibrated by ``given``."""
    lines = lines_of(given)
    if not lines:
        return points
    return {
        key: {name: lines[key].of(value) for name, value in named.items()} if key in lines else named
        for key, named in points.items()
    }


def references(given: Iterable[Recalibration], quantiles: Quantiles) -> Quantiles:
    """Return ``quantiles`` of scores converted to the scale recalibrated by ``given``."""
    lines = lines_of(given)
    return {
        key: [lines[key].of(value) for value in values] if key in lines else values for key, values in quantiles.items()
    }
