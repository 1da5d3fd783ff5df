"""Finds unreadable runs of characters: digests, keys, certificates, images in base64.

A classifier of words sees them as noise, and takes noise for an attack. What matters is the text around them.
"""

from __future__ import annotations

import base64
import json
import re
import string
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from guardsdk.limits import UNLIMITED
from guardsdk.text.alphabets import ROT13
from guardsdk.text.blobs import unpacked
from guardsdk.text.clean import SHORTEST_RUN
from guardsdk.text.english import FORMS, reads_as_english, segment, triples, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardsdk.limits import Limits

_CHARACTERS: Final = "A-Za-z0-9+/_=-"
_ESCAPE: Final = re.compile("%(?:2[BbFf]|3[Dd])")
"""A sign of base64 as escaped in URLs and forms."""
_ESCAPED: Final = {"%2b": "+", "%2f": "/", "%3d": "="}
# Mail and PEM break long runs into lines; a line of nothing but plain words continues none.
_WORDS_ALONE: Final = r"(?:[A-Z]?[a-z]+|[A-Z]+)(?:[-_/](?:[A-Z]?[a-z]+|[A-Z]+))*(?:[\r\n]|\Z)"
_RUN: Final = re.compile(
    rf"(?=[%{_CHARACTERS}]{{{SHORTEST_RUN}}})[{_CHARACTERS}]+(?:{_ESCAPE.pattern}[{_CHARACTERS}]*)*"
    rf"(?:\r?\n(?!{_WORDS_ALONE})[{_CHARACTERS}]{{4,}}(?=[\r\n]|\Z))*"
)
_TOKEN: Final = re.compile(r"(?<![\w-])eyJ[\w-]{16,}\.eyJ[\w-]{8,}\.[\w-]{16,}(?![\w-])", re.ASCII)
"""A JSON Web Token (RFC 7519): its claims are read unpacked, as a view."""
_DNA: Final = re.compile(
    "|".join(rf"[{one}]{{{SHORTEST_RUN},}}(?:\r?\n[{one}]+(?![^\r\n]))*" for one in ("ACGTN", "acgtn"))
)
"""DNA sequences: hardly any word has only these letters."""
_BASES: Final = frozenset("acgt")
_PIECE: Final = 64
"""Characters judged at a time: what surrounds a sentence must not drown it."""
_SHORTEST_CODE: Final = 6
"""Characters of the shortest number or key to blank: a year or a pair of digits may stand for a letter."""
_LONGEST_NUMBER: Final = 20
"""Digits of the longest number to blank: a longer one may be a text in numbers."""
_IN_CODE: Final = re.compile("[A-Za-z0-9]{4}")
"""Part of every code; letters written as numbers, joined, have no more than three digits in a row."""
_DIGIT, _GAP = re.compile("[0-9]"), re.compile(r"(\s+)")
_MOSTLY_CODES, _DIGITS_AMONG_CODES = 0.8, 1 / 16
"""Least shares of codes and of digits in the characters of a text that is little else than codes."""
_SHOWN: Final = 4
"""Characters of a run that are kept, so that something remains in its place."""
_REPEATED: Final = re.compile(r"(.)\1+")
"""A repeated character, as in plain areas of a picture."""
_MARKS: Final = re.compile("[^A-Za-z0-9]+")
_MOST_MARKS: Final = 0.15
"""Largest share of characters other than letters and digits: base64 has .03, words joined by them far more."""
_CHANGE: Final = re.compile("[a-z](?=[A-Z0-9])|[A-Z](?=[a-z0-9])|[0-9](?=[A-Za-z])")
_CHANGES: Final = 1 / 6
"""Least share of characters followed by another kind of character; names and addresses have less, random data more."""
_DIGITS: Final = 1 / 40
_KINDS: Final = 8
"""At least one in this many characters is a small letter, and one a capital."""
_FEW: Final = 16
"""Characters (or letter triples) of the shortest piece that can say anything among random ones."""
_WORDS: Final = 0.3
"""Least share of letters in words of a run that may say something."""
_TELLING: Final = 4
"""Letters of the shortest word that is hardly there by chance."""
_LEET: Final = tuple(str.maketrans("01345789", f"o{one}eastbg", "26") for one in "il")
"""Tables of the letters that digits are written for, with 1 for i and for l."""
_NO_DIGITS: Final = str.maketrans("", "", string.digits)
"""Drops digits that only stand between letters or words."""
_TRIPLES: Final = 0.5
"""Least share of letter triples that English words have, too: other languages have .6 or more, random data .1 to .4."""
_HEX, _HEXES = re.compile("[0-9A-Fa-f]+"), re.compile("[0-9A-Fa-f]{32,}")
_LETTERS: Final = f" {string.ascii_letters}".encode()
_SHOWS: Final = re.compile(rb"[\x20-\x7e\r\n\t]{16,}")
"""Text among bytes: hardly ever there by chance."""
_LONG: Final = 48
_SPACES: Final = 6
"""Spaces in the shortest sentence of any language among bytes; the names in certificates have fewer."""
_CAPITALS: Final = 0.1
"""Largest share of capitals in a short sentence; the names in certificates have more."""


