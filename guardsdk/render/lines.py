"""Line charts with bands, and stacked areas.

Pure functions. Series differ by dash as well as by colour; figures that are not finite leave a gap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.render.axes import Axis, placed
from guardsdk.render.drawing import (
    EDGE,
    FOOT,
    PLOT,
    TOP,
    WIDTH,
    box,
    dot,
    drawing,
    empty,
    frame,
    gutter,
    legend,
    line,
    path,
    runs,
    series_kind,
    tag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.render.axes import Placed
    from guardsdk.render.markup import Markup

_BAR: Final = 6.0
"""Width of a layer with a single value."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Limit:
    """A value to mark, drawn across the picture."""

    value: float
    name: str


class Spot(NamedTuple):
    """A highlighted point."""

    x: float
    y: float
    words: str
    """Its tooltip."""
    radius: float = 4.0


@dataclass(frozen=True, slots=True)
class Series:
    """One line."""

    name: str
    points: Sequence[Point]
    """x and y, in drawing order."""
    band: Sequence[tuple[float, float, float]] = ()
    """x, low and high of the area around it."""
    marks: Sequence[Spot] = ()


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer of a stacked area."""

    name: str
    values: Sequence[float]
    """One for each x; values that are not finite count as 0."""


def line_chart(
    *, title: str, description: str, series: Sequence[Series], x: Axis, y: Axis, limits: Sequence[Limit] = ()
) -> Markup:
    """Draw up to six lines, each with its band if it has one.

    ``limits`` are values of y. Raises ``ValueError`` for more lines, and for an invalid axis.
    """
    names = [(one.name, series_kind(number), "line") for number, one in enumerate(series)]
    shown, room = legend(names, TOP)
    top = TOP + room + 20
    heights = [point[1] for one in series for point in one.points] + [limit.value for limit in limits]
    heights += [end for one in series for _, low, high in one.band for end in (low, high)]
    vertical = placed(y, heights, top + PLOT, top)
    across = [point[0] for one in series for point in (*one.points, *one.band)]
    across += [mark.x for one in series for mark in one.marks]
    horizontal = placed(x, across, gutter(vertical), WIDTH - EDGE)
    parts = [*shown, *frame(horizontal, vertical)]
    for number, one in enumerate(series):
        parts += _band(one, series_kind(number), horizontal, vertical)
    for number, one in enumerate(series):
        parts += _line(one, series_kind(number), horizontal, vertical)
    for limit in limits:
        at = vertical.at(limit.value)
        parts.append(line(horizontal.start, at, horizontal.end, at, "limit"))
        parts.append(tag(horizontal.end, at - 4, limit.name, 0.0))
    if not any(runs(one.points) for one in series):
        parts.append(empty(horizontal, top + PLOT / 2))
    return drawing(title=title, description=description, height=top + PLOT + FOOT, parts=parts)


def _band(one: Series, kind: str, horizontal: Placed, vertical: Placed) -> list[Markup]:
    parts = []
    for piece in runs(one.band):
        above = [(horizontal.at(x), vertical.at(high)) for x, _, high in piece]
        under = [(horizontal.at(x), vertical.at(low)) for x, low, _ in reversed(piece)]
        parts.append(path([*above, *under], f"band {kind}", closed=True))
    return parts


def _line(one: Series, kind: str, horizontal: Placed, vertical: Placed) -> list[Markup]:
    parts = []
    for piece in runs(one.points):
        places = [(horizontal.at(x), vertical.at(y)) for x, y in piece]
        parts.append(path(places, f"line {kind}") if len(places) > 1 else dot(*places[0], kind, one.name, 3.0))
    parts += [dot(horizontal.at(mark.x), vertical.at(mark.y), kind, mark.words, mark.radius) for mark in one.marks]
    return parts


def stacked_area(
    *, title: str, description: str, at: Sequence[float], layers: Sequence[Layer], x: Axis, y: Axis
) -> Markup:
    """Draw up to six layers on top of each other, the first at the bottom.

    ``at`` are the ascending x of the values, seconds since 1970 for a time axis. Raises ``ValueError`` if a layer does
    not have one value for each, or has a negative one.
    """
    for layer in layers:
        if len(layer.values) != len(at) or any(value < 0 for value in layer.values):
            msg = f"{layer.name!r} must have one value of at least 0 for each of the {len(at)} places"
            raise ValueError(msg)
    shown, room = legend([(layer.name, series_kind(number), "box") for number, layer in enumerate(layers)], TOP)
    top = TOP + room + 20
    floors = [[0.0] * len(at)]
    for layer in layers:
        values = [value if math.isfinite(value) else 0.0 for value in layer.values]
        floors.append([under + value for under, value in zip(floors[-1], values, strict=True)])
    lowest = y if y.low is not None else Axis(y.label, 0.0, y.high, y.scale, y.words)
    vertical = placed(lowest, floors[-1], top + PLOT, top)
    horizontal = placed(x, at, gutter(vertical), WIDTH - EDGE)
    parts = [*shown, *frame(horizontal, vertical)]
    for number, (under, over) in enumerate(pairwise(floors)):
        upper = [(horizontal.at(x), vertical.at(value)) for x, value in zip(at, over, strict=True)]
        lower = [(horizontal.at(x), vertical.at(value)) for x, value in zip(at, under, strict=True)]
        if len(upper) > 1:
            parts.append(path([*upper, *reversed(lower)], f"area {series_kind(number)}", closed=True))
        elif upper:
            parts.append(
                box(upper[0][0] - _BAR / 2, upper[0][1], _BAR, lower[0][1] - upper[0][1], f"area {series_kind(number)}")
            )
    if not at or not layers:
        parts.append(empty(horizontal, top + PLOT / 2))
    return drawing(title=title, description=description, height=top + PLOT + FOOT, parts=parts)
