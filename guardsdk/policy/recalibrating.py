"""What a score of the model means on one's own text: a line in log-odds, label by label and stage by stage."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_Number = Annotated[float, Field(allow_inf_nan=False)]


class Recalibration(BaseModel):
    """How the scores of one label on one stage are read; thresholds in numbers are on what it gives."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    label: str = Field(min_length=1)
    """The label whose scores it changes."""
    stage: Stage
    """Where it changes them."""
    slope: Annotated[_Number, Field(gt=0.0)]
    """Of the line in log-odds; above 0, so that what scored more keeps scoring more."""
    intercept: _Number
    """Of the line in log-odds (Platt 1999)."""

    def of(self, score: float) -> float:
        """Return what ``score`` is called: never falling, 0 and 1 as they are, and what is no number as it is."""
        if not 0.0 < score < 1.0:
            return score
        odds = self.slope * (math.log(score) - math.log1p(-score)) + self.intercept
        # The branch that cannot overflow; beyond the last digit a score is 0 or 1.
        if odds >= 0.0:
            return 1.0 / (1.0 + math.exp(-odds))
        small = math.exp(odds)
        return small / (1.0 + small)

    def after(self, first: Recalibration) -> Recalibration:
        """Return the one that does what ``first`` does and then this one, for the same label and stage."""
        return self.model_copy(
            update={
                "slope": self.slope * first.slope,
                "intercept": self.slope * first.intercept + self.intercept,
            }
        )


Lines = dict[tuple[str, Stage], Recalibration]


def lines_of(given: Iterable[Recalibration]) -> Lines:
    """Return ``given`` by label and stage."""
    return {(one.label, one.stage): one for one in given}


def offered(
    given: Iterable[Recalibration], points: Mapping[tuple[str, Stage], Mapping[str, float]]
) -> Mapping[tuple[str, Stage], Mapping[str, float]]:
    """Return the thresholds on offer, ``points``, on the scale that scores have after ``given``."""
    lines = lines_of(given)
    if not lines:
        return points
    return {
        key: {name: lines[key].of(value) for name, value in named.items()} if key in lines else named
        for key, named in points.items()
    }


def references(
    given: Iterable[Recalibration], quantiles: Mapping[tuple[str, Stage], Sequence[float]]
) -> Mapping[tuple[str, Stage], Sequence[float]]:
    """Return quantiles of scores on the scale that scores have after ``given``."""
    lines = lines_of(given)
    return {
        key: [lines[key].of(value) for value in values] if key in lines else values for key, values in quantiles.items()
    }
