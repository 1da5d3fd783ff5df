from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from guardsdk.render import (
    Axis,
    Bar,
    Card,
    Section,
    bullets,
    cards,
    code,
    facts,
    figure,
    heading,
    hidden,
    interval_chart,
    page,
    paragraph,
    quoted,
    table,
    toned,
)
from tests.rendering import CONTRAST, render

if TYPE_CHECKING:
    from pathlib import Path

EVIL = "<img src=http://192.0.2.1/x onerror=alert(1)>\u202e"
LOWEST_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3, level AA."""


def example(evil: str = EVIL) -> str:
    picture = interval_chart(
        title=evil, description=evil, bars=[Bar(evil, 0.3, 0.2, 0.4, "30 %")], axis=Axis("share", words="percent")
    )
    return page(
        title=evil,
        lead=evil,
        opening=[cards([Card(evil, "12 %", evil, "bad"), Card("calm", "1 %", tone="good")])],
        sections=[
            Section(evil, [paragraph(evil, note=True), heading(evil), bullets([evil]), code(evil)]),
            Section(evil, [figure(picture, evil)]),
            Section(
                "Tables", [table(evil, [evil, "n"], [[evil, 3], ["x", 4]], notes=[evil]), facts(evil, {evil: evil})]
            ),
            Section("Texts", [hidden(evil, quoted(evil)), paragraph(toned(evil, "bad"))]),
        ],
        foot=evil,
    )


class _Outline(HTMLParser):
    """Every element, and whether what was opened was closed in order."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name in {"href", "src"} and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(text: str) -> _Outline:
    found = _Outline()
    found.feed(text)
    found.close()
    return found


def test_a_page_is_well_formed_and_links_only_into_itself() -> None:
    found = outline(example())
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids)
    assert found.links
    assert all(link.removeprefix("#") in found.ids for link in found.links)
    assert {"script", "img", "link", "iframe"}.isdisjoint(found.names)


def test_the_same_arguments_make_the_same_page() -> None:
    assert example() == example()


def test_hidden_characters_of_quoted_text_are_written_out() -> None:
    assert "&lt;U+202E&gt;" in quoted(EVIL)
    assert "\u202e" not in quoted(EVIL)


def test_columns_of_figures_stand_to_the_right_and_rows_have_their_length() -> None:
    made = table("t", ["slice", "rate", "word"], [["a", "12.0 [8, 17]", "x"], ["b", "−1", "y"]])  # noqa: RUF001  a minus, as typeset
    assert made.count('class="number"') == 3, "the header and two cells"
    with pytest.raises(ValueError, match="row 1 of the table 't' has 1 cells, its header 2"):
        table("t", ["a", "b"], [["1"]])


def test_few_sections_need_no_contents() -> None:
    assert "<nav" not in page(title="t", lead="l", sections=[Section("one", [])])


@pytest.mark.parametrize(("width", "dark"), [(1100, False), (390, True)])
def test_chromium_shows_it_whole_and_readable_and_loads_nothing(width: int, dark: bool, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(example(), encoding="utf-8")
    seen = render(file, tmp_path / "page.png", width=width, dark=dark, probes={"contrast": CONTRAST})
    assert seen.console == []
    assert seen.requests == []
    assert seen.dark is dark
    assert seen.width <= seen.window, "nothing makes the page scroll sideways"
    lowest, where = seen.probes["contrast"]
    assert lowest >= LOWEST_CONTRAST, where
    assert seen.picture.read_bytes().startswith(b"\x89PNG")
    assert seen.pdf.read_bytes().startswith(b"%PDF")


def test_the_browser_reports_what_a_bad_page_does(tmp_path: Path) -> None:
    file = tmp_path / "bad.html"
    file.write_text(
        "<!DOCTYPE html><title>bad</title><p style='width:3000px;color:#ccc'>pale</p>"
        "<img src='http://192.0.2.1/x.png'><script>console.error('broken')</script>",
        encoding="utf-8",
    )
    seen = render(file, tmp_path / "bad.png", width=600, probes={"contrast": CONTRAST})
    assert any("broken" in said for said in seen.console)
    assert "http://192.0.2.1/x.png" in seen.requests
    assert seen.width > seen.window
    assert seen.probes["contrast"][0] < LOWEST_CONTRAST
