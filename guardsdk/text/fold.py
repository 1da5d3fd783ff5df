"""Undoes disguises of single letters: styled and full-width forms, look-alikes, invisible characters in between."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.forking import lazy
from guardsdk.text.confusables import LOOK_ALIKES
from guardsdk.text.hidden import INVISIBLE, hidden
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.normal import normal
from guardsdk.text.undo import Undone

if TYPE_CHECKING:
    from collections.abc import Iterator

_PUNCTUATION = "\u00a0-\u00a9\u00ab\u00ac\u00ae-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u303f"
_WORD = re.compile(f"(?:[^\x00-\x7f\\s{_PUNCTUATION}][A-Za-z]*)+")
"""A word, from its first non-ASCII letter on."""
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_FEW = 3
"""This many look-alikes in one word, or marks piled on letters, are no accident."""
_MANY = 6
"""This many styled letters are no accident; fewer are ordinary, as in full-width abbreviations and circled sizes."""
_SAMPLE = 2_000
"""Characters that suffice to tell another language from a disguise."""
_REMEMBERED = 8192
"""Characters for which the result is cached."""
_MARKS = frozenset({"Mn", "Me"})
_SOFT_HYPHEN = "\u00ad"
"""Web pages put it inside words for good reasons. It is kept: tokenizers drop it, and it may separate two words."""
_LEFT_ALONE = (
    *(range(0x249C, 0x24B6), range(0x1F110, 0x1F12A)),
    *(range(0x1F150, 0x1F16A), range(0x1F170, 0x1F18A), range(0x1F1E6, 0x1F200)),
)
"""Letters that NFKC turns into three characters (in parentheses) or leaves alone (in filled circles and squares, and
the regional indicators that make up flags)."""
_COUNTRIES: Final = (
    "ACDEFGILMOQRSTUWXZ BABDEFGHIJLMNOQRSTVWYZ CACDFGHIKLMNOPQRUVWXYZ DEGJKMOZ EACEGHRSTU FIJKMOR "
    "GABDEFGHILMNPQRSTUWY HKMNRTU ICDELMNOQRST JEMOP KEGHIMNPRWYZ LABCIKRSTUVY MACDEFGHKLMNOPQRSTUVWXYZ "
    "NACEFGILOPRUZ OM PAEFGHKLMNRSTWY QA REOSUW SABCDEGHIJKLMNORSTVXYZ TACDFGHJKLMNORTVWZ UAGMNSYZ "
    "VACEGINU WFS XK YET ZAMW"
)
"""ISO 3166-1 codes with a flag: the first letter of each word here with every other one."""
_FLAGS: Final = frozenset(
    "".join(chr(0x1F1E6 + ord(letter) - ord("A")) for letter in (codes[0], second))
    for codes in _COUNTRIES.split()
    for second in codes[1:]
)
_FLAG_LETTERS = re.compile("[\U0001f1e6-\U0001f1ff]+")
_ORDINARY = frozenset("ªº™℠℡№℃℉")
"""Signs that fold to letters but are no disguise."""

_LATIN_ALPHABETS = 0x24F
"""The last of the Latin letters that languages are written with; phonetic and styled ones follow."""
_PHONETIC = range(0x250, 0x2B0)
_GREEK = range(0x370, 0x400)

_SAME: Final = 0
_STYLED: Final = 1
_ALIKE: Final = 2
_GONE: Final = 3
_MARK: Final = 4
_FOREIGN: Final = 5
_UNSUSPECTED: Final = frozenset({_SAME, _FOREIGN})
_CONTROL = lazy_pattern("[\x00-\x08\x0e-\x1b\x7f]")
_PLAIN = lazy_pattern("[\t-\r\x1c-\x7e\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]*")
"""Characters that disguise nothing: ASCII, kana, Han and Hangul, as in most long texts without spaces."""


class _Folded(NamedTuple):
    kind: int
    text: str


class _Table(dict[str, _Folded]):
    """A cache of what characters stand for; bounded, as a text may contain every character there is."""

    def __missing__(self, character: str) -> _Folded:
        if len(self) >= _REMEMBERED:
            self.clear()
        found = self[character] = _fold(character) if not character.isascii() else _Folded(_SAME, character)
        return found


def _fold(character: str) -> _Folded:
    """Return what a non-ASCII character stands for, and the kind of disguise."""
    code = ord(character)
    if _INVISIBLE.match(character):
        return _Folded(_GONE, "")
    for letters in _LEFT_ALONE:
        if code in letters:
            return _Folded(_STYLED, chr(ord("A") + code - letters.start))
    category = unicodedata.category(character)
    if category in _MARKS:
        return _Folded(_MARK, "")
    folded = unicodedata.normalize("NFKC", character)
    if character not in _ORDINARY and len(folded) == 1:
        if folded.isascii():
            return _Folded(_STYLED, folded)
        if folded in LOOK_ALIKES:
            # Small capitals and the like are Latin, no look-alikes from another script.
            latin = unicodedata.name(folded, "").startswith("LATIN")
            if not latin or code > _LATIN_ALPHABETS:
                return _Folded(_STYLED if latin else _ALIKE, LOOK_ALIKES[folded])
    foreign = category.startswith("L") and not unicodedata.name(character, "").startswith("LATIN")
    return _Folded(_FOREIGN if foreign else _SAME, character)


_FOLDED: Final = _Table()


class _Evidence:
    """Evidence of disguise in the words of one text so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.styled = 0
        """Styled letters; one in a word that also has ASCII letters counts as ``_MANY``."""
        self.alike = 0
        """Two per look-alike, one if it is Greek: a single Greek letter beside Latin ones belongs to a formula."""
        self.marks = 0
        self.certain = False
        """Whether something was found that no ordinary text holds."""

    @property
    def enough(self) -> bool:
        return self.certain or self.alike > 1 or self.styled >= _MANY or self.marks >= _FEW

    @lazy
    def whole(self) -> bool:
        """Whether every non-Latin letter of the sample looks like a Latin one: no language is written like that."""
        sample = self._text[:_SAMPLE]
        return not any(_FOLDED[character].kind == _FOREIGN for character in sample)

    @lazy
    def flags(self) -> bool:
        """Whether all regional indicators stand in pairs that are flags."""
        runs = (letters.group() for letters in _FLAG_LETTERS.finditer(self._text))
        return all(run[at : at + 2] in _FLAGS for run in runs for at in range(0, len(run), 2))


