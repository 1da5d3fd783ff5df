"""Small line charts as self-contained SVG: no script, no font, no network; readable on a light and a dark page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

Point = tuple[float, float]
"""False-alarm rate and recall, each in 0..1."""

LEAST = 0.001
"""Left end of the logarithmic axis; whatever is rarer is drawn there."""
_TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_WIDTH, _HEIGHT = 340, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 16, 46, 38
_COLUMNS = 2
_LEGEND = 30
_NEAR = 0.5
_STYLE = """
  text { font: 11px system-ui, sans-serif; fill: #3d4451; }
  .small { font-size: 10px; }
  .title { font-size: 12.5px; font-weight: 600; fill: #1b1f27; }
  .grid { stroke: #d7dbe2; stroke-width: 1; }
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  .first { stroke: #1f6fd1; } .first-mark { fill: #1f6fd1; stroke: #fff; }
  .second { stroke: #c2571a; stroke-dasharray: 5 3; } .second-mark { fill: #c2571a; stroke: #fff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #b4bcc8; } .title { fill: #eef1f5; } .grid { stroke: #3a414d; }
    .first { stroke: #6aaef9; } .first-mark { fill: #6aaef9; stroke: #12151b; }
    .second { stroke: #f0955a; } .second-mark { fill: #f0955a; stroke: #12151b; }
  }
"""
_KINDS = ("first", "second")


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


def _x(rate: float) -> float:
    share = math.log(max(rate, LEAST) / LEAST) / math.log(1 / LEAST)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(recall: float) -> float:
    return _TOP + (1 - recall) * (_HEIGHT - _TOP - _BOTTOM)


def thinned(points: Sequence[Point]) -> list[Point]:
    """Chart coordinates of ``points`` without those that lie on the one before; both ends stay."""
    places = [(round(_x(rate), 1), round(_y(recall), 1)) for rate, recall in points]
    kept = places[:1]
    for place in places[1:]:
        if max(abs(place[0] - kept[-1][0]), abs(place[1] - kept[-1][1])) >= _NEAR:
            kept.append(place)
    if places and kept[-1] != places[-1]:
        kept.append(places[-1])
    return kept


def _diamond(x: float, y: float, kind: str) -> str:
    corners = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)))
    return f'<polygon class="{kind}-mark" points="{corners}"/>'


def _circle(x: float, y: float, kind: str) -> str:
    return f'<circle class="{kind}-mark" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def _percent(rate: float) -> str:
    return f"{100 * rate:g} %"


def _panel(chart: Chart, column: int, row: int) -> list[str]:
    parts = [
        f'<g transform="translate({column * _WIDTH} {_LEGEND + row * _HEIGHT})">',
        f'<text class="title" x="{_LEFT}" y="16">{escape(chart.title)}</text>',
        f'<text class="small" x="{_LEFT}" y="32">{escape(chart.below)}</text>',
    ]
    for tick in _TICKS:
        at = f"{_x(tick):.1f}"
        parts.append(f'<line class="grid" x1="{at}" x2="{at}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
        parts.append(f'<text x="{at}" y="{_HEIGHT - _BOTTOM + 14}" text-anchor="middle">{_percent(tick)[:-2]}</text>')
    for recall in (0.0, 0.25, 0.5, 0.75, 1.0):
        at = f"{_y(recall):.1f}"
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{_y(recall) + 4:.1f}" text-anchor="end">{100 * recall:g}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">false alarms, %</text>')
    centre = f"12 {(_TOP + _HEIGHT - _BOTTOM) / 2:g}"
    parts.append(f'<text transform="translate({centre}) rotate(-90)" text-anchor="middle">recall, %</text>')
    for line, kind in zip(chart.lines, _KINDS, strict=False):
        path = " ".join(f"{x:g},{y:g}" for x, y in thinned(line.points))
        parts.append(f'<polyline class="line {kind}" points="{path}"/>')
    for line, kind in zip(chart.lines, _KINDS, strict=False):
        if line.diamond:
            parts.append(_diamond(_x(line.diamond[0]), _y(line.diamond[1]), kind))
        parts.append(_circle(_x(line.circle[0]), _y(line.circle[1]), kind))
    return [*parts, "</g>"]


def _legend(first: str, second: str, circle: str, diamond: str) -> list[str]:
    return [
        f'<polyline class="line first" points="{_LEFT},14 {_LEFT + 24},14"/>',
        f'<text x="{_LEFT + 30}" y="18">{escape(first)}</text>',
        f'<polyline class="line second" points="{_LEFT + 120},14 {_LEFT + 144},14"/>',
        f'<text x="{_LEFT + 150}" y="18">{escape(second)}</text>',
        _circle(_LEFT + 290, 14, "first"),
        f'<text x="{_LEFT + 300}" y="18">{escape(circle)}</text>',
        _diamond(_LEFT + 410, 14, "first"),
        f'<text x="{_LEFT + 422}" y="18">{escape(diamond)}</text>',
    ]


def draw(charts: Sequence[Chart], *, title: str, first: str, second: str, circle: str, diamond: str) -> str:
    """Lay ``charts`` out in two columns under a legend. Raises ``ValueError`` where one has more than two lines.

    Args:
        charts: The panels, row by row. Their axes are false alarms and recall.
        title: What the picture shows, for readers who cannot see it.
        first: What the solid lines are.
        second: What the dashed lines are.
        circle: What a circle marks.
        diamond: What a diamond marks.
    """
    if crowded := [chart.title for chart in charts if len(chart.lines) > len(_KINDS)]:
        msg = f"a chart has at most {len(_KINDS)} lines: {', '.join(crowded)}"
        raise ValueError(msg)
    width, height = _COLUMNS * _WIDTH, _LEGEND + math.ceil(len(charts) / _COLUMNS) * _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        *_legend(first, second, circle, diamond),
    ]
    for index, chart in enumerate(charts):
        parts += _panel(chart, index % _COLUMNS, index // _COLUMNS)
    return "\n".join([*parts, "</svg>"]) + "\n"