def without_opaque(text: str, limits: Limits = UNLIMITED) -> str:
    """Return ``text`` with blanks in place of unreadable runs, except for the first characters of each.

    In a text that consists mostly of numbers and keys, such as a list of orders, only the first characters of the first
    one are kept. Every other character keeps its position, and a text without such runs is returned as the same object.
    Runs that decode to text or contain words are kept, except web tokens, whose claims are read as a view. Linear in
    the length of ``text``; once ``limits`` have passed, the rest is kept.
    """
    shown = text
    if max(map(len, text.split()), default=0) >= SHORTEST_RUN:
        shown = _RUN.sub(partial(_blanked, limits), _DNA.sub(_blanked_dna, _TOKEN.sub(_blanked_token, text)))
    if _DIGIT.search(text):
        shown = _without_codes(shown)
    return text if shown == text else shown


def _without_codes(text: str) -> str:
    """Blank numbers, keys and identifiers in a text of little else; the beginning of the first one is kept."""
    if len(text) - len(text.translate(_NO_DIGITS)) < _DIGITS_AMONG_CODES * len(text):
        return text
    parts = _GAP.split(text)
    codes = [
        at for at, part in enumerate(parts) if _SHORTEST_CODE <= len(part) < SHORTEST_RUN and _IN_CODE.search(part)
    ]
    least = _MOSTLY_CODES * sum(map(len, parts[::2]))
    if sum(len(parts[at]) for at in codes) < least:
        return text
    codes = [at for at in codes if _is_code(parts[at])]
    if sum(len(parts[at]) for at in codes) < least or unpacked(text):
        return text
    for nth, at in enumerate(codes):
        kept = "" if nth else parts[at][:_SHOWN]
        parts[at] = kept.ljust(len(parts[at]))
    return "".join(parts)


def _is_code(word: str) -> bool:
    core = _MARKS.sub("", word)
    letters = core.translate(_NO_DIGITS)
    if not letters or letters == core:
        return not letters and len(core) <= _LONGEST_NUMBER
    # Nobody writes two letters in three as digits.
    return not _wordy(letters if 3 * len(letters) < len(core) else core)


def _blanked_token(match: re.Match[str]) -> str:
    """Blank header and claims if they are JSON objects; the signature is a run like any other."""
    head, claims, signature = match[0].split(".")
    if not (_is_object(head) and _is_object(claims)):
        return match[0]
    return f"{head[:_SHOWN].ljust(len(head) + 1 + len(claims))}.{signature}"


def _is_object(part: str) -> bool:
    """Whether ``part`` of a web token is a JSON object in URL-safe base64."""
    try:
        return isinstance(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))), dict)
    except (ValueError, RecursionError):  # neither base64, nor UTF-8, nor JSON, or nested too deeply
        return False


def _blanked_dna(match: re.Match[str]) -> str:
    run = match[0]
    return run[:_SHOWN] + " " * (len(run) - _SHOWN) if set(run.lower()) >= _BASES else run


def _blanked(limits: Limits, match: re.Match[str]) -> str:
    run = match[0]
    if len(run) < SHORTEST_RUN or limits.passed:  # the percent sign ahead begins another escape
        return run
    packed = _ESCAPE.sub(lambda mark: _ESCAPED[mark[0].lower()], run)
    # Text among bytes, such as the names in a certificate, is what views are for.
    is_text = any((edit.end - edit.start) * 2 > len(packed) for edit in unpacked(packed))
    if is_text or not _drawn(packed) or _holds_text(packed):
        return run
    marked = _ESCAPE.sub("+++", run)  # as long as before
    cuts = [0, *range(_PIECE, len(run) - SHORTEST_RUN + 1, _PIECE), len(run)]
    shown = "".join(
        run[start:end] if limits.passed or _says_something(marked[start:end]) else " " * (end - start)
        for start, end in pairwise(cuts)
    )
    return run[:_SHOWN] + shown[_SHOWN:]


