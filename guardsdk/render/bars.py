"""Bars and points with intervals, one row each, and histograms. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from guardsdk.render.axes import Axis, placed, worded
from guardsdk.render.drawing import (
    EDGE,
    FOOT,
    LETTER,
    PLOT,
    TOP,
    WIDTH,
    below,
    box,
    cut,
    dot,
    drawing,
    empty,
    frame,
    gutter,
    legend,
    line,
    path,
    series_kind,
    tag,
    text,
)
from guardsdk.render.markup import element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.render.axes import Placed
    from guardsdk.render.lines import Limit
    from guardsdk.render.markup import Markup

_ROW: Final = 24.0
_MOST_LABEL: Final = 230.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar or forest picture."""

    label: str
    value: float
    low: float = math.nan
    """Ends of its interval; NaN if it has none."""
    high: float = math.nan
    note: str = ""
    """Shown at the right, such as the interval in figures."""
    tone: Literal["good", "bad", "plain", "c1", "c2", "c3", "c4", "c5", "c6"] = "c1"


@dataclass(frozen=True, slots=True)
class Counts:
    """One distribution of a histogram."""

    name: str
    counts: Sequence[float]
    """One for each bin."""


def interval_chart(
    *,
    title: str,
    description: str,
    bars: Sequence[Bar],
    axis: Axis,
    reference: Limit | None = None,
    filled: bool = True,
) -> Markup:
    """Draw one row for each bar: its label, its value with its interval, and its note.

    Args:
        title: What is shown.
        description: The same in words.
        bars: From top to bottom.
        axis: Of the values.
        reference: A value to compare them with, such as 0 for differences.
        filled: Whether to draw bars from the beginning of the axis (or 0, if it includes 0), or only points, as in a
            forest plot.
    """
    labels = min(max((len(bar.label) for bar in bars), default=0) * LETTER + 12, _MOST_LABEL)
    notes = max((len(bar.note) for bar in bars), default=0) * LETTER + EDGE
    shown, room = legend([(reference.name, "", "limit")] if reference else [], TOP)
    top = TOP + room
    bottom = top + max(len(bars), 1) * _ROW
    ends = [end for bar in bars if math.isfinite(bar.value) for end in (bar.value, bar.low, bar.high)]
    ends += [0.0] if filled and axis.scale == "linear" else []
    ends += [reference.value] if reference else []
    horizontal = placed(axis, ends, labels, WIDTH - notes)
    parts = [*shown, *below(horizontal, top, bottom)]
    for number, bar in enumerate(bars):
        parts += _row(bar, top + number * _ROW, horizontal, filled=filled)
    root = horizontal.at(0.0) if filled else horizontal.start
    parts.append(line(root, top, root, bottom, "axis"))
    if reference:
        at = horizontal.at(reference.value)
        parts.append(line(at, top, at, bottom, "limit"))
    if not bars:
        parts.append(empty(horizontal, top + 16))
    return drawing(title=title, description=description, height=bottom + FOOT, parts=parts)


def _row(bar: Bar, top: float, horizontal: Placed, *, filled: bool) -> list[Markup]:
    middle = top + _ROW / 2
    label = cut(bar.label, horizontal.start - 10)
    whole = [element("title", bar.label)] if label != bar.label else []
    words = element("text", label, *whole, attributes={"x": 0.0, "y": middle + 4, "class": "strong"})
    parts = [words, text(WIDTH, middle + 4, bar.note, anchor="end")]
    if not math.isfinite(bar.value):
        return [*parts, text(horizontal.start + 6, middle + 4, "n/a")]
    at = horizontal.at(bar.value)
    if filled:
        zero = horizontal.at(0.0)
        parts.append(box(min(zero, at), top + 5, abs(at - zero), _ROW - 10, f"bar {bar.tone}"))
    if math.isfinite(bar.low) and math.isfinite(bar.high):
        first, last = horizontal.at(bar.low), horizontal.at(bar.high)
        parts.append(line(first, middle, last, middle, "whisker"))
        parts += [line(end, middle - 4, end, middle + 4, "whisker") for end in (first, last)]
    parts.append(dot(at, middle, bar.tone, f"{bar.label}: {worded(bar.value, horizontal.axis.words)}"))
    return parts


def histogram(
    *,
    title: str,
    description: str,
    edges: Sequence[float],
    series: Sequence[Counts],
    axis: Axis,
    limits: Sequence[Limit] = (),
    label: str = "count",
) -> Markup:
    """Draw a histogram: the first series filled, the others as outlines over it.

    Args:
        title: What is shown.
        description: The same in words.
        edges: Ends of the bins, ascending, one more than bins.
        series: Up to six distributions over these bins.
        axis: Of the values.
        limits: Values to mark, such as thresholds.
        label: What the heights mean.

    Raises:
        ValueError: Edges do not ascend, or a series does not have one count for each bin.
    """
    if len(edges) <= 1 or any(after <= before for before, after in pairwise(edges)):
        msg = "the edges of a histogram must be two numbers or more, each greater than the one before"
        raise ValueError(msg)
    for one in series:
        if len(one.counts) != len(edges) - 1:
            msg = f"{one.name!r} has {len(one.counts)} counts for {len(edges) - 1} bins"
            raise ValueError(msg)
    names = [(one.name, series_kind(number), "line" if number else "box") for number, one in enumerate(series)]
    shown, room = legend(names, TOP)
    top = TOP + room + 20
    vertical = placed(Axis(label, low=0.0), [count for one in series for count in one.counts], top + PLOT, top)
    horizontal = placed(axis, [*edges, *(limit.value for limit in limits)], gutter(vertical), WIDTH - EDGE)
    parts = [*shown, *frame(horizontal, vertical)]
    for number, one in enumerate(series):
        parts += _distribution(one, number, edges, horizontal, vertical)
    for number, limit in enumerate(limits):
        at = horizontal.at(limit.value)
        parts.append(line(at, top, at, top + PLOT, "limit"))
        parts.append(tag(at, top + 12 + 15 * number, limit.name, WIDTH - at))
    if not any(count > 0 for one in series for count in one.counts):
        parts.append(empty(horizontal, top + PLOT / 2))
    return drawing(title=title, description=description, height=top + PLOT + FOOT, parts=parts)


def _distribution(
    one: Counts, number: int, edges: Sequence[float], horizontal: Placed, vertical: Placed
) -> list[Markup]:
    kind = series_kind(number)
    bins = list(zip(edges, edges[1:], (c if math.isfinite(c) else 0.0 for c in one.counts), strict=False))
    if number == 0:
        return [
            box(
                horizontal.at(a),
                vertical.at(c),
                horizontal.at(b) - horizontal.at(a),
                vertical.start - vertical.at(c),
                f"bar {kind}",
            )
            for a, b, c in bins
            if c > 0
        ]
    corners = [(horizontal.at(end), vertical.at(count)) for a, b, count in bins for end in (a, b)]
    ends = ((horizontal.at(edges[0]), vertical.start), (horizontal.at(edges[-1]), vertical.start))
    return [path([ends[0], *corners, ends[1]], f"outline {kind}")]
