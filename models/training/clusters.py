"""Near-duplicate clusters by shared shingles, so that copies of one text never sit on both sides of a split."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+")
_SKETCH = 24
_SHARED = 3


def shingles(text: str, size: int) -> set[bytes]:
    """Return 8-byte hashes of every run of ``size`` lower-cased words; a shorter text is one run."""
    words = _WORD.findall(text.lower())
    runs = (" ".join(words[at : at + size]) for at in range(max(1, len(words) - size + 1)))
    return {blake2b(run.encode(), digest_size=8).digest() for run in runs}


def cluster_ids(texts: Sequence[str]) -> list[int]:
    """Return for each of ``texts`` the number of its near-duplicate cluster.

    Two texts are linked when they share at least ``_SHARED`` sketched shingles, or all of the later one's where it has
    fewer; texts linked directly or through others form a cluster. A sketch is the ``_SKETCH`` smallest 5-word shingle
    hashes (bottom-k sketch, Broder 1997).
    """
    parents = list(range(len(texts)))

    def root(node: int) -> int:
        while parents[node] != node:
            parents[node] = parents[parents[node]]
            node = parents[node]
        return node

    holders: dict[bytes, list[int]] = {}
    for index, text in enumerate(texts):
        sketch = sorted(shingles(text, 5))[:_SKETCH]
        votes: dict[int, int] = {}
        for mark in sketch:
            for other in holders.setdefault(mark, []):
                votes[other] = votes.get(other, 0) + 1
            holders[mark].append(index)
            # A shingle that many texts have tells nothing; keep only the newest few holders.
            del holders[mark][:-8]
        for other, count in votes.items():
            if count >= min(_SHARED, len(sketch)):
                parents[root(index)] = root(other)
    return [root(index) for index in range(len(texts))]


class Overlap:
    """Tells whether a text overlaps a set of texts that training must not see."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Index ``texts`` by their letters and their 6-word shingles."""
        self._exact: set[str] = set()
        self._runs: set[bytes] = set()
        for text in texts:
            self._exact.add(_letters(text))
            self._runs |= shingles(text, 6)

    def holds(self, text: str) -> bool:
        """Return whether ``text`` equals an indexed one in letters and digits, or half of its shingles are indexed."""
        if _letters(text) in self._exact:
            return True
        runs = shingles(text, 6)
        return 2 * len(runs & self._runs) >= len(runs)


def _letters(text: str) -> str:
    return "".join(_WORD.findall(text.lower()))
