"""The passage of a text that carried a label's score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARE = 0.5
"""Share of the attention mass: more than half is "most"; asking for much more would add stray tokens far away."""


def passage(weights: NDArray[np.float32]) -> tuple[int, int]:
    """Return the shortest half-open range that has at least half of the mass of ``weights`` [N], N >= 1.

    Of equally short ranges the one with the most mass is taken, then the first. Without any mass it is the whole range.
    """
    sums = np.concatenate(([0.0], np.cumsum(weights, dtype=np.float64)))
    total = sums[-1]
    if not total > 0.0:
        return 0, len(weights)
    ends = np.searchsorted(sums, sums[:-1] + _SHARE * total * (1.0 - 1e-9))
    starts = np.flatnonzero(ends < len(sums))
    ends = ends[starts]
    mass = sums[ends] - sums[starts]
    best = np.lexsort((starts, -mass, ends - starts))[0]
    return int(starts[best]), int(ends[best])


def whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Widen a character range so that it does not split a word of ``text``."""
    while start > 0 and start < len(text) and text[start].isalnum() and text[start - 1].isalnum():
        start -= 1
    while 0 < end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return start, end
