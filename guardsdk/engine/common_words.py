"""Word evidence for short ASCII texts: the arithmetic of ``ngrams`` without its arrays.

Some eighty array operations cost the same for ten words as for a thousand, and took a tenth of a short check. Here a
common English word costs one look-up, and any other a few integer operations. The tests verify that both give
bit-identical results.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from guardsdk.engine.ngrams import FINISH, JOINERS, OFFSETS, SALTS, TABLE_BITS
from guardsdk.text.english import FORMS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_LONGEST: Final = 2_000
"""Characters from which on arrays are faster."""
_MOST_RARE: Final = 16
"""Uncommon words from which on arrays are faster."""
_SHORT: Final = 2
"""Words of at most so many letters are ignored."""
_WORD: Final = re.compile("[A-Za-z]+")
_GLUE: Final = re.escape(JOINERS)
_JOINED: Final = re.compile(f"[{_GLUE}]|\\.[A-Za-z]")
"""Characters that may join a word to its neighbours."""
_HUMP: Final = re.compile("[a-z][A-Z]")
_ALONE: Final = re.compile(f"(?<![{_GLUE}])(?<![A-Za-z]\\.)[A-Za-z]+(?![A-Za-z{_GLUE}]|\\.[A-Za-z])")
"""A word not adjacent to a digit or a sign used in paths, names or addresses."""
_FULL: Final = 0xFFFFFFFF
_MIXED: Final = [[code * salt & _FULL for code in range(128)] for salt in SALTS]
_SPREAD: Final = [mixed ^ (mixed >> 13) for mixed in _MIXED[0]]
_SHIFTS: Final = [32 - bits for bits in TABLE_BITS]


class CommonWords:
    """Computes the evidence of words in short ASCII texts. Thread-safe.

    Caches the weights of common words, from a packaged list, and of words of one or two letters: no other word of a
    text is kept.
    """

    def __init__(self, table: NDArray[np.int8], count: Callable[[int, bool], float]) -> None:
        """Use ``table`` [OFFSETS[-1]]; ``count`` turns a word's sum, and whether it is capitalised, into evidence."""
        self._table = table.data
        self._count = count
        self._known: dict[str, float] = {}

    def evidence(self, text: str) -> list[float] | None:
        """Return the evidence of every word of ``text`` in order; ``None`` if arrays are faster."""
        if len(text) > _LONGEST or not text.isascii():
            return None
        words = _WORD.findall(text)
        found: list[float | None] = list(map(self._known.get, words))
        rare = found.count(None)
        if rare > _MOST_RARE:
            return None
        if rare:
            found = [self._look(word) if known is None else known for word, known in zip(words, found, strict=True)]
        evidence: list[float] = found  # type: ignore[assignment]  # none of them is None any more
        if _JOINED.search(text):
            alone = [_ALONE.match(text, match.start()) for match in _WORD.finditer(text)]
            evidence = [value if prose else 0.0 for value, prose in zip(evidence, alone, strict=True)]
        return evidence

    def _look(self, word: str) -> float:
        small, capital = word, False
        if not word.islower():
            if _HUMP.search(word):
                return 0.0
            small = word.lower()
            capital = len(word) > 1 and word[0].isupper() and word[1].islower()
        found = self._count(self._sum(small), capital)
        if len(small) <= _SHORT or (small in FORMS and word in (small, small.capitalize(), small.upper())):
            self._known[word] = found
        return found

    def _sum(self, word: str) -> int:
        """Return the sum of the weights of a lower-case word: integers, so the result is exactly that of ``ngrams``."""
        table = self._table
        first, second, third, fourth = _MIXED
        triple_shift, quad_shift, word_shift = _SHIFTS
        _, quad_offset, word_offset, _ = OFFSETS
        codes = (0, *word.encode("ascii"), 0)
        triples = [
            (first[a] ^ second[b]) + third[c] & _FULL for a, b, c in zip(codes, codes[1:], codes[2:], strict=False)
        ]
        total: int = 0
        for hashed in triples:
            total += table[((hashed ^ (hashed >> 15)) * FINISH & _FULL) >> triple_shift]
        for hashed, code in zip(triples, codes[3:], strict=False):
            longer = hashed + fourth[code] & _FULL
            total += table[(((longer ^ (longer >> 15)) * FINISH & _FULL) >> quad_shift) + quad_offset]
        whole = sum([_SPREAD[code] * (2 * at + 1) for at, code in enumerate(codes[1:-1])]) & _FULL
        total += table[(((whole ^ (whole >> 15)) * FINISH & _FULL) >> word_shift) + word_offset]
        return total


def passage(text: str, first: int, last: int) -> tuple[int, int]:
    """Return the character range from word ``first`` to word ``last`` of ``text``, inclusive."""
    start = end = 0
    for at, match in enumerate(_WORD.finditer(text)):
        if at == first:
            start = match.start()
        if at == last:
            end = match.end()
            break
    return start, end
