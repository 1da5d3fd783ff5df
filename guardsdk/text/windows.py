"""Overlapping windows over a sequence of any length, so that nothing is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def windows(length: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Return half-open ranges of one size, at most ``size``, that together cover ``0..length``.

    Neighbours share at least ``overlap`` positions, so a passage up to that long is whole in at least one window.
    As few windows as possible are used, and they are evenly sized: all as short as that number of them allows, which
    costs less to run than full windows and a remainder. ``length`` 0 gives the one empty range ``(0, 0)``.

    Raises ``ValueError`` unless ``0 <= overlap < size`` and ``length >= 0``.
    """
    if not 0 <= overlap < size or length < 0:
        msg = f"windows need 0 <= overlap < size and length >= 0, not {length=}, {size=}, {overlap=}"
        raise ValueError(msg)
    if length <= size:
        return [(0, length)]
    count = -(-(length - overlap) // (size - overlap))
    even = -(-(length + (count - 1) * overlap) // count)
    starts = [index * (length - even) // (count - 1) for index in range(count)]
    return [(start, start + even) for start in starts]


def share_ranges(length: int, size: int, most: int) -> list[tuple[int, int]]:
    """Return at most ``most`` ranges, of at most ``size`` each, in which ``length`` tokens of instructions are read.

    If more are needed, the first and the last are kept. Several ranges are a little shorter than ``size``, as a share
    that begins or ends inside a word may come to a token more when read by itself. If ``most`` is 1, the one range is
    all of ``length``, to be cut later.
    """
    if length <= size or most == 1:
        return [(0, length)]
    ranges = windows(length, size - 2, size // 6)
    last = most // 2
    return ranges if len(ranges) <= most else ranges[: most - last] + ranges[len(ranges) - last :]


def covered(ranges: Iterable[tuple[int, int]]) -> int:
    """Return the number of positions in at least one of the half-open ``ranges``."""
    total = reached = 0
    for start, end in sorted(ranges):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