def _drawn(run: str) -> bool:
    """Whether ``run`` looks as if drawn at random from hexadecimal digits, or from digits and letters of both cases.

    Base64 in letters of one case does not count: something can be made out in it.
    """
    packed = _REPEATED.sub(r"\1", "".join(run.split()).rstrip("="))
    core = _MARKS.sub("", packed)
    least = len(core) / _KINDS
    large, small, digits = (sum(map(kind, core)) for kind in (str.isupper, str.islower, str.isdigit))
    return (
        len(core) >= (1.0 - _MOST_MARKS) * len(packed)
        and _DIGITS * len(core) < digits < len(core)
        and (min(large, small) >= least or _HEX.fullmatch(core.removeprefix("0x")) is not None)
        and _changes(core)
    )


def _changes(core: str) -> bool:
    return len(_CHANGE.findall(core)) >= _CHANGES * len(core)


def _holds_text(run: str) -> bool:
    """Whether the bytes packed in ``run`` are mostly letters, or contain a sentence, forwards or backwards."""
    core = "".join(run.split()).replace("-", "+").replace("_", "/").replace("=", "")
    if any(len(data.translate(None, _LETTERS)) <= len(data) / 2 for data in _packed(core)):
        return True
    ways = (data for way in (core, core[::-1]) for data in _packed(way))
    return any(_sentence(found.decode()) for data in ways for found in _SHOWS.findall(data))


def _packed(core: str) -> Iterator[bytes]:
    """Yield the bytes packed in ``core``, as base64 and hexadecimal, for every offset they may begin at."""
    for skip in range(4):
        yield base64.b64decode(core[skip : len(core) - (len(core) - skip) % 4])
    for digits in _HEXES.findall(core):
        for skip in range(2):
            yield bytes.fromhex(digits[skip : len(digits) - (len(digits) - skip) % 2])


def _sentence(found: str) -> bool:
    """Whether ``found`` is a sentence: a longer one in any language, or one in English, with or without spaces."""
    if len(found) >= _LONG and found.count(" ") >= _SPACES:
        return True
    if sum(map(str.isupper, found)) > _CAPITALS * len(found):
        return False
    words = [part for word in words_of(found) for part in segment(word)]
    return sum(word in FORMS for word in words) >= _SPACES and reads_as_english(words)


def _says_something(piece: str) -> bool:
    """Whether a reader of ``piece`` may find something in it."""
    core = _MARKS.sub("", _REPEATED.sub(r"\1", piece))
    return len(core) >= _FEW and (not _changes(core) or _wordy(core))


def _wordy(core: str) -> bool:
    """Whether ``core`` contains words, also backwards or in rot13, and with digits for or between letters.

    Words of other languages are recognized by their letter triples only.
    """
    known = _parts()
    # The few letters of hexadecimal digits make words and triples by chance.
    is_hex = _HEX.fullmatch(core) is not None
    for table in _LEET if is_hex else (*_LEET, _NO_DIGITS):
        letters = core.lower().translate(table)
        for way in (letters, letters[::-1], letters.translate(ROT13)):
            if not is_hex and _sounds(way):
                return True
            least = _WORDS * len(way)
            parts = sum(way[at : at + _TELLING] in known for at in range(len(way) - _TELLING + 1))
            if parts * _TELLING >= least and least <= sum(
                len(word) for word in segment(way) if len(word) >= _TELLING and word in FORMS
            ):
                return True
    return False


def _sounds(letters: str) -> bool:
    known = triples()
    size = len(letters) - 2
    return size >= _FEW and sum(letters[at : at + 3] in known for at in range(size)) >= _TRIPLES * size


@cache
def _parts() -> frozenset[str]:
    """Return all sequences of four letters in known words."""
    return frozenset(word[at : at + _TELLING] for word in FORMS for at in range(len(word) - _TELLING + 1))
