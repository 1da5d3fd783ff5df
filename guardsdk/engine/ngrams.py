"""The words of a text and their character n-grams, as indices into a small table of weights.

A word is a run of letters of one kind. Each n-gram of 3 or 4 letters, word boundaries included, and each whole word has
a bucket in the table; the summed weights of a word's buckets say how far it is from the measured language. Everything
is a few array operations, linear in the length of the text. Features are hashed as in Weinberger et al. 2009,
arXiv:0902.2206.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHER, LATIN, FOREIGN, JOINER = range(4)
"""Kinds of characters: spaces, punctuation, symbols and emoji; Latin letters; letters of any other script or of none;
digits and signs that join the parts of machine names."""

TABLE_BITS: Final = (14, 17, 15)
"""Binary logarithm of the number of buckets for n-grams of 3 and of 4 characters and for whole words."""
OFFSETS: Final = tuple(sum(1 << bits for bits in TABLE_BITS[:order]) for order in range(len(TABLE_BITS) + 1))
"""Where the buckets of each order start; the last entry is the length of the table."""

_BMP: Final = 0x10000
_LATIN: Final = (
    *((0x41, 0x5B), (0x61, 0x7B), (0xC0, 0xD7), (0xD8, 0xF7), (0xF8, 0x2B0), (0x300, 0x370), (0x1E00, 0x1F00)),
    *((0x2C60, 0x2C80), (0xA722, 0xA788), (0xA78B, 0xA800), (0xAB30, 0xAB65), (0xFB00, 0xFB07)),
)
"""Half-open ranges; combining marks count as the letters they modify."""
_FOREIGN: Final = (
    *((0x370, 0x1E00), (0x1F00, 0x2000), (0x2800, 0x2900), (0x2C00, 0x2C60), (0x2C80, 0x2E00), (0x2E80, 0x3000)),
    *((0x3005, 0x3008), (0x3021, 0x302A), (0x3040, 0xA722), (0xA800, 0xAB30), (0xAB65, 0xFB00), (0xFB07, 0xFE00)),
    *((0xFE70, 0xFEFF), (0xFF21, 0xFF3B), (0xFF41, 0xFF5B), (0xFF66, 0xFFE0), (0xFFFD, 0xFFFE)),
)
"""Half-open ranges from Greek to full-width Latin, private use and the replacement character: the classifier's
tokenizer knows few of them and was trained on none."""
_PICTURES: Final = ((0x1F000, 0x1FC00), (0xE0000, 0xF0000))
"""Beyond the first 65,536: emoji, and invisible tags and selectors. All others there are foreign letters."""
JOINERS: Final = "0123456789_@/\\=#&%$"
_DOT: Final = ord(".")
SALTS: Final = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F)
FINISH: Final = 0x2C1B3C6D


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one text in order, and the buckets of their n-grams."""

    starts: NDArray[np.int64]
    """First character of each word."""
    ends: NDArray[np.int64]
    """One past its last character."""
    foreign: NDArray[np.bool_]
    """Whether its letters are of a script other than Latin."""
    plain: NDArray[np.bool_]
    """Whether it looks like a word of prose: not adjacent to a digit or a sign used in paths, names or addresses, and
    without a capital after a lower-case letter."""
    capital: NDArray[np.bool_]
    """Whether it starts with a capital and continues in lower case, as names do."""
    buckets: NDArray[np.int64]
    """Indices into the table, grouped by order."""
    owners: NDArray[np.int64]
    """Index of the word of each bucket."""

    def sums(self, table: NDArray[np.int8]) -> NDArray[np.float64]:
        """Return the summed weights of each word, in steps; 0 for a word without Latin letters."""
        return np.asarray(np.bincount(self.owners, table[self.buckets], len(self.starts)), dtype=np.float64)


