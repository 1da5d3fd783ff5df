"""The elements of pictures: a frame with a text alternative, grid lines, labels and a legend."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Final

from guardsdk.render.markup import Markup, element, joined, short
from guardsdk.render.style import CHART, SERIES, THEME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.render.axes import Placed

WIDTH: Final = 640.0
LETTER: Final = 7.2
"""Mean width of a letter, slightly more than most fonts need."""
TOP: Final = 34.0
"""Below the title."""
PLOT: Final = 210.0
"""Height of the plot area of pictures with a vertical axis."""
FOOT: Final = 44.0
"""Room for the ticks and the label of the horizontal axis."""
EDGE: Final = 22.0
"""Margin at the right."""
_LINE: Final = 18.0


def drawing(*, title: str, description: str, height: float, parts: Sequence[Markup]) -> Markup:
    """Return the picture. ``title`` is displayed and read aloud, ``description`` is only read aloud."""
    body = joined(text(0, 14, title, kind="title"), *parts)
    key = hashlib.sha256(f"{title}\0{description}\0{body}".encode()).hexdigest()[:10]
    return element(
        "svg",
        element("title", title, attributes={"id": f"t{key}"}),
        element("desc", description, attributes={"id": f"d{key}"}),
        body,
        attributes={
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {short(WIDTH)} {short(height)}",
            "role": "img",
            "aria-labelledby": f"t{key} d{key}",
            "class": "chart",
        },
    )


def standalone(picture: Markup) -> str:
    """Return a picture as a standalone SVG file with its colours included."""
    style = f"<style>{THEME}{CHART}</style>"
    opening, rest = picture.split(">", 1)
    return f"{opening}>{style}{rest}\n"


def text(x: float, y: float, words: str, *, kind: str | None = None, anchor: str | None = None) -> Markup:
    """Return ``words`` at a position; ``anchor`` is ``middle`` or ``end`` if they do not start there."""
    return element("text", words, attributes={"x": x, "y": y, "class": kind, "text-anchor": anchor})


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a straight line."""
    return element("line", attributes={"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind})


def box(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    """Return a rectangle."""
    return element(
        "rect", attributes={"x": x, "y": y, "width": max(width, 0.0), "height": max(height, 0.0), "class": kind}
    )


def dot(x: float, y: float, kind: str, said: str = "", radius: float = 4.5) -> Markup:
    """Return a marker with the tooltip ``said``."""
    told = [element("title", said)] if said else []
    return element("circle", *told, attributes={"cx": x, "cy": y, "r": radius, "class": f"mark {kind}"})


def path(points: Sequence[tuple[float, float]], kind: str, *, closed: bool = False) -> Markup:
    """Return a line through ``points``, or the area inside it."""
    steps = "L".join(f"{short(x)} {short(y)}" for x, y in points)
    return element("path", attributes={"d": f"M{steps}{'Z' if closed else ''}", "class": kind})


def runs(points: Sequence[tuple[float, ...]]) -> list[list[tuple[float, ...]]]:
    """Split ``points`` at those with a figure that is not finite, which are left out."""
    pieces: list[list[tuple[float, ...]]] = [[]]
    for point in points:
        if all(map(math.isfinite, point)):
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def series_kind(number: int) -> str:
    """Return the CSS class of series ``number``, from 0. Raises ``ValueError`` beyond the last colour."""
    if number >= SERIES:
        msg = f"a picture shows at most {SERIES} series; join some, or draw two pictures"
        raise ValueError(msg)
    return f"c{number + 1}"


def cut(words: str, room: float) -> str:
    """Return ``words``, shortened if they are wider than ``room``."""
    fits = max(1, int(room / LETTER))
    return words if len(words) <= fits else words[: fits - 1].rstrip() + "…"


def below(axis: Placed, top: float, bottom: float) -> list[Markup]:
    """Return vertical grid lines with their labels, and the label of the axis below."""
    parts = []
    free = -math.inf
    for tick in axis.ticks():
        x, word = axis.at(tick), axis.word(tick)
        parts.append(line(x, top, x, bottom, "grid"))
        half = len(word) * LETTER / 2
        if x - half >= free:
            parts.append(text(min(x, WIDTH - half), bottom + 16, word, anchor="middle"))
            free = x + half + LETTER
    parts.append(text((axis.start + axis.end) / 2, bottom + 33, axis.axis.label, anchor="middle"))
    return parts


def beside(axis: Placed, left: float, right: float) -> list[Markup]:
    """Return horizontal grid lines with their labels, and the label of the axis above the first."""
    parts = [text(0, axis.end - 12, axis.axis.label)]
    for tick in axis.ticks():
        y = axis.at(tick)
        parts.append(line(left, y, right, y, "grid"))
        parts.append(text(left - 7, y + 4, axis.word(tick), anchor="end"))
    return parts


def frame(horizontal: Placed, vertical: Placed) -> list[Markup]:
    """Return the grid of both axes and the base line."""
    return [
        *beside(vertical, horizontal.start, horizontal.end),
        *below(horizontal, vertical.end, vertical.start),
        line(horizontal.start, vertical.start, horizontal.end, vertical.start, "axis"),
    ]


def empty(horizontal: Placed, top: float) -> Markup:
    """Return the placeholder text of a picture without data."""
    return text((horizontal.start + horizontal.end) / 2, top, "no figures", kind="strong", anchor="middle")


def tag(x: float, y: float, words: str, room: float) -> Markup:
    """Return the label of a line at its right, or at its left if ``room`` on the right is too small."""
    fits = len(words) * LETTER <= room
    return text(x + 5 if fits else x - 5, y, words, kind="tag", anchor=None if fits else "end")


def gutter(axis: Placed) -> float:
    """Return the width that the labels of a vertical axis need."""
    return max((len(axis.word(tick)) for tick in axis.ticks()), default=1) * LETTER + 10


def legend(names: Sequence[tuple[str, str, str]], top: float) -> tuple[list[Markup], float]:
    """Return the legend and its height.

    Args:
        names: Name, class of its colour, and shape (``line``, ``box`` or ``limit``) of each entry.
        top: Where the first row begins.
    """
    parts: list[Markup] = []
    x, y = 0.0, top
    for name, kind, shape in names:
        shown = cut(name, WIDTH - 40)
        width = 30 + len(shown) * LETTER + 16
        if x and x + width > WIDTH:
            x, y = 0.0, y + _LINE
        if shape == "box":
            parts.append(box(x, y - 4, 22, 9, f"area {kind}"))
        else:
            parts.append(line(x, y, x + 22, y, "limit" if shape == "limit" else f"line {kind}"))
        parts.append(text(x + 28, y + 4, shown))
        x += width
    return parts, (y - top + _LINE) if names else 0.0
