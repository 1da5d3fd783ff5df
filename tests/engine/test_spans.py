from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.engine.spans import passage, whole_words


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60))
def test_the_passage_holds_half_the_mass_and_nothing_shorter_does(values: list[float]) -> None:
    weights = np.array(values, dtype=np.float32)
    start, end = passage(weights)
    assert 0 <= start < end <= len(values)
    total = float(weights.astype(np.float64).sum())
    sums = np.concatenate(([0.0], np.cumsum(weights, dtype=np.float64)))
    assert sums[end] - sums[start] >= total / 2 * (1 - 1e-6)
    shorter = end - start - 1
    if total > 0 and shorter:
        assert (sums[shorter:] - sums[:-shorter]).max() <= total / 2 * (1 + 1e-6)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([0.1, 0.8, 0.1], (1, 2)), ([0.3, 0.2, 0.1, 0.4], (0, 2)), ([0.0, 0.0], (0, 2)), ([0.25] * 4, (0, 2))],
)
def test_known_passages(weights: list[float], expected: tuple[int, int]) -> None:
    assert passage(np.array(weights, dtype=np.float32)) == expected


@pytest.mark.parametrize(
    ("start", "end", "expected"), [(6, 7, "attack"), (4, 10, "attack"), (0, 1, "the"), (11, 14, "now"), (3, 4, " ")]
)
def test_a_passage_cuts_no_word(start: int, end: int, expected: str) -> None:
    text = "the attack now"
    first, last = whole_words(text, start, end)
    assert text[first:last] == expected