def unfolded(text: str) -> list[Undone]:
    """Return the edits that undo disguises of single characters in ``text``; none for ordinary text of any script."""
    if text.isascii():
        return _unstrewn(text) if not text.isprintable() and _CONTROL().search(text) else []
    if _PLAIN().fullmatch(text):
        return []
    secret = [
        Undone(one.start, one.end, "" if one.message is None else f" {one.message} ", one.channel)
        for one in hidden(text)
        if one.channel != "scattered"
    ]
    evidence = _Evidence(text)
    evidence.certain = bool(secret)
    edits = [edit for start, end in _words(text) for edit in _word(text, start, end, evidence)]
    if not evidence.enough:
        return _unstrewn(text)
    strewn = _unstrewn(text)
    if strewn:
        edits = sorted({edit.start: edit for edit in (*_singly(strewn), *edits)}.values())
    return _merged(secret, edits) if secret else edits


def _unstrewn(text: str) -> list[Undone]:
    from guardsdk.text.strewn import unstrewn  # noqa: PLC0415  hardly any text needs it

    return unstrewn(text)


def _singly(edits: list[Undone]) -> Iterator[Undone]:
    """Yield ``edits``, which remove something, as one edit per character, like those of words."""
    for edit in edits:
        for at in range(edit.start, edit.end):
            yield edit._replace(start=at, end=at + 1)


def _words(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the words of ``text`` that contain non-ASCII characters."""
    done = 0
    for match in _WORD.finditer(text):
        start = match.start()
        while start > done and text[start - 1].isascii() and text[start - 1].isalpha():
            start -= 1
        done = match.end()
        yield start, done


def _word(text: str, start: int, end: int, evidence: _Evidence) -> Iterator[Undone]:
    """Yield an edit for every disguised character of one word, and add to the ``evidence`` of disguise."""
    word = text[start:end]
    folded = _folded(word, evidence)
    kinds = {kind for kind, _ in folded}
    if kinds <= _UNSUSPECTED:
        return
    mixed = any(character.isascii() for character in word)
    latin = mixed or _STYLED in kinds
    alike = sum(one.kind == _ALIKE for one in folded)
    # A word of look-alikes only is a disguise as well, unless it is a word of its own script.
    swap = alike > 0 and (latin or (alike >= _FEW and _FOREIGN not in kinds and evidence.whole))
    # A word that still has other letters afterwards is a pronunciation as dictionaries write it.
    pure = all(one.text.isascii() for one in folded)
    piled = _piled(word) if latin and _MARK in kinds else 0
    evidence.marks += piled
    for at, (character, (kind, plain)) in enumerate(zip(word, folded, strict=True)):
        place = start + at
        if kind == _STYLED:
            if plain.isalpha() and (pure or ord(character) not in _PHONETIC):
                evidence.styled += _MANY if mixed else 1
            yield Undone(place, place + 1, plain, "styled", aligned=True)
        elif kind == _ALIKE and swap:
            evidence.alike += 1 if ord(character) in _GREEK else 2
            yield Undone(place, place + 1, plain, "look_alikes", aligned=True)
        elif kind == _GONE and latin and character != _SOFT_HYPHEN:
            # It proves something only between Latin letters: elsewhere joiners are part of how a script is written.
            if 0 < at < len(word) - 1 and all(
                folded[near].kind == _STYLED or word[near].isascii() for near in (at - 1, at + 1)
            ):
                evidence.certain = True
            yield Undone(place, place + 1, "", "invisible")
        elif kind == _MARK and piled:
            yield Undone(place, place + 1, "", "marks")


def _folded(word: str, evidence: _Evidence) -> list[_Folded]:
    if _FLAG_LETTERS.search(word) and evidence.flags:
        return [_Folded(_SAME, one) if _FLAG_LETTERS.match(one) else _FOLDED[one] for one in word]
    return [_FOLDED[character] for character in word]


def _piled(word: str) -> int:
    """Return the number of marks in ``word`` that do not compose with its letters, 0 if they are few."""
    composed = normal("NFC", word)
    marks = sum(unicodedata.category(character) in _MARKS for character in composed)
    return marks if 2 * marks >= len(composed) - marks else 0


def _merged(secret: list[Undone], edits: list[Undone]) -> list[Undone]:
    """Return both in order; an edit that overlaps a hidden passage gives way to it."""
    kept: list[Undone] = []
    at = 0
    for edit in edits:
        while at < len(secret) and secret[at].end <= edit.start:
            at += 1
        if at == len(secret) or edit.end <= secret[at].start:
            kept.append(edit)
    return sorted([*secret, *kept])
