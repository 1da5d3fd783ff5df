"""Values that are changed wherever they stand: which of them where, and how much work that is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from guardsdk.calling.redaction import Changes
from guardsdk.text.json_strings import spellings

if TYPE_CHECKING:
    from typing import SupportsIndex

LETTERS = 'ab\\"'
FEWEST = 4


class Counted(str):  # noqa: SLOT000  it counts
    """A string that counts the characters that are copied out of it."""

    copied = 0

    def __getitem__(self, at: SupportsIndex | slice) -> str:
        part = super().__getitem__(at)
        self.copied += len(part)
        return part


def copied(changes: Changes, text: str) -> int:
    """Return how many characters were copied to find the values in ``text``."""
    string = Counted(text)
    changes(string)
    return string.copied


@given(st.lists(st.text(LETTERS, max_size=9), max_size=8), st.text(LETTERS, max_size=60))
def test_at_each_place_the_longest_value_is_changed_and_nothing_in_it(values: list[str], text: str) -> None:
    changes = Changes()
    written: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for number, value in enumerate(values):
        changes.value(value, f"[{number}]")
        if len(value) >= FEWEST:
            written.setdefault(value, f"[{number}]")
            for form in spellings(value):
                spelled.setdefault(form, f"[{number}]")
    known = {form: instead for form, instead in (spelled | written).items() if len(form) >= FEWEST}
    expected, at = [], 0
    while at < len(text):
        here = max((form for form in known if text.startswith(form, at)), key=len, default="")
        expected += [(at, at + len(here), known[here])] if here else []
        at += len(here) or 1
    assert changes(text) == expected
    assert all(one[1] <= other[0] for one, other in pairwise(expected))


def test_values_of_many_lengths_that_begin_alike_are_no_more_work_than_one() -> None:
    """A prompt may be full of keys, and of what keys begin with."""
    text = "-----BEGIN" * 200
    one, many = Changes(), Changes()
    longest = "-----BEGIN PRIVATE KEY-----" + "b" * 1_000
    one.value(longest, "[KEY]")
    for size in range(300, len(longest) + 1, 7):
        many.value(longest[: size - 1] + "a", "[KEY]")
    many.value(longest, "[KEY]")
    assert copied(many, text) == copied(one, text)
