"""Passages hold the whole text, in order, and none is longer than a sentence makes it."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from guardsdk.text.passages import passages

MOST = 40


def shown(text: str, most: int = MOST) -> list[str]:
    return [text[start:end] for start, end in passages(text, most)]


def test_short_sentences_stand_together_and_long_ones_alone() -> None:
    text = 'It rains. We stay in. She said "go" and the whole town went to look at the river. Why?'
    assert shown(text) == [
        "It rains. We stay in.",
        'She said "go" and the whole town went to look at the river.',
        "Why?",
    ]


def test_lines_end_a_sentence_too() -> None:
    assert shown("Dear all\n\n  the room is booked for Tuesday\n- bring the plans\n", 30) == [
        "Dear all",
        "the room is booked for Tuesday",
        "- bring the plans",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\u4eca\u5929\u4e0b\u96e8\u3002\u6211\u4eec\u5f85\u5728\u5bb6\u91cc\u3002",
        "\u0906\u091c \u092c\u093e\u0930\u093f\u0936\u0964 \u0939\u092e \u0918\u0930 \u092e\u0947\u0902\u0964",
    ],
)
def test_other_scripts_have_other_stops(text: str) -> None:
    assert len(shown(text, 10)) == 2


def test_what_has_no_stop_is_cut_between_words() -> None:
    words = "a rather long list of words without any stop " * 4
    found = shown(words)
    assert all(len(part) <= 2 * MOST for part in found)
    assert " ".join(found).split() == words.split()
    assert shown("x" * 200) == ["x" * 40, "x" * 40, "x" * 40, "x" * 80]


def test_runs_that_are_too_short_go_on_and_the_last_joins_the_one_before() -> None:
    text = "Install it.\nRun the server with the port that you were given.\nThen wait.\nOpen the page.\nDone.\n"
    assert [text[start:end] for start, end in passages(text, 20, 30)] == [
        "Install it.\nRun the server with the port that you were given.",
        "Then wait.\nOpen the page.\nDone.",
    ]
    assert [text[start:end] for start, end in passages(text, 20, 200)] == [text.strip()]
    longer = passages(text * 9, 20, 100)
    assert all(end - start >= 100 for start, end in longer)
    assert len(longer) == 7


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_of_nothing_there_is_nothing(text: str) -> None:
    assert passages(text, MOST) == []


def test_nothing_is_left_out_and_nothing_twice() -> None:
    chance = random.Random(5)
    for _ in range(300):
        text = "".join(chance.choices(["word", " ", "a", ".", "!", "\n", ". ", "\u3002", '"', "?", "looooong"], k=60))
        ranges = passages(text, MOST)
        assert all(start < end for start, end in ranges)
        assert all(one[1] <= other[0] for one, other in pairwise(ranges))
        assert "".join("".join(shown(text)).split()) == "".join(text.split())
        assert all(end - start <= 2 * MOST for start, end in ranges)


def test_a_long_sentence_is_cut_between_words_and_no_part_begins_with_the_space() -> None:
    text = " ".join(["word"] * 200)
    found = shown(text)
    assert " ".join(found) == text
    assert all(part == part.strip() for part in found)
