"""The evidence of a short ASCII text, word by word: the arithmetic of ``ngrams`` without its arrays.

Some eighty array operations cost the same for ten words as for a thousand, and were a tenth of a short check. Here a
word costs a look-up where it is a common one of English, and a few integers where it is not. The tests hold both to
the same bits.
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
"""Words that are not common, from which on they are as well."""
_SHORT: Final = 2
"""Letters of a word that says nothing of a text."""
_WORD: Final = re.compile("[A-Za-z]+")
_GLUE: Final = re.escape(JOINERS)
_JOINED: Final = re.compile(f"[{_GLUE}]|\\.[A-Za-z]")
"""What may make of a word a part of something else."""
_HUMP: Final = re.compile("[a-z][A-Z]")
_ALONE: Final = re.compile(f"(?<![{_GLUE}])(?<![A-Za-z]\\.)[A-Za-z]+(?![A-Za-z{_GLUE}]|\\.[A-Za-z])")
"""A word with no digit or sign of a path, name or address beside it."""
_FULL: Final = 0xFFFFFFFF
_MIXED: Final = [[code * salt & _FULL for code in range(128)] for salt in SALTS]
_SPREAD: Final = [mixed ^ (mixed >> 13) for mixed in _MIXED[0]]
_SHIFTS: Final = [32 - bits for bits in TABLE_BITS]


class CommonWords:
    """Weighs the words of short ASCII texts. Thread-safe.

    The weights of common words are kept, from a list that comes with the package, and of those of one or two letters:
    no other word of a text stays.
    """

    def __init__(self, table: NDArray[np.int8], count: Callable[[int, bool], float]) -> None:
        """Use ``table`` [OFFSETS[-1]]; ``count`` turns a word's sum into its evidence, told if it has a capital."""
        self._table = table.data
        self._count = count
        self._known: dict[str, float] = {}

    def evidence(self, text: str) -> list[float] | None:
        """Return the evidence of every word of ``text`` in order; none where arrays do it faster."""
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
        """Add the weights of a word in small letters, whole numbers, so that any order gives what ``ngrams`` gives."""
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
    """Return the characters from word ``first`` to word ``last`` of ``text``, both included."""
    start = end = 0
    for at, match in enumerate(_WORD.finditer(text)):
        if at == first:
            start = match.start()
        if at == last:
            end = match.end()
            break
    return start, end
