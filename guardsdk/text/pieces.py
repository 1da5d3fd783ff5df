"""Cuts between words that keep tokenization bounded in memory and free of words too long to be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from guardsdk.text.lazy import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

_SPACE = re.compile(r"\s")
_LETTER = r"[^\s!-/:-@\[-`{-~]"
"""What tokenizers do not split at: anything but white space and ASCII punctuation, marks and symbols included."""
_WORD = f"(?<!{_LETTER}){_LETTER}{{%d,}}"
_LATIN = "A-Za-z\u00c0-\u024f\u1e00-\u1eff"
_OTHER = f"[^\\s\x00-\x7f{_LATIN}\u2013\u2014\u2018\u2019\u201c\u201d\u2026]"
_BORDER = lazy_pattern(f"[{_LATIN}]{_OTHER}|{_OTHER}[{_LATIN}]")
"""Where a Latin letter meets a character other than ASCII, Latin, and the quotes, dashes and ellipsis of books."""
_RUN = lazy_pattern(f"{_LETTER}+")


def pieces(text: str, size: int, longest_word: int | None = None) -> list[tuple[int, int]]:
    """Return character ranges, each at most ``size`` long, that join up to the whole of ``text``.

    A range ends after white space where there is any in its last eighth, so that words stay whole. ``longest_word``
    is the number of characters above which a tokenizer reads a word as "unknown": longer runs without white space or
    ASCII punctuation are cut into parts of that length, as they would otherwise hide everything they say.
    An empty text gives one empty range.
    """
    ends = [len(text)] if len(text) <= size else _ends(text, size)
    if longest_word is not None and len(text) > longest_word:
        extra: set[int] = set()
        for word in re.finditer(_WORD % (longest_word + 1), text):
            extra.update(range(word.start(), word.end(), longest_word))
            extra.add(word.end())
        if extra:
            ends = sorted(extra.union(ends) - {0})
    return list(zip([0, *ends[:-1]], ends, strict=True))


def parting(text: str, hides: Callable[[str], bool]) -> str:
    """Return ``text``, at the same length, with a tilde for each character that ``hides`` the Latin word it stands in.

    A tokenizer reads a whole word as "unknown" because of one character that it has no token for; a punctuation mark
    splits the word, so that the letters beside it are read. Words wholly in other scripts stay as they are.
    """
    if text.isascii() or not _BORDER().search(text):
        return text
    hiding = dict.fromkeys((ord(character) for character in set(text) if hides(character)), "~")
    if not hiding:
        return text
    return _RUN().sub(lambda run: run[0].translate(hiding) if _BORDER().search(run[0]) else run[0], text)


def _ends(text: str, size: int) -> list[int]:
    ends: list[int] = []
    start = 0
    while len(text) - start > size:
        limit = start + size
        # Looking back over the last eighth only: one space far behind would make pieces tiny.
        end = max((space.end() for space in _SPACE.finditer(text, limit - size // 8, limit)), default=limit)
        ends.append(end)
        start = end
    return [*ends, len(text)]
