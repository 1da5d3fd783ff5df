"""One document, written twice: as Markdown and as a page of HTML that needs nothing beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardsdk.render import Card, cards, joined, page, paragraph
from guardsdk.render import Section as HtmlSection
from guardsdk.render import table as html_table
from guardsdk.render.markdown import plain
from guardsdk.render.markdown import table as markdown_table
from guardsdk.render.markup import element

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardsdk.render import Markup


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of plain text; nothing in them is markup."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands under it."""

    title: str
    parts: tuple[str | Table, ...]
    """Paragraphs and tables, in order."""


@dataclass(frozen=True, slots=True)
class Document:
    """A whole dossier, before it is written in a form."""

    title: str
    lead: str
    figures: tuple[tuple[str, str, str], ...]
    """Headline figures: label, value, detail."""
    sections: tuple[Section, ...]
    foot: str


def as_markdown(document: Document) -> str:
    """Return the document as Markdown; text of others cannot become structure."""
    lines = [f"# {plain(document.title)}", "", plain(document.lead), ""]
    lines.append(markdown_table(("figure", "value", "of"), [tuple(map(plain, figure)) for figure in document.figures]))
    for section in document.sections:
        lines += [f"## {plain(section.title)}", "", *_markdown_parts(section.parts)]
    lines += ["---", "", plain(document.foot), ""]
    return "\n".join(lines)


def _markdown_parts(parts: Sequence[str | Table]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield from (plain(part), "")
        elif part.rows:
            rows = [tuple(plain(cell) or " " for cell in row) for row in part.rows]
            yield from (f"**{plain(part.caption)}**", "", markdown_table([plain(cell) for cell in part.header], rows))
        else:
            yield from (f"**{plain(part.caption)}**: none.", "")


def as_html(document: Document) -> str:
    """Return the document as one page of HTML."""
    return page(
        title=document.title,
        lead=document.lead,
        opening=[cards([Card(label, value, detail) for label, value, detail in document.figures])],
        sections=[HtmlSection(one.title, [_html_part(part) for part in one.parts]) for one in document.sections],
        foot=document.foot,
    )


def _html_part(part: str | Table) -> Markup:
    if isinstance(part, str):
        return paragraph(part)
    if not part.rows:
        return joined(paragraph(element("strong", part.caption), ": none."))
    return html_table(part.caption, part.header, part.rows)
