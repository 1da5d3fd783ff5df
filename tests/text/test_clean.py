from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.clean import clean

any_text = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\x00b", "a\ufffdb"),
        ("\ud800x", "\ufffdx"),
        ("x\udfff", "x\ufffd"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("page\x0cpage\x0bline\x1cfile\x1fitem\x85next", "page page line file item next"),
        ("tabs\tand\nlines stay \u200b too", "tabs\tand\nlines stay \u200b too"),
        ("\x1b[1;31mred\x1b[0m \x1b[38;2;10;20;30mrgb\x1b(B\x1b[m", " " * 7 + "red" + " " * 21 + "rgb" + " " * 6),
        (r"\u001b[31mred\x1b[0m \033[1mbold\e[m", " " * 10 + "red" + " " * 15 + "bold" + " " * 4),
        (r"re.sub(r'\x1b\[[0-9;]*m', C:\e[dit])", r"re.sub(r'\x1b\[[0-9;]*m', C:\e[dit])"),
    ],
)
def test_unusable_characters_are_replaced_one_for_one(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(any_text)
def test_every_character_keeps_its_place_and_the_result_can_be_encoded(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) == len(text)
    assert "\x00" not in cleaned
    cleaned.encode("utf-8")
    assert all(new in (old, " ", "\ufffd") for old, new in zip(text, cleaned, strict=True))
    if not set(text) & set("\\\x1b\x9b"):  # no orders to a terminal
        assert all(new in (old, " " if old.isspace() else "\ufffd") for old, new in zip(text, cleaned, strict=True))
    assert clean(cleaned) == cleaned


def test_a_usable_text_is_not_copied() -> None:
    text = "Grüße, 世界 " * 10
    assert clean(text) is text
