"""Cuts between words that keep tokenization bounded in memory and free of words too long to be read."""

from __future__ import annotations

import re

_SPACE = re.compile(r"\s")
_LETTER = r"[^\s!-/:-@\[-`{-~]"
"""What tokenizers do not split at: anything but white space and ASCII punctuation, marks and symbols included."""
_WORD = f"(?<!{_LETTER}){_LETTER}{{%d,}}"


def pieces(text: str, size: int, longest_word: int | None = None) -> list[tuple[int, int]]:
    """Return character ranges, each at most ``size`` long, that join up to the whole of ``text``.

    Ranges end at white space where there is any, so that words stay whole. ``longest_word`` is the number of
    characters from which on a tokenizer gives up on a word and reads it as "unknown": longer runs without
    white space or ASCII punctuation are cut into parts of that length, else they would hide everything they say.
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
