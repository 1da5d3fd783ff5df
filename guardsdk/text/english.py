"""Judges whether text reads like English, by common words and by their letter sequences."""

from __future__ import annotations

import re
from functools import cache
from itertools import accumulate, repeat
from operator import add, sub
from typing import TYPE_CHECKING, Final

from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

_WORD = re.compile("[A-Za-z]+")
_ENDINGS: Final = ("s", "es", "ed", "d", "ing", "er", "r", "ly")
_SHORTEST = 3
"""Letters of the shortest word or stem that counts as evidence."""
_WHOLE: Final = [word for word in WORDS if len(word) >= _SHORTEST]
_STEMS: Final = [*_WHOLE, *(word[:-1] for word in _WHOLE if word.endswith("e"))]
FORMS: Final = WORDS.union(*(map(add, _STEMS, repeat(ending)) for ending in _ENDINGS))
"""The common words and their regular forms. A few are no words at all; looking up stems would cost more."""
_ENDING: Final = 3
"""Number of last letters by which the possible lengths of a word are looked up."""
_MOSTLY = 0.6
"""Share of letters in known words: English has .8 and more, another language .1 to .3, any cipher next to none."""
_STRETCH = 8
_STRANGE = 5
"""This many unknown words among ``_STRETCH`` in a row suggest another language: names and errors make fewer."""
_LEAST_KNOWN = 0.4
"""Least share of known words in an English text of more than ``_STRETCH`` words."""
_FOREIGN = lazy_pattern("[\u00c0-\u024f\u0370-\u1fff\u2c00-\ud7ff\uf900-\ufdff\ufe70-\ufefc\U00020000-\U0002ebef]")
"""Letters that English uses in a few words at most."""
_TELLING = 4
"""Letters of the shortest known word that is hardly an accident, abbreviations in code aside."""
_FEWEST_TELLING = 2
"""Fewest different words of that length in a text that reads as English."""
_ANYWHERE = 2
"""Length of the words that are looked up at every position of a text without spaces."""
_UNKNOWN_COST = 4.0
"""Cost of a letter outside known words when a text without spaces is cut: more than that of any word."""
JOINING: Final = frozenset(
    "a all an and any are as at be because before but by can do does for from has have how if into is it its me my not "  # noqa: SIM905
    "now of or so than that the their them then there these they this those to was what when which who will with "
    "without would you your".split()
)
"""Words that only join others."""
_JOINING_EVERY = 5
"""A sentence has at least one of them in this many words."""
_MOST_JOINING = 0.75
"""The largest share of them in a sentence."""


def words_of(text: str) -> list[str]:
    """Return the runs of ASCII letters of ``text``, in lower case."""
    if text.isascii():
        return _WORD.findall(text.lower())
    # Lower case comes last: it turns a few other letters, such as the Kelvin sign, into ASCII.
    return " ".join(_WORD.findall(text)).lower().split()


def known_share(words: Sequence[str]) -> float:
    """Return the share of the letters of ``words`` that lie in known words, 0 where there are none."""
    letters = sum(map(len, words))
    return sum([len(word) for word in words if word in FORMS]) / letters if letters else 0.0


def reads_as_english(words: Sequence[str]) -> bool:
    """Whether most letters of ``words`` lie in known words, two longer ones among them."""
    if known_share(words) < _MOSTLY:
        return False
    return len({word for word in words if len(word) >= _TELLING and word in FORMS}) >= _FEWEST_TELLING


def built_as_sentence(words: Sequence[str]) -> bool:
    """Whether ``words``, in lower case, have the share of words that only join others that sentences have.

    Headings and names have next to none, and a list of the commonest words has little else.
    """
    joining = sum(map(JOINING.__contains__, words))
    return len(words) <= joining * _JOINING_EVERY and joining <= _MOST_JOINING * len(words)


def all_english(text: str) -> bool:
    """Whether no part of ``text`` is likely to be in another language, as in nearly every text."""
    if not text.isascii() and _FOREIGN().search(text):
        return False
    known = list(map(FORMS.__contains__, words_of(text)))
    share = sum(known)
    if len(known) <= _STRETCH:
        return 2 * share >= len(known)
    if share < _LEAST_KNOWN * len(known):
        return False
    sums = list(accumulate(known, initial=0))
    fewest: int = min(map(sub, sums[_STRETCH:], sums))
    return fewest > _STRETCH - _STRANGE


def plausible(word: str) -> bool:
    """Whether ``word``, in lower case, is known or has only such letter triples as known words have."""
    if word in FORMS:
        return True
    known = triples()
    framed = f"^{word}$"
    return len(word) > _SHORTEST and all(framed[at : at + 3] in known for at in range(len(framed) - 2))


@cache
def triples() -> frozenset[str]:
    """Return the letter triples of known words; ``^`` and ``$`` mark word borders."""
    return frozenset(f"^{word}$"[at : at + 3] for word in WORDS for at in range(len(word)))


@cache
def _lengths() -> dict[str, tuple[int, ...]]:
    """Return, by the last letters of known words, the lengths such words may have and ``_ANYWHERE``, longest first."""
    found: dict[str, set[int]] = {}
    for word in FORMS:
        found.setdefault(word[-_ENDING:], {_ANYWHERE}).add(len(word))
    return {ending: tuple(sorted(lengths, reverse=True)) for ending, lengths in found.items()}


def segment(letters: str) -> list[str]:
    """Cut ``letters``, in lower case and without spaces, into as few known words as possible; the rest is left uncut.

    Time is linear in the length: at each position, only words with the same last letters are looked up.
    """
    size = len(letters)
    lengths = _lengths()
    costs = [0.0] * (size + 1)
    cuts = list(range(-1, size))
    for end in range(1, size + 1):
        least = costs[end - 1] + _UNKNOWN_COST
        for length in lengths.get(letters[max(0, end - _ENDING) : end], (_ANYWHERE,)):
            start = end - length
            # One is added for every word, so that few long words beat many short ones.
            if start >= 0 and costs[start] + 1.0 < least and letters[start:end] in FORMS:
                least, cuts[end] = costs[start] + 1.0, start
        if letters[end - 1] in "ai" and costs[end - 1] + 2.0 < least:
            least, cuts[end] = costs[end - 1] + 2.0, end - 1
        costs[end] = least
    words: list[str] = []
    end = size
    loose = ""
    while end:
        part = letters[cuts[end] : end]
        if len(part) == 1 and part not in "ai":
            loose = part + loose
        else:
            words += [loose, part] if loose else [part]
            loose = ""
        end = cuts[end]
    words += [loose] if loose else []
    return words[::-1]
