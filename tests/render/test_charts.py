from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardsdk.render import (
    Axis,
    Bar,
    Counts,
    Layer,
    Limit,
    Series,
    Spot,
    histogram,
    interval_chart,
    line_chart,
    stacked_area,
    standalone,
)
from guardsdk.render.axes import placed, worded

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.render import Markup

SVG = "{http://www.w3.org/2000/svg}"
anything = st.floats(allow_nan=True, allow_infinity=True)


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314  our own output


def lines(points: list[tuple[float, float]], **more: object) -> Markup:
    series = [Series("one", points)]
    return line_chart(title="t", description="d", series=series, x=Axis("x"), y=Axis("y"), **more)  # type: ignore[arg-type]


def bars(*given: Bar, filled: bool = True) -> Markup:
    return interval_chart(title="t", description="d", bars=given, axis=Axis("share"), filled=filled)


PICTURES: dict[str, Callable[[str], Markup]] = {
    "lines": lambda said: line_chart(
        title=said,
        description=said,
        series=[Series(said, [(0, 0), (1, 1)], band=[(0, 0, 0.2), (1, 0.8, 1)], marks=[Spot(0.5, 0.5, said)])],
        x=Axis(said),
        y=Axis(said),
        limits=[Limit(0.5, said)],
    ),
    "bars": lambda said: interval_chart(
        title=said,
        description=said,
        bars=[Bar(said, 0.5, 0.4, 0.6, said, "bad"), Bar("none", math.nan)],
        axis=Axis(said),
        reference=Limit(0.2, said),
    ),
    "histogram": lambda said: histogram(
        title=said,
        description=said,
        edges=[0, 1, 2],
        series=[Counts(said, [3, 4]), Counts(said, [1, 1])],
        axis=Axis(said),
        limits=[Limit(1.5, said)],
    ),
    "areas": lambda said: stacked_area(
        title=said,
        description=said,
        at=[0, 60, 120],
        layers=[Layer(said, [1, 2, 3]), Layer("other", [1, 0, 1])],
        x=Axis(said, scale="time"),
        y=Axis(said),
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_valid_accessible_and_the_same_each_time(name: str) -> None:
    said = 'a <b> & "c" \x00 longer than most labels are, to be cut'
    picture = PICTURES[name](said)
    tree = parsed(picture)
    assert picture == PICTURES[name](said)
    assert tree.get("role") == "img"
    named = [tree.find(f".//*[@id='{key}']") for key in (tree.get("aria-labelledby") or "").split()]
    assert [found.tag for found in named if found is not None] == [f"{SVG}title", f"{SVG}desc"]
    assert all(found is not None and found.text == said.replace("\x00", "\ufffd") for found in named)
    assert "nan" not in picture
    assert "<script" not in picture
    assert not re.search(r"(?<!xmlns=\")https?:", picture)


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_alone_carries_its_colours(name: str) -> None:
    tree = parsed(standalone(PICTURES[name]("x")))
    assert "prefers-color-scheme: dark" in (tree.findtext(f"{SVG}style") or "")


@settings(max_examples=40)
@given(st.lists(st.tuples(anything, anything), max_size=8))
def test_lines_are_drawn_whatever_the_figures_are(points: list[tuple[float, float]]) -> None:
    picture = lines(points)
    parsed(picture)
    assert not re.search(r'[" ](nan|-?inf)', picture)


@settings(max_examples=40)
@given(st.lists(st.tuples(anything, anything, anything), max_size=6), st.booleans())
def test_bars_are_drawn_whatever_the_figures_are(rows: list[tuple[float, float, float]], filled: bool) -> None:
    picture = bars(*(Bar("bar", *row) for row in rows), filled=filled)
    parsed(picture)
    assert not re.search(r'[" ](nan|-?inf)', picture)


def test_a_line_goes_where_its_figures_say_and_breaks_at_a_gap() -> None:
    picture = lines([(0, 0), (1, 1), (2, math.nan), (3, 0), (4, 1)])
    drawn = [path.get("d") for path in parsed(picture).iter(f"{SVG}path") if "line" in (path.get("class") or "")]
    assert len(drawn) == 2
    places = [tuple(map(float, point.split())) for point in re.split("[ML]", drawn[0] or "")[1:]]
    assert places[0][0] < places[1][0]
    assert places[0][1] > places[1][1], "greater values are higher up"


def test_without_figures_a_picture_says_so() -> None:
    assert "no figures" in lines([])
    assert "no figures" in bars()
    assert "no figures" in histogram(
        title="t", description="d", edges=[0, 1], series=[Counts("c", [0])], axis=Axis("x")
    )
    assert "no figures" in stacked_area(title="t", description="d", at=[], layers=[], x=Axis("x"), y=Axis("y"))


def test_bars_of_negative_values_reach_to_zero() -> None:
    tree = parsed(bars(Bar("down", -2.0), Bar("up", 1.0)))
    down, up = [box for box in tree.iter(f"{SVG}rect") if "bar" in (box.get("class") or "")]
    zero = float(up.get("x") or "nan")
    assert float(down.get("x") or "nan") + float(down.get("width") or "nan") == pytest.approx(zero, abs=0.2)
    assert float(down.get("width") or "nan") == pytest.approx(2 * float(up.get("width") or "nan"), abs=0.2)


def test_what_cannot_be_drawn_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="at most 6 series"):
        line_chart(title="t", description="d", series=[Series("s", [(0, 0)])] * 7, x=Axis("x"), y=Axis("y"))
    with pytest.raises(ValueError, match="each greater than the one before"):
        histogram(title="t", description="d", edges=[0, 0], series=[], axis=Axis("x"))
    with pytest.raises(ValueError, match="'now' has 1 counts for 2 bins"):
        histogram(title="t", description="d", edges=[0, 1, 2], series=[Counts("now", [1])], axis=Axis("x"))
    with pytest.raises(ValueError, match="'now' must have one value"):
        stacked_area(title="t", description="d", at=[0, 1], layers=[Layer("now", [1, -1])], x=Axis("x"), y=Axis("y"))
    with pytest.raises(ValueError, match="logarithmic axis 'rate' must begin above 0"):
        placed(Axis("rate", low=0.0, scale="log"), [0.5], 0, 1)
    with pytest.raises(ValueError, match="ends at 1, before it begins at 2"):
        placed(Axis("rate", low=2, high=1), [], 0, 1)


def test_ticks_are_round_and_inside() -> None:
    assert placed(Axis("share", 0, 1), [], 0, 100).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    log = placed(Axis("rate", 0.001, 1.0, "log"), [], 0, 100)
    assert log.ticks() == pytest.approx([0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
    assert log.at(0.0001) == log.at(0.001) == 0
    assert log.at(1.0) == pytest.approx(100)
    days = placed(Axis("UTC", scale="time"), [1_790_000_000, 1_790_000_000 + 10 * 86400], 0, 1)
    assert [days.word(tick) for tick in days.ticks()][:2] == ["2026-09-22", "2026-09-24"]


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_an_axis_holds_its_figures(one: float, two: float) -> None:
    axis = placed(Axis("x"), [one, two], 0, 100)
    slack = 1e-9 * max(abs(one), abs(two), 1.0)
    assert axis.low - slack <= min(one, two) <= max(one, two) <= axis.high + slack
    assert len(axis.ticks()) <= 12


@pytest.mark.parametrize(
    ("value", "words", "written"),
    [
        (0.1234, "percent", "12.34 %"),
        (0.02, "points", "+2 pp"),
        (-0.02, "points", "\u22122 pp"),
        (0.0, "points", "0 pp"),
        (0.1 + 0.2, "number", "0.3"),
        (0.0, "time", "1970-01-01 00:00 UTC"),
        (math.nan, "percent", "n/a"),
    ],
)
def test_figures_in_words(value: float, words: str, written: str) -> None:
    assert worded(value, words) == written  # type: ignore[arg-type]
