from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.windows import covered, windows

sizes = st.integers(1, 300).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


@given(st.integers(0, 5000), sizes)
def test_windows_cover_everything_in_even_sizes_with_the_overlap(length: int, shape: tuple[int, int]) -> None:
    size, overlap = shape
    found = windows(length, size, overlap)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert len({end - start for start, end in found}) == 1
    assert found[0][1] - found[0][0] <= size
    assert all(before[0] < after[0] for before, after in pairwise(found))
    assert all(before[1] - after[0] >= overlap for before, after in pairwise(found))
    assert covered(found) == length


@given(st.integers(1, 3000), sizes)
def test_no_fewer_windows_would_do(length: int, shape: tuple[int, int]) -> None:
    size, overlap = shape
    count = len(windows(length, size, overlap))
    assert count == 1 or (count - 1) * (size - overlap) + overlap < length


def test_a_passage_no_longer_than_the_overlap_is_whole_in_some_window() -> None:
    found = windows(1000, 100, 20)
    for start in range(1000 - 20 + 1):
        assert any(first <= start and start + 20 <= end for first, end in found)


@pytest.mark.parametrize(
    ("length", "size", "overlap", "expected"),
    [
        (0, 10, 3, [(0, 0)]),
        (10, 10, 3, [(0, 10)]),
        (11, 10, 3, [(0, 7), (4, 11)]),
        (24, 10, 3, [(0, 10), (7, 17), (14, 24)]),
    ],
)
def test_known_windows(length: int, size: int, overlap: int, expected: list[tuple[int, int]]) -> None:
    assert windows(length, size, overlap) == expected


@pytest.mark.parametrize(("length", "size", "overlap"), [(5, 0, 0), (5, 3, 3), (5, 3, -1), (-1, 3, 1)])
def test_impossible_windows_are_refused(length: int, size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match="windows need"):
        windows(length, size, overlap)


def test_covered_counts_each_position_once_and_sees_gaps() -> None:
    assert covered([(4, 8), (0, 5), (10, 12), (11, 12)]) == 10
    assert covered([]) == 0
