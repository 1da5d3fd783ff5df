"""Finds runs of packed text with white space or marks after every few characters: ``aWdu b3Jl IGFs``."""

from __future__ import annotations

import re
from itertools import repeat
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.text.english import FORMS
from guardsdk.text.lazy import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDEST: Final = 80
"""One more than the characters of the widest group: lines of mail have 76."""
_EQUAL: Final = re.compile(rb"([\x01-\x0b])\1{2,}|([\x0c-\x4f])\2+")
"""Three sizes or more that are the same, or two of long words: in prose, neighbours seldom are equally long."""
_PACKED = lazy_pattern("[A-Za-z0-9+/_-]++={0,6}")
_WORD = lazy_pattern(r"\S+")
_APART: Final = str.maketrans(dict.fromkeys("!\"#$%&'()*,.:;<>?@[\\]^`{|}~", " "))
"""Marks that no run contains: quotes and stops stand around one, commas between its groups."""


class Run(NamedTuple):
    """A run without what stands between its groups, and where it stands in the text."""

    start: int
    end: int
    packed: str
    size: int
    """Characters of a group."""


def groups_of(text: str, least: int) -> Iterator[list[Run]]:
    """Yield the runs of groups of one size in ``text``, of at least ``least`` characters; the last may be shorter.

    Words around a run may be as long as its groups, so that each is given with these, and without. Takes time linear
    in the text.
    """
    apart = text.translate(_APART)
    words = apart.split()
    sizes = bytes(map(min, map(len, words), repeat(_WIDEST)))
    places: list[tuple[int, int]] = []
    for equal in _EQUAL.finditer(sizes):
        ranges = _ranges(words, sizes, *equal.span())
        ranges = [(start, end) for start, end in ranges if sum(sizes[start:end]) >= least]
        ways = [(start, end, "".join(words[start:end])) for start, end in ranges]
        ways = [way for way in ways if _PACKED().fullmatch(way[2])]
        if ways:
            places = places or [word.span() for word in _WORD().finditer(apart)]
            yield [Run(places[start][0], places[end - 1][1], run, sizes[start]) for start, end, run in ways]


def _ranges(words: list[str], sizes: bytes, first: int, end: int) -> list[tuple[int, int]]:
    size, next_size = sizes[first], sizes[end] if end < len(sizes) else 0
    # Base64 may end after every four characters: a word that is shorter than a group and fills no four is none.
    goes_on = 0 < next_size < size and (size * (end - first) % 4 or next_size % 4 == 0 or not words[end].isalpha())
    begin, stop = first, end
    while begin < stop and words[begin].lower() in FORMS:
        begin += 1
    while begin < stop and words[stop - 1].lower() in FORMS:
        stop -= 1
    ranges = [(first, end + 1), (begin, end + 1)] if goes_on else []
    return list(dict.fromkeys([*ranges, (first, end), (begin, stop)]))
