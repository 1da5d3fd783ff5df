"""Curves of recall against false alarms, many small ones in one picture, drawn with ``guardsdk.render``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from guardsdk.render.axes import Axis, placed
from guardsdk.render.drawing import WIDTH, dot, drawing, frame, gutter, legend, path, standalone, text
from guardsdk.render.markup import element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.render.markup import Markup

Point = tuple[float, float]
"""False-alarm rate and recall, each in 0..1."""

_COLUMNS: Final = 2
_PANEL: Final = WIDTH / _COLUMNS
_ROW: Final = 256.0
_HEAD: Final = 56.0
"""Above the first row: the title and the legend."""
_NEAR: Final = 0.5
_KINDS: Final = ("c1", "c2")
RECALL: Final = placed(Axis("recall", 0.0, 1.0, words="percent"), (), 200.0, 66.0)
ALARMS: Final = placed(Axis("false alarms", 0.001, 1.0, "log", "percent"), (), gutter(RECALL), _PANEL - 26)
"""Whatever is rarer than the beginning of the axis is drawn there."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve with its marks: a circle for the shipped point, a diamond for a second one where there is any."""

    points: tuple[Point, ...]
    """From the strictest threshold to the loosest."""
    circle: Point
    diamond: Point | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """One panel: at most two lines, the first solid and the second dashed."""

    title: str
    below: str
    """Said under the title, such as which sets were measured."""
    lines: tuple[Line, ...]


def _place(point: Point) -> Point:
    return ALARMS.at(point[0]), RECALL.at(point[1])


def thinned(points: Sequence[Point]) -> list[Point]:
    """Chart coordinates of ``points`` without those that lie on the one before; both ends stay."""
    places = [_place(point) for point in points]
    kept = places[:1]
    for place in places[1:]:
        if max(abs(place[0] - kept[-1][0]), abs(place[1] - kept[-1][1])) >= _NEAR:
            kept.append(place)
    if places and kept[-1] != places[-1]:
        kept.append(places[-1])
    return kept


def _diamond(x: float, y: float, kind: str) -> Markup:
    return path(
        [(x + dx, y + dy) for dx, dy in ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0))], f"mark {kind}", closed=True
    )


def _panel(chart: Chart, number: int) -> Markup:
    parts = [text(0, 16, chart.title, kind="title"), text(0, 33, chart.below), *frame(ALARMS, RECALL)]
    lines = list(zip(chart.lines, _KINDS, strict=False))
    parts += [path(thinned(line.points), f"line {kind}") for line, kind in lines]
    for line, kind in lines:
        parts += [] if line.diamond is None else [_diamond(*_place(line.diamond), kind)]
        parts.append(dot(*_place(line.circle), kind))
    row, column = divmod(number, _COLUMNS)
    return element("g", *parts, attributes={"transform": f"translate({column * _PANEL:g} {_HEAD + row * _ROW:g})"})


def draw(charts: Sequence[Chart], *, title: str, first: str, second: str, circle: str, diamond: str) -> str:
    """Lay ``charts`` out in two columns under a legend. Raises ``ValueError`` where one has more than two lines.

    Args:
        charts: The panels, row by row. Their axes are false alarms and recall.
        title: What the picture shows.
        first: What the solid lines are.
        second: What the dashed lines are.
        circle: What a circle marks.
        diamond: What a diamond marks.
    """
    if crowded := [chart.title for chart in charts if len(chart.lines) > len(_KINDS)]:
        msg = f"a chart has at most {len(_KINDS)} lines: {', '.join(crowded)}"
        raise ValueError(msg)
    at = 36.0
    names, _ = legend([(first, _KINDS[0], "line"), (second, _KINDS[1], "line")], at)
    marks = [
        dot(340, at, _KINDS[0]),
        text(350, at + 4, circle),
        _diamond(470, at, _KINDS[0]),
        text(480, at + 4, diamond),
    ]
    picture = drawing(
        title=title,
        description="; ".join(f"{chart.title}: {chart.below}" for chart in charts),
        height=_HEAD + math.ceil(len(charts) / _COLUMNS) * _ROW,
        parts=[*names, *marks, *(_panel(chart, number) for number, chart in enumerate(charts))],
    )
    return standalone(picture)
