"""Words that are spelled openly but hard to read: letters set apart, and digits in place of letters."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from operator import add
from typing import TYPE_CHECKING, Final

from guardsdk.text.ciphers import deciphered
from guardsdk.text.english import (
    FORMS,
    built_as_sentence,
    known_share,
    plausible,
    reads_as_english,
    segment,
    words_of,
)
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.undo import Undone, undo

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACED = re.compile(r"(?<![^\W_])[^\W_](?:[\W_]{1,11}[^\W_](?![^\W_])){4,}")
"""Single letters in a row; between two of them may stand what separates list items in code, with a quoted space."""
_GAP = re.compile(r"[\W_]{1,11}")
_STRAY = "[^\x00-\u024f\u0300-\u036f\u1e00-\u1eff\u2000-\u206f\u3000-\u303f]"
"""A character that is no Latin letter, accent, quote or dash."""
_INSIDE = (
    r"(?:(?:[^\w\s<>'\u2019\x00-\x1f]|_){1,3}"
    r"|(?:</?[A-Za-z][A-Za-z0-9]{0,9}(?:\s[^<>]{0,100})?>|<!--[^<>]{0,100}-->){1,4}"
    f"|{_STRAY}{{1,3}})"
)
"""What has no place in a word: markup, signs and letters of other scripts. An apostrophe has: it makes another word."""
_SEAM = re.compile(f"(?<=[A-Za-z]){_INSIDE}(?=[A-Za-z])")
_PARTED = re.compile(
    rf"(?<![A-Za-z])[A-Za-z]+(?:{_INSIDE}[A-Za-z]+)+(?P<closed>\*{{1,3}}|~~|</[A-Za-z]{{1,10}}>|[\])}}])?"
)
_FEW_PARTED = 3
"""Fewest split words that are no accident: some words are spelled both with and without a hyphen."""
_TORN = lazy_pattern(r"(?<![^\W_])([A-Za-z]+)(-\n\s{0,12}|\s{1,12})(?=([A-Za-z]+)(?![^\W_]))")
"""A word, the gap after it, and the next word."""
_WORDS_BETWEEN = 4
"""Most words per torn one: in prose and code, pairs that happen to make a third word are farther apart."""
_MARKUP = lazy_pattern(r"[<*~\\-]|[^\x00-\x7f]")
"""Signs that cut a single letter off a word only in a disguise; full stops and brackets do so in code, too."""
LEFT_OUT: Final = "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\ue000-\uf8ff\ufffd\U000f0000-\U0010fffd"
"""Characters that tokenizers drop, for use inside a character class: the words on both sides are read as one."""
_LEFT_OUT = f"[{LEFT_OUT}]"
_CONTROL = lazy_pattern(_LEFT_OUT)
_SPLIT = lazy_pattern(f"(?<=[A-Za-z])(?:{_LEFT_OUT}|{_STRAY}){{1,3}}(?=[A-Za-z])")
_GLUED = lazy_pattern(f"(?<![A-Za-z])[A-Za-z]++(?:(?:{_LEFT_OUT}|{_STRAY}){{1,3}}[A-Za-z]++)+")
_SIGNS_ONLY = lazy_pattern(rf"(?:(?!{_LEFT_OUT})\W)+")
_MOSTLY = 0.6
"""Least share of letters in known words that glued words must have once separated."""
_TOGETHER = re.compile("[A-Za-z]{32,}")
_CAPITAL = lazy_pattern("[A-Z]?[a-z]+|[A-Z]")
_FEWEST_NAMED, _FEWEST_TOGETHER = 4, 6
"""Fewest words of a run that its capitals may separate, and of a sentence run together: names in code have fewer."""
_ALL_BUT_NAMES = 0.95
_USUAL_WORD = 4
"""Least average length of the words found: chance finds shorter ones."""
_ENGLISH = 0.5
"""Least share of letters in known words that a run of single letters must give."""
_SIGNS = "A-Za-z0-9@$!|"
_LEET = re.compile(f"(?<![{_SIGNS}])[A-Za-z]*[0-9@$!|][{_SIGNS}]*")
_SIGN = re.compile("[0-9@$!|]")
_MIXED = re.compile("[A-Za-z].*[0-9@$!|]|[0-9@$!|].*[A-Za-z]")
_ALL: Final = {"0": "o", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "6": "g", "2": "z"}
_PLAIN = str.maketrans(_ALL | {"@": "a", "$": "s", "1": "i", "!": "i", "|": "i"})
_OR_L = "1|!"
"""Signs that stand for an i or for an l."""
_MOST_CHOICES = 3
_NUMBERED = re.compile(r"[A-Za-z]+[0-9!|]+|[0-9]+[A-Za-z]{1,3}|[@$!|]+[A-Za-z]+[0-9!|]*|[A-Za-z]+[@$!|]+")
"""Names with a number, counted things, handles and variables: common, so disguised words only beside others."""
_LONGEST_WORD = 24
_SURE = 4
"""Letters of the shortest known word that is enough evidence by itself."""
_SHORT = 3
_ENOUGH = 2


def unspaced(text: str) -> list[Undone]:
    """Return the edits that close up spaced letters and split words, and that separate words run together.

    Only where that gives English words.
    """
    edits = [edit for match in _SPACED.finditer(text) for edit in _close(match.group(), match.start())]
    together = [edit for match in _TOGETHER.finditer(text) for edit in _part(match.group(), match.start())]
    parted = list(_parted(text)) if len(_SEAM.findall(text)) >= _FEW_PARTED else []
    glued = list(_glued(text)) if not text.isascii() or _CONTROL().search(text) else []
    torn = rejoined(text)
    if parted or together or glued or torn:
        first = {edit.start: edit for edit in (*torn, *glued, *parted)}.values()
        taken = {at for edit in edits for at in range(edit.start, edit.end)}
        edits = sorted([*edits, *together, *(edit for edit in first if edit.start not in taken)])
    return edits


def _glued(text: str) -> Iterator[Undone]:
    """Yield an edit for each thing that stands between words in place of a space, if there are several."""
    found: list[tuple[int, int]] = []
    for match in _GLUED().finditer(text):
        seams = [seam.span() for seam in _SPLIT().finditer(text, *match.span())]
        words = _SPLIT().split(match.group().lower())
        # Signs separate words anyway, and a word with one inside is recognized once it is closed up.
        if any(_SIGNS_ONLY().fullmatch(text, *seam) for seam in seams):
            continue
        if "".join(words) not in FORMS and known_share(words) >= _MOSTLY:
            found += seams
    if len(found) >= _FEW_PARTED:
        for start, end in found:
            yield Undone(start, end, " ", "glued")


def _part(run: str, start: int) -> Iterator[Undone]:
    """Yield an edit that adds a space after the last letter of each word of ``run`` but the last.

    Capitals say where words begin if these then read as a sentence; otherwise the letters are segmented.
    """
    words = _CAPITAL().findall(run)
    small = [word.lower() for word in words]
    if len(words) >= _FEWEST_NAMED and reads_as_english(small):
        if len(words) < _FEWEST_TOGETHER or not built_as_sentence(small):
            return  # a name
    else:
        words = segment(run.lower())
        many = _FEWEST_TOGETHER <= len(words) <= len(run) // _USUAL_WORD
        if not (many and known_share(words) >= _ALL_BUT_NAMES and reads_as_english(words)):
            return
    for end in itertools.accumulate(map(len, words[:-1])):
        yield Undone(start + end - 1, start + end, run[end - 1] + " ", "together")


def _parted(text: str) -> Iterator[Undone]:
    """Yield an edit for everything inside words that are known without it, if there are several such words."""
    found: list[list[tuple[int, int]]] = []
    for match in _PARTED.finditer(text):
        end = match.start("closed") if match["closed"] else match.end()
        parts = _SEAM.split(text[match.start() : end].lower())
        word = "".join(parts)
        cut = min(map(len, parts)) > 1 or _MARKUP().search(text, match.start(), end)
        if cut and len(word) >= _SURE and word in FORMS and not all(part in FORMS for part in parts):
            seams = [seam.span() for seam in _SEAM.finditer(text, match.start(), end)]
            found.append([*seams, match.span("closed")] if match["closed"] else seams)
    if len(found) >= _FEW_PARTED:
        for start, end in itertools.chain.from_iterable(found):
            yield Undone(start, end, "", "parted")


def rejoined(text: str) -> list[Undone]:
    """Return the edits that remove white space, and hyphens at line ends, inside words if a passage has much of it."""
    words = words_of(text)
    if len(words) - sum(map(FORMS.__contains__, words)) < _FEW_PARTED:  # each has a part that is no word
        return []
    if sum(map(FORMS.__contains__, map(add, words, words[1:]))) < _FEW_PARTED:  # as in nearly every text
        return []
    found: list[tuple[int, Undone]] = []
    for at, match in enumerate(_TORN().finditer(text)):
        first, second = match[1].lower(), match[3].lower()
        known = first + second in FORMS and len(first + second) >= _SURE
        if known and not (first in FORMS and second in FORMS) and (not found or found[-1][0] + 1 < at):
            found.append((at, Undone(*match.span(2), "", "torn")))
    dense = len(found) >= _FEW_PARTED and found[-1][0] - found[0][0] <= _WORDS_BETWEEN * len(found)
    return [edit for _, edit in found] if dense else []


def _close(run: str, start: int) -> Iterator[Undone]:
    """Yield an edit for every gap of ``run``: it is removed between letters, and becomes a space between words."""
    gaps = list(_GAP.finditer(run))
    usual = Counter(gap.group() for gap in gaps).most_common(1)[0][0]
    breaks = [gap.group() != usual for gap in gaps]
    letters = [run[0], *(run[gap.end()] for gap in gaps)]
    words = "".join(letter + " " * cut for letter, cut in zip(letters, [*breaks, False], strict=True)).lower()
    if 2 * sum(letter.isalpha() for letter in letters) < len(letters):
        return  # a list of numbers
    plain = words.translate(_PLAIN)
    if not any(breaks):
        cut_up = segment(plain)
        ends = set(itertools.accumulate(map(len, cut_up)))
        breaks = [at in ends for at in range(1, len(letters))]
        plain = " ".join(cut_up)
    found = words_of(plain)
    known = known_share(found) >= _ENGLISH and any(len(word) >= _SURE and word in FORMS for word in found)
    if not (known or deciphered(plain)):
        return
    for gap, cut in zip(gaps, breaks, strict=True):
        yield Undone(start + gap.start(), start + gap.end(), " " * cut, "spaced")


def unleeted(text: str) -> list[Undone]:
    """Return the edits that replace digits and signs by the letters they stand for, where that gives English words."""
    if not _SIGN.search(text):
        return []
    sure = False
    known_words = 0
    edits: list[Undone] = []
    single: list[re.Match[str]] = []
    for match in _LEET.finditer(text):
        word = match.group().rstrip("!|")
        if len(word) < _SHORT:
            single.append(match)
            continue
        plain = _letters(word)
        if plain is None:
            continue
        edits.append(Undone(match.start(), match.start() + len(word), plain, "leet", aligned=True))
        if plain.lower() in FORMS and not _NUMBERED.fullmatch(word):
            known_words += 1
            sure |= len(plain) >= _SURE
    if not sure and known_words < _ENOUGH:
        return _enciphered(text)
    return sorted([*edits, *_short(single, edits)])


def _enciphered(text: str) -> list[Undone]:
    """Return the edits for digits and signs in words of a cipher that becomes English once they are letters."""
    edits = [
        Undone(*match.span(), match.group().translate(_PLAIN), "leet", aligned=True)
        for match in _LEET.finditer(text)
        if len(match.group()) <= _LONGEST_WORD and _MIXED.search(match.group())
    ]
    if len(edits) < _FEW_PARTED:
        return []
    plain = undo(text, edits)[0]  # as long as before
    ciphers = iter(deciphered(plain))
    passage = next(ciphers, None)
    found: list[Undone] = []
    for edit in edits:
        while passage is not None and passage.end < edit.end:
            passage = next(ciphers, None)
        if passage is not None and passage.start <= edit.start:
            found.append(edit)
    return found


def _letters(word: str) -> str | None:
    """Return what ``word`` spells, at the same length, or ``None`` if it is no disguised word."""
    if len(word) > _LONGEST_WORD or not _MIXED.search(word):
        return None
    plain = word.translate(_PLAIN)
    if not plain.isalpha():
        return None
    places = [at for at, sign in enumerate(word) if sign in _OR_L][:_MOST_CHOICES]
    best: str | None = None
    for choice in itertools.product("il", repeat=len(places)):
        letters = list(plain)
        for at, letter in zip(places, choice, strict=True):
            letters[at] = letter
        spelled = "".join(letters)
        if spelled.lower() in FORMS:
            return spelled
        if best is None and plausible(spelled.lower()):
            best = spelled
    return best


def _short(single: list[re.Match[str]], edits: list[Undone]) -> Iterator[Undone]:
    """Yield the edits for words of one or two characters beside a disguised word: alone they are numbers."""
    beside = {edit.start - 1 for edit in edits} | {edit.end for edit in edits}
    for match in single:
        word = match.group().rstrip("!|")
        plain = word.translate(_PLAIN)
        near = match.start() - 1 in beside or match.start() + len(word) in beside
        if near and (plain.lower() in FORMS or plain in "aAiI"):
            beside.add(match.start() + len(word))
            yield Undone(match.start(), match.start() + len(word), plain, "leet", aligned=True)
