"""The letters of a text in a row, looked for in another: however they are parted into words, they are the same."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ROW: Final = 16
"""Letters in a row that have to be the same before anything counts."""
_KEPT: Final = 3
_TRIED: Final = 8
"""One row in three is kept, and one in eight looked for: of 24 that follow on each other one is both."""
_FARTHEST: Final = _KEPT * _TRIED
_DIGITS: Final = dict.fromkeys(range(ord("0"), ord("9") + 1))
"""Left out: lines and words of a list are numbered."""


class Shared(NamedTuple):
    """Words of a text whose letters stand in the other one, in a row without a gap."""

    first: int
    end: int
    same: int
    """Words of the other text that lie in the row as a whole."""


class Letters:
    """The letters of a text, ready to be looked for. They are held as hashes of rows of them."""

    def __init__(self, words: Sequence[str]) -> None:
        """Index ``words``."""
        said = [word.translate(_DIGITS) for word in words]
        letters = "".join(said)
        self._ends = array("L", accumulate(map(len, said)))
        self._places: dict[int, int] = {}
        for place in range(0, len(letters) - _ROW + 1, _KEPT):
            self._places.setdefault(hash(letters[place : place + _ROW]), place)

    def shared(self, words: Sequence[str], told: Callable[[], Sequence[str]]) -> list[Shared]:
        """Return the rows of letters that ``words`` share with the text, in order, but for what ``told`` says as well.

        Takes time linear in the letters.
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
        # Words that end behind where the row begins; the first of them may have begun before it.
        whole = bisect_right(self._ends, last_place) - bisect_right(self._ends, begun)
        at = bisect_right(self._ends, begun)
        if whole and begun > (self._ends[at - 1] if at else 0):
            whole -= 1
        return Shared(bisect_right(ends, first), bisect_left(ends, end) + 1, whole)
