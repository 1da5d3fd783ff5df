"""Edits of a text, and the way back to the characters they replaced."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.undo import Undone, undo


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Undone]]:
    """A text and edits of it, in order and apart from each other."""
    text = draw(st.text(max_size=40))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    edits = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        if start == end:
            continue
        if draw(st.booleans()):
            edits.append(Undone(start, end, "x" * (end - start), "aligned", aligned=True))
        else:
            edits.append(Undone(start, end, draw(st.text(max_size=5)), "loose"))
    return text, edits


@given(edited())
def test_every_character_leads_back_into_the_text_and_the_way_back_keeps_the_order(
    made: tuple[str, list[Undone]],
) -> None:
    text, edits = made
    new, layer = undo(text, edits)
    ranges = [layer.back(at, at + 1) for at in range(len(new))]
    assert all(0 <= start < end <= len(text) for start, end in ranges)
    assert ranges == sorted(ranges)
    for start in range(len(new)):
        for end in range(start + 1, len(new) + 1):
            assert layer.back(start, end) == (ranges[start][0], ranges[end - 1][1])


@given(edited())
def test_what_no_edit_touched_leads_back_to_itself(made: tuple[str, list[Undone]]) -> None:
    text, edits = made
    new, layer = undo(text, edits)
    replaced = {at for start, end in layer.changed() for at in range(start, end)}
    for at in set(range(len(new))) - replaced:
        start, end = layer.back(at, at + 1)
        assert text[start:end] == new[at]


def test_an_aligned_edit_leads_back_character_by_character_and_another_as_a_whole() -> None:
    new, layer = undo(
        "say uryyb SGVsbG8= now", [Undone(4, 9, "hello", "rot13", aligned=True), Undone(10, 18, "Hello", "b")]
    )
    assert new == "say hello Hello now"
    assert layer.back(5, 7) == (5, 7)
    assert layer.back(11, 12) == (10, 18)
    assert layer.back(0, len(new)) == (0, 22)
    assert layer.kinds(0, len(new)) == ["rot13", "b"]
    assert layer.kinds(10, 11) == ["b"]
    assert layer.kinds(0, 3) == []
