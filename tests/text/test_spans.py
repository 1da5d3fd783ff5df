"""Ranges of characters: which become one, and that none is lost."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.spans import merged

spans = st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda one: (one[0], one[0] + one[1]))


def test_spans_that_overlap_become_one_and_those_that_touch_do_not() -> None:
    assert merged([(3, 9), (0, 5), (20, 22), (9, 12)]) == ((0, 9), (9, 12), (20, 22))


def test_spans_that_touch_become_one_where_that_is_asked_for() -> None:
    assert merged([(9, 12), (0, 9), (13, 14)], touching=True) == ((0, 12), (13, 14))


@given(st.lists(spans))
def test_merged_spans_are_in_order_apart_and_cover_the_same_characters(given_spans: list[tuple[int, int]]) -> None:
    found = merged(given_spans)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    assert {at for span in found for at in range(*span)} == {at for span in given_spans for at in range(*span)}