@cache
def _tables() -> tuple[NDArray[np.uint8], NDArray[np.uint32], NDArray[np.bool_]]:
    """Return kind, lower-case letter (0 if not a Latin letter) and "is a capital" for the first 65,536 characters."""
    kinds = np.full(_BMP, OTHER, dtype=np.uint8)
    small = np.zeros(_BMP, dtype=np.uint32)
    capitals = np.zeros(_BMP, dtype=np.bool_)
    for start, end in _FOREIGN:
        kinds[start:end] = FOREIGN
    for start, end in _LATIN:
        kinds[start:end] = LATIN
        for point in range(start, end):
            lower = chr(point).lower()
            small[point] = ord(lower[0])
            capitals[point] = lower != chr(point)
    kinds[[ord(sign) for sign in JOINERS]] = JOINER
    return kinds, small, capitals


def words_of(text: str) -> Words:
    """Return the words of ``text``, which may have any length and any characters."""
    kinds_of, small_of, capitals_of = _tables()
    # With a boundary on both sides, no later step needs a special case for the ends.
    points = np.frombuffer(f"\n{text}\n".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    low = np.minimum(points, _BMP - 1)
    kinds, small = kinds_of[low], small_of[low]
    beyond = points >= _BMP
    if beyond.any():
        pictures = np.logical_or.reduce([(points >= start) & (points < end) for start, end in _PICTURES])
        kinds[beyond] = np.where(pictures[beyond], OTHER, FOREIGN)
    letter = (kinds == LATIN) | (kinds == FOREIGN)
    changed = kinds[1:] != kinds[:-1]
    starts = np.flatnonzero(changed & letter[1:]) + 1
    ends = np.flatnonzero(changed & letter[:-1]) + 1
    if not len(starts):
        nothing = np.zeros(0, dtype=np.int64)
        return Words(nothing, nothing, nothing > 0, nothing > 0, nothing > 0, nothing, nothing)
    capitals = capitals_of[low]
    humps = np.zeros(len(points), dtype=np.bool_)
    humps[1:] = capitals[1:] & ~capitals[:-1] & (small[:-1] > 0)
    glue = kinds == JOINER
    glue[1:-1] |= (points[1:-1] == _DOT) & letter[:-2] & letter[2:]
    buckets, owners = _buckets(small, starts)
    return Words(
        starts=starts - 1,
        ends=ends - 1,
        foreign=kinds[starts] == FOREIGN,
        plain=~(np.logical_or.reduceat(humps, starts) | glue[starts - 1] | glue[ends]),
        capital=capitals[starts] & ~capitals[np.minimum(starts + 1, ends - 1)],
        buckets=buckets,
        owners=owners,
    )


def _buckets(small: NDArray[np.uint32], starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the buckets of every n-gram and word, with the index of the word of each."""
    inside = small > 0
    word_at = np.cumsum(np.bincount(starts, minlength=len(small))) - 1
    mixed = [small * np.uint32(salt) for salt in SALTS]
    buckets, owners = [], []
    hashed = mixed[0][:-1] ^ mixed[1][1:]
    middle = np.ones(len(small) - 1, dtype=np.bool_)
    for order in range(2):  # n-grams of 3 and 4 characters; only the first and the last may be a boundary
        width = order + 3
        hashed = hashed[:-1] + mixed[order + 2][width - 1 :]
        middle = middle[:-1] & inside[width - 2 : -1]
        at = np.flatnonzero(middle)
        buckets.append(_place(hashed[at], order))
        owners.append(word_at[at + 1])
    # Each letter's hash times an odd number derived from its position: the sum distinguishes most anagrams.
    place = np.arange(len(small)) - starts[word_at]
    spread = (mixed[0] ^ (mixed[0] >> np.uint32(13))) * (2 * place + 1).astype(np.uint32)
    own = np.flatnonzero(inside[starts])
    buckets.append(_place(np.add.reduceat(spread, starts, dtype=np.uint32)[own], len(TABLE_BITS) - 1))
    owners.append(own)
    return np.concatenate(buckets), np.concatenate(owners)


def _place(hashed: NDArray[np.uint32], order: int) -> NDArray[np.int64]:
    """Return the bucket of each hash among those of its ``order``."""
    finished = (hashed ^ (hashed >> np.uint32(15))) * np.uint32(FINISH)
    return (finished >> np.uint32(32 - TABLE_BITS[order])).astype(np.int64) + OFFSETS[order]
