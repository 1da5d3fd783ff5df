from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.render import markdown
from guardsdk.render.markup import Markup, element, escaped, joined, short, visible


@given(st.text())
def test_any_text_becomes_valid_xml_that_shows_it(text: str) -> None:
    tree = ET.fromstring(element("p", text, attributes={"title": text}))  # noqa: S314  our own output
    assert len(tree) == 0
    assert not any(char in (tree.text or "") for char in "\x00\x08\x1b\ufffe")


def test_text_is_escaped_once_and_markup_is_left_alone() -> None:
    inner = element("b", "<i>&\"'")
    assert inner == "<b>&lt;i&gt;&amp;&quot;&#x27;</b>"
    assert joined(inner, "<") == inner + "&lt;"
    assert escaped(inner) is inner


def test_markup_that_was_changed_is_text_again() -> None:
    changed = Markup("<b>") + "<script>"
    assert escaped(changed) == "&lt;b&gt;&lt;script&gt;"


def test_an_attribute_cannot_be_left_and_a_missing_one_is_not_written() -> None:
    assert element("a", attributes={"href": '"><script>', "id": None, "x": 1.25}) == (
        '<a href="&quot;&gt;&lt;script&gt;" x="1.2"></a>'
    )


@pytest.mark.parametrize(
    ("number", "written"), [(1.0, "1"), (-0.01, "0"), (2.55, "2.5"), (100, "100"), (-3.14, "-3.1")]
)
def test_coordinates_are_short(number: float, written: str) -> None:
    assert short(number) == written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("a\u202eb", "a<U+202E>b"),
        ("a\u200bb", "a<U+200B>b"),
        ("\x1b[2J", "<U+001B>[2J"),
        ("\U000e0041", "<U+E0041>"),
        ("é漢🙂", "é漢🙂"),
    ],
)
def test_what_hides_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_text_in_markdown_is_no_structure() -> None:
    assert markdown.plain("a|b\n# [x](y) <b> `c`") == r"a\|b \# \[x\]\(y\) \<b\> \`c\`"
    assert markdown.plain("- no-orders on 2026-11-26") == r"\- no-orders on 2026-11-26"
    assert markdown.plain("---") == r"\-\-\-"


def test_a_markdown_table() -> None:
    made = markdown.table(["slice", "rate"], [["one", "1.0"]])
    assert made == "| slice | rate |\n| --- | --- |\n| one | 1.0 |\n"
    with pytest.raises(ValueError, match="row 2 of the table has 1 cells, its header 2"):
        markdown.table(["a", "b"], [["1", "2"], ["3"]])
