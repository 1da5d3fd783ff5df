"""Ranges of characters: half-open, start and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def merged(spans: Iterable[tuple[int, int]], *, touching: bool = False) -> tuple[tuple[int, int], ...]:
    """Return ``spans`` in order, merging those that overlap and, if ``touching``, those that only touch."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1] + touching:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)
