"""A format-independent report: its content, chapter by chapter, rendered as an HTML page or as Markdown.

Both formats have the same content, except that only the page has pictures. All text in a document is plain, without
markup.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from guardsdk import render
from guardsdk.render import markdown
from guardsdk.render.markup import element

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from guardsdk.render.markup import Markup


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells. One without rows is rendered as a line that says so."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, whose content is always also in a table next to it."""

    drawn: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Quotes:
    """Third-party text, collapsed until clicked."""

    title: str
    texts: tuple[tuple[str, str], ...]
    """Title and text of each."""


Block = str | Listing | Table | Picture | Quotes
"""The content of a chapter; a string is a paragraph."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading and its content."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A complete report."""

    title: str
    lead: str
    chapters: Sequence[Chapter]
    foot: str
    cards: Sequence[render.Card] = ()
    """Headline figures."""
    folded: int | None = None
    """Longer tables are collapsed until clicked; ``None`` shows all of them."""
    tones: Mapping[str, render.Tone] = field(default_factory=dict)
    """Colours of values in the last column of a table."""


def as_html(document: Document) -> str:
    """Return the document as a self-contained page."""
    return render.page(
        title=document.title,
        lead=document.lead,
        opening=[render.cards(document.cards)] if document.cards else [],
        sections=[
            render.Section(chapter.title, [_on_page(block, document) for block in chapter.blocks])
            for chapter in document.chapters
        ],
        foot=document.foot,
    )


def _on_page(block: Block, document: Document) -> Markup:
    match block:
        case str():
            return render.paragraph(block)
        case Listing(items):
            return render.bullets(items)
        case Table(caption, rows=()):
            return render.paragraph(element("strong", caption), ": none.")
        case Table(caption, header, rows, notes):
            table = render.table(caption, header, [_coloured(row, document.tones) for row in rows], notes=notes)
            long = document.folded is not None and len(rows) > document.folded
            return render.hidden(f"{caption}: {len(rows)} rows", table) if long else table
        case Picture(drawn, caption):
            return render.figure(drawn, caption)
        case Quotes(title, texts):
            return render.hidden(
                title, *(part for name, text in texts for part in (render.heading(name), render.quoted(text)))
            )
        case _:
            assert_never(block)


def _coloured(row: Sequence[str], tones: Mapping[str, render.Tone]) -> list[str]:
    return [*row[:-1], render.toned(row[-1], tones[row[-1]]) if row[-1] in tones else row[-1]]


def as_markdown(document: Document) -> str:
    """Return the document as Markdown; third-party text cannot become structure."""
    parts = [f"# {markdown.plain(document.title)}", markdown.plain(document.lead)]
    if document.cards:
        cards = tuple((card.label, card.value, card.detail) for card in document.cards)
        parts.append(_table(("figure", "value", "of"), cards))
    for chapter in document.chapters:
        parts.append(f"## {markdown.plain(chapter.title)}")
        parts += [text for block in chapter.blocks for text in _in_markdown(block)]
    return "\n\n".join([*parts, "---", markdown.plain(document.foot)]) + "\n"


def _in_markdown(block: Block) -> Iterator[str]:
    match block:
        case str():
            yield markdown.plain(block)
        case Listing(items):
            yield "\n".join(f"- {markdown.plain(item)}" for item in items)
        case Table(caption, rows=()):
            yield f"**{markdown.plain(caption)}**: none."
        case Table(caption, header, rows, notes):
            yield f"**{markdown.plain(caption)}**"
            yield _table(header, rows)
            yield from map(markdown.plain, notes)
        case Picture():
            pass
        case Quotes(title, texts):
            said = "\n\n".join(f"{markdown.plain(name)}: {markdown.plain(text)}" for name, text in texts)
            yield f"<details><summary>{markdown.plain(title)}</summary>\n\n{said}\n\n</details>"
        case _:
            assert_never(block)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [[markdown.plain(cell) or " " for cell in row] for row in (header, *rows)]
    return markdown.table(cells[0], cells[1:]).rstrip("\n")
