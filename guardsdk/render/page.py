"""A self-contained HTML page: no scripts, fonts or network, enforced by its content security policy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from guardsdk.render.markup import Markup, element, escaped, joined, visible
from guardsdk.render.style import CHART, PAGE, THEME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Tone = Literal["good", "bad", "plain"]
Cell = str | float | int
"""The content of a table cell: text, or an unformatted number."""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
OPENING: Final = (
    '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
    f'<meta http-equiv="Content-Security-Policy" content="{escaped(_POLICY)}">'
)
"""The beginning of every page."""
_TAG: Final = re.compile(r"<[^>]*>")
_NUMBER: Final = re.compile(r"$|[<>\u2264\u2265+\u2212-]?\s?\.?\d|n/a$|nan$|\u2013$")
"""How a figure begins (less, more, plus, minus), or what stands for a missing one."""
_FEW: Final = 3
"""With at most so many sections, a page needs no table of contents."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its content."""

    title: str
    parts: Sequence[Markup]


@dataclass(frozen=True, slots=True)
class Card:
    """A headline figure."""

    label: str
    value: str
    detail: str = ""
    """Its interval, or its previous value."""
    tone: Tone = "plain"


def page(*, title: str, lead: str, sections: Sequence[Section], opening: Sequence[Markup] = (), foot: str = "") -> str:
    """Return the whole document, deterministically.

    Args:
        title: Of the page and its first heading.
        lead: One or two sentences below it that summarise the page.
        sections: In reading order; more than three get a table of contents.
        opening: Content between the lead and the first section, such as ``cards``.
        foot: What made the page, and from what.
    """
    anchors = _anchors([section.title for section in sections])
    body = [element("h1", title), element("p", lead, attributes={"class": "lead"})]
    if len(sections) > _FEW:
        links = [
            element("li", element("a", section.title, attributes={"href": f"#{anchor}"}))
            for section, anchor in zip(sections, anchors, strict=True)
        ]
        body.append(element("nav", element("ul", *links), attributes={"aria-label": "Contents"}))
    body += opening
    for section, anchor in zip(sections, anchors, strict=True):
        heading = element("h2", section.title, attributes={"id": f"{anchor}-title"})
        attributes = {"id": anchor, "aria-labelledby": f"{anchor}-title"}
        body.append(element("section", heading, *section.parts, attributes=attributes))
    if foot:
        body.append(element("footer", foot))
    head = (
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{escaped(title)}</title>"
        f"<style>{THEME}{PAGE}{CHART}</style>"
    )
    lines = "\n".join(body)
    return f"{OPENING}{head}</head>\n<body>\n<main>\n{lines}\n</main>\n</body>\n</html>\n"


def _anchors(titles: Sequence[str]) -> list[str]:
    """Return unique anchor names."""
    taken: dict[str, int] = {}
    names = []
    for title in titles:
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}-{taken[name]}")
    return names


def paragraph(*parts: str, note: bool = False) -> Markup:
    """Return a paragraph, in smaller print where it is a ``note``."""
    return element("p", *parts, attributes={"class": "note" if note else None})


def heading(text: str) -> Markup:
    """Return a heading inside a section."""
    return element("h3", text)


def bullets(items: Sequence[str]) -> Markup:
    """Return a list."""
    return element("ul", *(element("li", item) for item in items))


def code(text: str) -> Markup:
    """Return ``text`` as code."""
    return element("code", text)


def toned(text: str, tone: Tone) -> Markup:
    """Return ``text`` in the colour of ``tone``. The words must say it too, as not everybody sees the colour."""
    return element("span", text, attributes={"class": tone})


def quoted(text: str) -> Markup:
    """Return third-party text as a block, with hidden characters written out and its direction isolated."""
    return element("pre", visible(text), attributes={"dir": "auto"})


def hidden(summary: str, *parts: str) -> Markup:
    """Return ``parts`` collapsed under ``summary``."""
    return element("details", element("summary", summary), *parts)


def figure(picture: Markup, caption: str = "") -> Markup:
    """Return a picture with a caption; it scrolls if the window is too narrow."""
    below = [element("figcaption", caption)] if caption else []
    return element("figure", _scrolling(picture, caption or "picture"), *below)


def cards(items: Sequence[Card]) -> Markup:
    """Return headline figures side by side."""
    return element(
        "div",
        *(
            element(
                "div",
                element("span", item.label),
                element("span", item.value, attributes={"class": "value"}),
                element("span", item.detail, attributes={"class": "detail"}),
                attributes={"class": f"card {item.tone}"},
            )
            for item in items
        ),
        attributes={"class": "cards"},
    )


def facts(caption: str, pairs: Mapping[str, Cell]) -> Markup:
    """Return a table of two columns without a header: name and value."""
    rows = [
        element("tr", element("th", name, attributes={"scope": "row"}), element("td", _cell(value)))
        for name, value in pairs.items()
    ]
    return _scrolling(element("table", element("caption", caption), element("tbody", *rows)), caption)


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[Cell]], *, notes: Sequence[str] = ()) -> Markup:
    """Return a table; columns whose every cell is a number, or begins like one, are right-aligned.

    The first column names its row. Raises ``ValueError`` if a row is not as long as the header.
    """
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            msg = f"row {number} of the table {caption!r} has {len(row)} cells, its header {len(header)}"
            raise ValueError(msg)
    texts = [[_cell(cell) for cell in row] for row in rows]
    numeric = [bool(texts) and all(_numeric(row[column]) for row in texts) for column in range(len(header))]
    classes = [{"class": "number"} if numeric[column] and column else {} for column in range(len(header))]
    head = [element("th", name, attributes={"scope": "col"} | kind) for name, kind in zip(header, classes, strict=True)]
    body = [
        element(
            "tr",
            element("th", row[0], attributes={"scope": "row"}),
            *(element("td", cell, attributes=kind) for cell, kind in zip(row[1:], classes[1:], strict=True)),
        )
        for row in texts
    ]
    whole = element(
        "table", element("caption", caption), element("thead", element("tr", *head)), element("tbody", *body)
    )
    return joined(_scrolling(whole, caption), *(paragraph(note, note=True) for note in notes))


def _scrolling(inside: Markup, label: str) -> Markup:
    """Wrap content that may be wider than the window; it scrolls by keyboard too, so it has a label."""
    return element("div", inside, attributes={"class": "wide", "tabindex": "0", "role": "group", "aria-label": label})


def _cell(cell: Cell) -> str:
    return cell if isinstance(cell, str) else f"{cell:,}" if isinstance(cell, int) else f"{cell:.4g}"


def _numeric(cell: str) -> bool:
    shown = _TAG.sub("", cell) if isinstance(cell, Markup) else cell
    return _NUMBER.match(shown.strip()) is not None
