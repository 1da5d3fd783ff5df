# ruff: noqa: RUF001  letters of every script are what is tested
"""Words and their n-grams: every letter belongs to one word, and what is no prose is told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.engine.ngrams import OFFSETS, TABLE_BITS, words_of


def cut(text: str) -> list[str]:
    words = words_of(text)
    return [text[start:end] for start, end in zip(words.starts, words.ends, strict=True)]


def test_words_are_runs_of_letters_of_one_kind() -> None:
    assert cut("Don't say 'déjà vu', Привет42 мир!") == ["Don", "t", "say", "déjà", "vu", "Привет", "мир"]
    assert words_of("abcмир").foreign.tolist() == [False, True]
    assert cut("😀 1234 -- \u2603 🏳️‍🌈") == []
    assert cut("𝐡𝐞𝐥𝐥𝐨 ｈｅｌｌｏ") == ["𝐡𝐞𝐥𝐥𝐨", "ｈｅｌｌｏ"]
    assert words_of("𝐡𝐞𝐥𝐥𝐨 ｈｅｌｌｏ").foreign.all()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("the end.", [True, True]),
        ("end. Start", [True, True]),
        ("foo_bar", [False, False]),
        ("www.example.com", [False, False, False]),
        ("mail me@here", [True, False, False]),
        ("/usr/bin", [False, False]),
        ("camelCase McDonald SHOUTED", [False, False, True]),
        ("h0w", [False, False]),
    ],
)
def test_names_of_machines_are_no_prose(text: str, plain: list[bool]) -> None:
    assert words_of(text).plain.tolist() == plain


def test_a_capital_is_that_of_a_name() -> None:
    assert words_of("Anna met NASA and a B").capital.tolist() == [True, False, False, False, False, False]


def test_ngrams_of_a_word_do_not_depend_on_its_neighbours_or_its_case() -> None:
    alone, among = words_of("walking"), words_of("x, WALKING; äöü")
    assert sorted(alone.buckets) == sorted(among.buckets[among.owners == 1])
    # 0wal to ng0: seven of three, six of four, and the word.
    assert len(alone.buckets) == 7 + 6 + 1
    orders = np.searchsorted(OFFSETS, alone.buckets, side="right") - 1
    assert np.bincount(orders).tolist() == [7, 6, 1]
    assert len(TABLE_BITS) == 3


def test_anagrams_are_different_words() -> None:
    last = OFFSETS[-2]
    assert len({int(bucket) for word in ("listen", "silent", "enlist") for bucket in words_of(word).buckets[-1:]}) == 3
    assert all(words_of(word).buckets[-1] >= last for word in ("listen", "silent", "enlist"))


@given(st.text(max_size=60))
def test_any_text_is_cut_without_loss_or_overlap(text: str) -> None:
    words = words_of(text)
    assert (words.starts < words.ends).all()
    assert (words.ends[:-1] <= words.starts[1:]).all()
    assert ((words.buckets >= 0) & (words.buckets < OFFSETS[-1])).all()
    assert ((words.owners >= 0) & (words.owners < max(1, len(words.starts)))).all()
    inside = {place for start, end in zip(words.starts, words.ends, strict=True) for place in range(start, end)}
    assert all(place in inside for place, character in enumerate(text) if "a" <= character.lower() <= "z")
