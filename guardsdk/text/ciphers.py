"""Undoes reversed text and shifted alphabets in whole passages, if that turns them into English."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from guardsdk.text.alphabets import ATBASH, LETTERS, shifted
from guardsdk.text.english import FORMS, known_share, reads_as_english, words_of
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.undo import Undone
from guardsdk.text.words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORD = re.compile("[A-Za-z]+")
_LEAST_WORDS = 3
_LEAST_LETTERS = 10
"""A passage shorter than this says too little for its letters to prove anything."""
_MOST_BEFORE = 0.35
"""Largest share of letters in known words that a cipher may have: plain English has .8 and more."""
_SURE_WORD = 4
"""Letters of the shortest known word that is no accident and ends a passage."""
_SHORTEST_FORM = 3
"""Letters of the shortest word whose form tells by how much it was shifted; two letters fit almost any shift."""
_END = lazy_pattern(r"[.!?;:\n]")
"""What ends a sentence or line."""
_PUNCTUATION = ".,;:!?\"'()[]"
_MARK_FIRST, _MARK_LAST = re.compile(r"(?<!\S)[.,;:!?]\w"), re.compile(r"\w[.,;:!?](?!\S)")


class _Passage(NamedTuple):
    start: int
    end: int
    words: list[str]


def deciphered(text: str) -> list[Undone]:
    """Return the edits that undo reversed text, reversed words, rot13, other shifts and the mirrored alphabet."""
    words = words_of(text)
    if len(words) - sum(map(FORMS.__contains__, words)) < _LEAST_WORDS:  # as in nearly every text; no run can do
        return []
    found: list[Undone] = []
    for passage in _strange(text, words):
        edit = _solved(text, passage)
        # A cipher may stand within text in another language, which is no more English than the cipher.
        found += _by_sentence(text, passage) if edit is None else [edit]
    return found


def _by_sentence(text: str, passage: _Passage) -> Iterator[Undone]:
    """Yield the edits for the sentences and lines of ``passage``, where it has several."""
    places = [match.span() for match in _WORD.finditer(text, passage.start, passage.end)]
    first = 0
    for at in range(1, len(places) + 1):
        if at < len(places) and not _END().search(text, places[at - 1][1], places[at][0]):
            continue
        words = passage.words[first:at]
        if at - first < len(places) and len(words) >= _LEAST_WORDS and _letters(words) >= _LEAST_LETTERS:
            edit = _solved(text, _Passage(places[first][0], places[at - 1][1], words))
            if edit is not None:
                yield edit
        first = at


def _strange(text: str, words: list[str]) -> Iterator[_Passage]:
    """Yield the longest runs of the ``words`` of ``text`` that are not English; ordinary English has none."""
    runs = [(first, words[first:after]) for first, after in _runs(words)]
    runs = [(first, run) for first, run in runs if known_share(run) <= _MOST_BEFORE and _letters(run) >= _LEAST_LETTERS]
    if runs:
        places = [match.span() for match in _WORD.finditer(text)]
        for first, run in runs:
            yield _Passage(places[first][0], places[first + len(run) - 1][1], run)


def _runs(words: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ``words`` without a long known word or two known ones in a row."""
    first = unknown = 0
    before = False
    for at, word in enumerate(words):
        is_known = word in FORMS
        if not is_known:
            unknown += len(word) > 1
        elif before or len(word) >= _SURE_WORD:
            if unknown >= _LEAST_WORDS:
                yield first, at
            first, unknown = at + 1, 0
        before = is_known
    if unknown >= _LEAST_WORDS:
        yield first, len(words)


def _letters(words: list[str]) -> int:
    return sum(map(len, words))


def _solved(text: str, passage: _Passage) -> Undone | None:
    backwards = [word[::-1] for word in passage.words]
    if reads_as_english(backwards):
        return _turned(text, passage)
    for kind, table in _tables(passage.words):
        if reads_as_english([word.translate(table) for word in passage.words]):
            shifted = text[passage.start : passage.end].translate(table)
            return Undone(passage.start, passage.end, shifted, kind, aligned=True)
    return None


def _turned(text: str, passage: _Passage) -> Undone:
    """Reverse the passage as a whole, or word by word where marks or a capital show that the words are in order."""
    start, end = passage.start, passage.end
    while start > 0 and text[start - 1] in _PUNCTUATION:
        start -= 1
    while end < len(text) and text[end] in _PUNCTUATION:
        end += 1
    run = text[start:end]
    by_word = len(_MARK_LAST.findall(run)) > len(_MARK_FIRST.findall(run)) or (
        passage.words[0][-1] != text[passage.start]
        and text[passage.start + len(passage.words[0]) - 1].isupper()
        and not run.isupper()  # where all letters are capitals, they show nothing
    )
    turned = _WORD.sub(lambda match: match.group()[::-1], run) if by_word else run[::-1]
    return Undone(start, end, turned, "reversed")


def _tables(words: list[str]) -> Iterator[tuple[str, dict[int, int]]]:
    """Yield, with its kind, the alphabet shift that fits most letters of ``words``, then the mirrored alphabet."""
    shifts: Counter[int] = Counter()
    forms = _forms()
    for word in words:
        for first in forms.get(_unshifted(word), ""):
            shifts[(ord(first) - ord(word[0])) % LETTERS] += len(word)
    if shifts:
        shift = max(shifts, key=shifts.__getitem__)
        yield "rot13" if shift * 2 == LETTERS else "shifted", shifted(shift)
    yield "atbash", ATBASH


def _unshifted(word: str) -> str:
    """Return ``word``, in lower case, shifted so that it begins with an a: the same for all its shifts."""
    return word.translate(shifted(-(ord(word[0]) - ord("a")) % LETTERS))


@cache
def _forms() -> dict[str, str]:
    """Return, for the unshifted form of each common word, the first letters of all words that have it."""
    found: dict[str, str] = {}
    for word in WORDS:
        if len(word) >= _SHORTEST_FORM:
            form = _unshifted(word)
            found[form] = found.get(form, "") + word[0]
    return found
