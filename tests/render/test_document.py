"""A document says the same in both of its forms, and text of strangers becomes structure in neither."""

from __future__ import annotations

import pytest

from guardsdk.render import Card, paragraph
from guardsdk.render.document import Chapter, Document, Listing, Picture, Quotes, Table, as_html, as_markdown

ROWS = (("role play", "worse"), ("other", "no clear change"))


def document(*, folded: int | None = None) -> Document:
    blocks = (
        "A paragraph <i>of</i> text.",
        Listing(("first thing", "second thing")),
        Table("Slices", ("slice", "verdict"), ROWS, ("What it rests on.",)),
        Table("Limits", ("limit", "found"), ()),
        Picture(paragraph("drawn"), "Shown on a page only."),
        Quotes("case-1: answers", (("before", "<b>no</b>\u202e"),)),
    )
    cards = (Card("Harm", "3 %", "was 2 %"),)
    chapter = Chapter("What changed", blocks)
    return Document("Report", "The lead.", (chapter,), "Made here.", cards, folded, {"worse": "bad"})


@pytest.mark.parametrize("form", [as_html, as_markdown])
def test_both_forms_hold_every_word(form: object) -> None:
    assert callable(form)
    written = form(document())
    for word in ("Report", "The lead.", "What changed", "second thing", "role play", "What it rests on.", "3 %"):
        assert word in written
    assert ": none." in written
    assert "Made here." in written
    assert "<i>" not in written
    assert "<b>" not in written
    assert "\u202e" not in written


def test_only_a_page_has_pictures_and_colours() -> None:
    page, text = as_html(document()), as_markdown(document())
    assert "drawn" in page
    assert "drawn" not in text
    assert '<span class="bad">worse</span>' in page
    assert "| role play | worse |" in text


def test_long_tables_are_behind_a_click_where_the_document_says_so() -> None:
    assert "Slices: 2 rows" in as_html(document(folded=1))
    assert "Slices: 2 rows" not in as_html(document(folded=2))
    assert "Slices: 2 rows" not in as_html(document())
