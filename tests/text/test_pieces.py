from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.pieces import parting, pieces


@given(st.text(alphabet="ab1 \n.-é世\u0301€", max_size=400), st.integers(8, 60), st.none() | st.integers(1, 20))
def test_pieces_join_up_to_the_text_and_respect_both_limits(text: str, size: int, longest: int | None) -> None:
    cuts = pieces(text, size, longest)
    assert cuts[0][0] == 0
    assert cuts[-1][1] == len(text)
    assert all(before[1] == after[0] for before, after in pairwise(cuts))
    parts = [text[start:end] for start, end in cuts]
    assert all(0 < len(part) <= size for part in parts) or text == ""
    if longest is not None:
        runs = ["".join(" " if c in ".-" else c for c in part).split() for part in parts]
        assert all(len(word) <= longest for words in runs for word in words)


def test_long_text_is_cut_after_white_space() -> None:
    text = "word " * 100
    cuts = pieces(text, 64)
    assert len(cuts) > 1
    assert all(text[end - 1] == " " for _, end in cuts)


def test_ordinary_text_is_one_piece() -> None:
    assert pieces("An ordinary sentence.", 64, 20) == [(0, 21)]
    assert pieces("", 64, 20) == [(0, 0)]


def test_a_word_that_is_too_long_is_cut_and_its_neighbours_stay_whole() -> None:
    text = f"see {'x' * 25} there"
    assert [text[a:b] for a, b in pieces(text, 1000, 10)] == ["see ", "x" * 10, "x" * 10, "x" * 5, " there"]


def test_marks_and_symbols_do_not_hide_a_long_word() -> None:
    word = "a\u0332€" * 20
    assert [end - start for start, end in pieces(word, 1000, 50)] == [50, 10]


@pytest.mark.parametrize(
    ("text", "parted"),
    [
        ("hi\u16a0\u16a1ho a\u16a0", "hi~~ho a~"),
        ("\u16a0\u00e9\u16a0", "~\u00e9~"),
        ("\u16a0\u1780 \u16a0, ok", "\u16a0\u1780 \u16a0, ok"),
        ("\u201cYes\u201d \u2013 caf\u00e9\u20ac", "\u201cYes\u201d \u2013 caf\u00e9\u20ac"),
        ("", ""),
    ],
)
def test_what_hides_a_word_parts_it_where_it_has_latin_letters(text: str, parted: str) -> None:
    assert parting(text, lambda character: character in "\u16a0\u16a1") == parted
