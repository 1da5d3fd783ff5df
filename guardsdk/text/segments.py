"""Decides where a text that is still being written can be checked, and how much of it must wait.

Everything here depends only on the characters, never on how they were split into chunks.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LONGEST_VALUE = 4096
"""Characters of the longest value that is kept whole: a 4,096-bit private key in PEM form has about 3,300."""
_LONGEST_GROUPS = 64
"""Characters of the longest value in groups, such as an IBAN (34 and seven spaces) or a phone number."""
_LONGEST_SPELLED = 128
"""Characters of a value spelled out letter by letter."""
_LONGEST_WORD = 32
"""Characters without white space after which a text is taken for one of a script that has none."""

_GROWTH = 4
"""How many times longer the text before a segment may be than the segment."""

_STOPS = frozenset(".!?…:;。！？；：।؟")  # noqa: RUF001  sentences end so in other scripts
_CLOSERS = frozenset("\"')]}*_`»”’」』）")  # noqa: RUF001  what may follow the stop of a sentence
_JOINTS = frozenset("\"',;|&<[{")
"""Signs that no value goes on across: where a text without white space has to be cut, it is cut before one."""
_GROUP = re.compile(r"(?=\D*\d)[\w+()/.\-]*[\w)]")
"""A token that may be one group of a number: it has a digit and does not end a sentence."""
_BLOB = re.compile(r"[A-Za-z0-9+/=_\-]{24,}")
"""A token that may be one line of a key or of encoded data."""
_SPACE = re.compile(r"\s")
_LETTER = re.compile(r"\w")
_FEWEST_LETTERS = 3
_PEM_BEGIN = "-----BEGIN"
_PEM_END = re.compile(r"-----END [^-\n]*-----")


@dataclass(frozen=True, slots=True)
class Pace:
    """How a stream is cut into segments, in characters."""

    shortest: int = 40
    """The first segments end with a sentence once they are this long, so that words are released early.

    Later ones are at least a quarter as long as all text before them, up to half of ``longest``, to save checks.
    """
    longest: int = 200
    """From this length on, a segment ends after any word."""
    left: int = 320
    """How much of the text already released is read again with every segment."""


class Segmenter:
    """Finds the ends of segments while a text comes in.

    A segment ends before white space: after a sentence, a colon or a line once it is long enough (``pace.shortest``),
    after any word once it has ``pace.longest`` characters. In scripts without white space it ends after a stop or, a
    little later, between two letters. Anything else without white space may be a value and stays whole up to
    ``LONGEST_VALUE``; what is longer, such as JSON in one line, is cut before a sign that stands between values.
    """

    def __init__(self, pace: Pace) -> None:
        """Start with an empty text."""
        self._pace = pace
        self._at = 0
        self._start = 0
        self._joint = 0
        self._shortest = pace.shortest
        self._last = " "
        self._stopped = False

    def feed(self, piece: str) -> list[int]:
        """Append ``piece`` and return the ends of the segments it completed, as offsets in the whole text."""
        ends: list[int] = []
        for character in piece:
            if end := self._end_before(character):
                ends.append(end)
                self._start = end
                self._shortest = max(self._pace.shortest, min(end // _GROWTH, self._pace.longest // 2))
            if character in _JOINTS:
                self._joint = self._at
            if character in _STOPS:
                self._stopped = True
            elif character not in _CLOSERS:
                self._stopped = False
            self._last = character
            self._at += 1
        return ends

    def _end_before(self, character: str) -> int:
        """Return the end of the segment if ``character``, the next one, shows that it has ended, else 0."""
        size = self._at - self._start
        if size < self._shortest:
            return 0
        if character.isspace():
            stopped = self._stopped or character == "\n"
            return self._at if stopped or size >= self._pace.longest else 0
        if _spaceless(character) and (self._stopped or _spaceless(self._last)):
            return self._at if self._stopped or size >= self._pace.longest + _LONGEST_WORD else 0
        if size < LONGEST_VALUE:
            return 0
        return self._joint if self._joint - self._start >= self._shortest else self._at


def _spaceless(character: str) -> bool:
    """Whether ``character`` is a letter of a script that may do without white space; no key is written in one."""
    return unicodedata.category(character) == "Lo"


def release_point(text: str, end: int) -> int:
    """Return how far ``text`` may be released once it is known and screened up to ``end``, the end of a segment.

    The very end is held back if it may be the start of a value: a private key without its last line, groups with
    digits, lines of one long word, letters spelled out. Reads and holds back at most ``LONGEST_VALUE`` characters.
    """
    first = max(0, end - LONGEST_VALUE)
    begun = text.rfind(_PEM_BEGIN, first, end)
    if begun >= 0 and not _PEM_END.search(text, begun, end):
        return begun
    return min(
        _run(text, end, _GROUP, _LONGEST_GROUPS),
        _run(text, end, _BLOB, LONGEST_VALUE),
        _run(text, end, _LETTER, _LONGEST_SPELLED, fewest=_FEWEST_LETTERS),
    )


def _run(text: str, end: int, kind: re.Pattern[str], longest: int, *, fewest: int = 1) -> int:
    """Return where the tokens of ``kind`` that end at ``end`` begin, at most ``longest`` characters before it."""
    first = max(0, end - longest)
    start, tokens = end, 0
    while True:
        stop = start
        while stop > first and text[stop - 1].isspace():
            stop -= 1
        begin = stop
        while begin > first and not text[begin - 1].isspace():
            begin -= 1
        if begin == stop or not kind.fullmatch(text, begin, stop):
            return start if tokens >= fewest else end
        start, tokens = begin, tokens + 1


def left_of(text: str, start: int, length: int) -> int:
    """Return where to begin reading so that about ``length`` characters before ``start`` are seen, whole words only."""
    if start <= length:
        return 0
    first = start - length
    space = _SPACE.search(text, first, min(start, first + _LONGEST_WORD))
    return first if space is None else space.end()
