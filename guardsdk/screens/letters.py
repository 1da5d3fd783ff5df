"""Finds the letter sequence of one text in another, however either is split into words."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROW: Final = 16
"""The least number of consecutive equal letters that counts."""
_KEPT: Final = 3
_TRIED: Final = 8
"""One row in three is stored, and one in eight is looked up: of 24 consecutive rows, one is both."""
_FARTHEST: Final = _KEPT * _TRIED
_DIGITS: Final = dict.fromkeys(range(ord("0"), ord("9") + 1))
"""Ignored, as lines and words of a list may be numbered."""


class Shared(NamedTuple):
    """Words of a text whose letters occur in the other text without a gap."""

    first: int
    end: int
    same: int
    """The number of whole words of the other text within the row."""


class Letters:
    """The indexed letters of a text, stored as hashes of rows of letters."""

    def __init__(self, words: Sequence[str]) -> None:
        """Index ``words``."""
        said = [word.translate(_DIGITS) for word in words]
        letters = "".join(said)
        self._ends = array("L", accumulate(map(len, said)))
        self._places: dict[int, int] = {}
        for place in range(0, len(letters) - _ROW + 1, _KEPT):
            self._places.setdefault(hash(letters[place : place + _ROW]), place)

    def shared(self, words: Sequence[str], told: Callable[[], Sequence[str]]) -> list[Shared]:
        """Return the rows of letters that ``words`` share with the text, in order, except for those in ``told`` too.

        Linear in the number of letters.
        """
        letters = "".join(words).translate(_DIGITS)
        tried, place_of = range(0, len(letters) - _ROW + 1, _TRIED), self._places.get
        found = [(at, place) for at in tried if (place := place_of(hash(letters[at : at + _ROW]))) is not None]
        if not found:
            return []
        asked = "".join(told()).translate(_DIGITS)
        known = {hash(asked[at : at + _ROW]) for at in range(len(asked) - _ROW + 1)}
        ends = list(accumulate(len(word.translate(_DIGITS)) for word in words))
        rows: list[tuple[int, int, int]] = []
        for at, place in found:
            if hash(letters[at : at + _ROW]) in known:
                continue
            if rows and rows[-1][1] - rows[-1][2] == at - place and at - rows[-1][1] <= _FARTHEST:
                rows[-1] = (rows[-1][0], at, place)
            else:
                rows.append((at, at, place))
        return [self._one(ends, first, last + _ROW, place + _ROW) for first, last, place in rows]

    def _one(self, ends: Sequence[int], first: int, end: int, last_place: int) -> Shared:
        begun = last_place - (end - first)
        # Words that end after the row begins; the first of them may start before it.
        whole = bisect_right(self._ends, last_place) - bisect_right(self._ends, begun)
        at = bisect_right(self._ends, begun)
        if whole and begun > (self._ends[at - 1] if at else 0):
            whole -= 1
        return Shared(bisect_right(ends, first), bisect_left(ends, end) + 1, whole)
