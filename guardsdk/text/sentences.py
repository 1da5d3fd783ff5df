"""Decides whether short passages that stand one by one read, one after the other, as a sentence."""

from __future__ import annotations

import re
from typing import Final

from guardsdk.text.english import all_english, built_as_sentence, known_share, words_of
from guardsdk.text.undo import undo

FEWEST: Final = 4
"""Fewest framed passages in a row that count: fewer are framed by accident."""
MOST_WORDS: Final = 3
"""Most words of such a passage. Where more stand together, the text can be read as it is."""
LONGEST_PASSAGE: Final = 80
"""Its most characters."""
LETTER: Final = re.compile(r"[^\W\d_]")
_ENGLISH = 0.5
"""Least share of letters in known words of all passages together."""
_ITEM = re.compile(r"[A-Z][\w']*\s+[a-z]")
"""The beginning of a sentence: where most passages have one, they are list items and not parts of one sentence."""


def is_short(passage: str, most: int = MOST_WORDS) -> bool:
    """Whether ``passage`` has letters, at most ``most`` words and at most ``LONGEST_PASSAGE`` characters."""
    if not 0 < len(passage) <= LONGEST_PASSAGE:
        return False
    return len(passage.split()) <= most and LETTER.search(passage) is not None


def reads_on(passages: list[str], fewest: int = FEWEST) -> bool:
    """Whether ``passages`` are at least ``fewest`` and, one after the other, read as a sentence, glossed if need be.

    Raises ``LexiconError`` if a lexicon cannot be read.
    """
    if len(passages) < fewest or len({passage.split()[0] for passage in passages}) == 1:
        return False  # the name of a speaker, whose words are in a column of their own
    if 2 * len([one for one in passages if _ITEM.match(one)]) > len(passages):
        return False
    said = " ".join(passages)
    return _is_sentence(words_of(said)) or _is_sentence(_put_into_english(said, MOST_WORDS * len(passages)))


def _is_sentence(words: list[str]) -> bool:
    return built_as_sentence(words) and known_share(words) >= _ENGLISH


def _put_into_english(said: str, most: int) -> list[str]:
    """Return the words of the gloss of ``said``; none if it is English, or more than ``most`` of them.

    In scripts without spaces, whole sentences are short: where so many words stand together, they can be read as is.
    """
    if all_english(said):
        return []
    from guardsdk.text.gloss import glossed  # noqa: PLC0415  a text in English needs no lexicon

    words = words_of(undo(said, glossed(said))[0])
    return words if len(words) <= most else []
