"""Replaces passages of a text. Pure: the caller chooses the replacements."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_NUMBERED: Final = r"\[[A-Z][A-Z0-9_]*_[0-9]+(?:_[0-9A-F]{8})?\]"
_NUMBERED_MARKER: Final = re.compile(_NUMBERED)
_WRITTEN: Final = re.compile(rf"{_NUMBERED}|\[[A-Z][A-Z0-9_]*\]|\*+")

Edit = tuple[int, int, str]
"""Start and end of a passage as character offsets, and its replacement."""


def is_written(text: str, start: int, end: int) -> bool:
    """Return whether a passage is what redaction writes in place of a value, or what is inside a numbered marker.

    Screens for values leave it alone: a marker in the place of a password is no password.
    """
    around = text[max(0, start - 1) : end + 1]
    return _WRITTEN.fullmatch(text, start, end) is not None or _NUMBERED_MARKER.fullmatch(around) is not None


def redact(text: str, edits: Iterable[Edit]) -> str:
    """Return ``text`` with every passage replaced; passages are half-open and may come in any order.

    Of passages that overlap, the one that begins first says what is written for all of them (the longer of two that
    begin together), so that no character of any passage stays. Raises ``ValueError`` for a passage that is empty or
    does not lie in the text.
    """
    return "".join(redact_pieces((text,), edits))


def redact_pieces(pieces: Sequence[str], edits: Iterable[Edit]) -> list[str]:
    """Redact a text that comes in pieces; the passages count from the start of the first.

    Returns as many pieces. A passage over several is replaced in the piece where it begins, and cut from the others.
    """
    ends = list(accumulate(map(len, pieces)))
    kept: list[list[str]] = [[] for _ in pieces]

    def keep(start: int, end: int) -> None:
        at = bisect_right(ends, start)
        while start < end:
            stop = min(end, ends[at])
            offset = ends[at] - len(pieces[at])
            kept[at].append(pieces[at][start - offset : stop - offset])
            start, at = stop, at + 1

    done = 0
    for start, end, replacement in apart(edits, ends[-1] if ends else 0):
        keep(done, start)
        kept[bisect_right(ends, start)].append(replacement)
        done = end
    keep(done, ends[-1] if ends else 0)
    return ["".join(parts) for parts in kept]


def apart(edits: Iterable[Edit], length: int) -> list[Edit]:
    """Return the edits in order, with overlapping ones merged and ``ValueError`` raised as in ``redact``."""
    merged: list[Edit] = []
    for start, end, replacement in sorted(edits, key=lambda edit: (edit[0], -edit[1])):
        if not 0 <= start < end <= length:
            msg = f"there is no passage {start} to {end} in {length} characters"
            raise ValueError(msg)
        if merged and start < merged[-1][1]:
            first = merged[-1]
            merged[-1] = (first[0], max(first[1], end), first[2])
        else:
            merged.append((start, end, replacement))
    return merged
