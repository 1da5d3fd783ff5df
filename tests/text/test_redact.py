"""Redaction leaves nothing of a passage and everything around it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.redact import is_written, redact, redact_pieces

Cases = tuple[str, list[tuple[int, int, str]]]


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([], "0123456789"),
        ([(2, 4, "[A]")], "01[A]456789"),
        ([(8, 10, "[B]"), (0, 2, "[A]")], "[A]234567[B]"),
        ([(2, 4, "[A]"), (4, 6, "[B]")], "01[A][B]6789"),
        ([(2, 5, "[A]"), (4, 8, "[B]")], "01[A]89"),
        ([(2, 4, "[B]"), (2, 8, "[A]")], "01[A]89"),
        ([(3, 4, "[B]"), (2, 8, "[A]"), (7, 9, "[C]")], "01[A]9"),
        ([(0, 10, "")], ""),
    ],
)
def test_passages_are_replaced_in_place(edits: list[tuple[int, int, str]], expected: str) -> None:
    assert redact("0123456789", edits) == expected


@pytest.mark.parametrize("edit", [(-1, 2, ""), (2, 2, ""), (5, 3, ""), (9, 11, "")])
def test_a_passage_that_is_not_in_the_text_is_refused(edit: tuple[int, int, str]) -> None:
    with pytest.raises(ValueError, match="no passage"):
        redact("0123456789", [edit])


def test_a_passage_over_several_pieces_is_written_once() -> None:
    assert redact_pieces(["my key is s", "k-1", "", "23, ok"], [(10, 17, "[S]")]) == ["my key is [S]", "", "", " ok"]
    assert redact_pieces(["ab", "cd"], [(2, 4, "[S]")]) == ["ab", "[S]"]
    assert redact_pieces([], []) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[SECRET_1]", True),
        ("[PERSONAL_DATA_12_9F3C2A17]", True),
        ("[SECRET]", True),
        ("******", True),
        ("SECRET_1", False),
        ("[secret_1]", False),
        ("[AKIAIOSFODNN7ABCDEFG", False),
        ("sk-1[SECRET_1]", False),
        ("", False),
    ],
)
def test_what_redaction_writes_is_known_from_values(text: str, *, expected: bool) -> None:
    assert is_written(f"={text};", 1, 1 + len(text)) is expected


def test_only_a_numbered_marker_shields_what_is_inside_it() -> None:
    """A key of letters in brackets must not pass for a marker."""
    assert is_written("[SECRET_1]", 1, 9)
    assert not is_written("[AKIAABCDEFGHIJKLMNOP]", 1, 21)


@st.composite
def cases(draw: st.DrawFn) -> Cases:
    text = draw(st.text(min_size=1, max_size=40))
    starts = draw(st.lists(st.integers(0, len(text) - 1), max_size=6))
    return text, [
        (start, draw(st.integers(start + 1, len(text))), f"<{number}>") for number, start in enumerate(starts)
    ]


@given(case=cases())
def test_what_stays_is_every_character_outside_the_passages(case: Cases) -> None:
    text, edits = case
    inside = {place for start, end, _ in edits for place in range(start, end)}
    blanked = redact(text, [(start, end, "") for start, end, _ in edits])
    assert blanked == "".join(letter for place, letter in enumerate(text) if place not in inside)


@given(case=cases(), cuts=st.lists(st.integers(0, 40), max_size=6))
def test_pieces_put_together_are_the_redacted_text(case: Cases, cuts: list[int]) -> None:
    text, edits = case
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    redacted = redact_pieces(pieces, edits)
    assert "".join(redacted) == redact(text, edits)
    assert len(redacted) == len(pieces)
