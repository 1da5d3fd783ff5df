"""Translates text in other languages word for word into English, the only language the classifier knows.

Rough as it is, "how make a bomb at the house" suffices to tell what is asked for. Languages with reversed word order
are read backwards. Text that reads as English is not glossed, and words that no lexicon has are kept.
"""

from __future__ import annotations

from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.text.english import FORMS
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.lexicon import HAN, LANGUAGES, LATIN, SPACELESS, common_forms, fold, lexicon
from guardsdk.text.undo import GLOSS, Undone

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardsdk.text.lexicon import Lexicon

_MARKS: Final = "\u0300-\u036f"
_JOINERS: Final = "\u200c\u200d"
_ARABIC: Final = "[\u0620-\u065f\u066e-\u06d3\u06d5-\u06ef\u06fa-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufefc]"
_LATIN: Final = f"[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff{_MARKS}]"
# Underscores and one or two digits that touch a word are no part of it; with more, every bit of a code would be a word.
_WORDS = lazy_pattern(
    f"(?P<latin>(?<!\\w){_LATIN}++(?!\\w)"
    f"|(?<![^\\W_]){_LATIN}{{2,}}+(?![^\\W_])"
    f"|(?:(?<!\\w)|(?<=\\b\\d)|(?<=\\b\\d\\d)){_LATIN}{{3,}}+(?:(?!\\w)|(?=\\d{{1,2}}(?![^\\W_]))))"
    f"|(?P<greek>[\u0370-\u0373\u0376-\u037d\u0386\u0388-\u03ff\u1f00-\u1fff{_MARKS}]+)"
    f"|(?P<cyrillic>[\u0400-\u052f{_MARKS}]+)"
    "|(?P<hebrew>[\u05d0-\u05ea\ufb1d-\ufb4f][\u0591-\u05c7\u05d0-\u05ea\u05f3\u05f4\ufb1d-\ufb4f]*)"
    f"|(?P<arabic>{_ARABIC}[{_ARABIC[1:-1]}\u0610-\u061a{_JOINERS}]*)"
    f"|(?P<devanagari>[\u0900-\u0963\u0970-\u097f][\u0900-\u0963\u0970-\u097f{_JOINERS}]*)"
    f"|(?P<bengali>[\u0980-\u09e3\u09f0-\u09ff][\u0980-\u09e3\u09f0-\u09ff{_JOINERS}]*)"
    "|(?P<thai>[\u0e01-\u0e3a\u0e40-\u0e4e]+)"
    "|(?P<hangul>[\u1100-\u11ff\uac00-\ud7a3]+)"
    "|(?P<han>[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ebef]+)"
)
_KANA = lazy_pattern("[\u3040-\u30ff\u31f0-\u31ff]")
_BORDER = lazy_pattern(
    '[.!?;:\n\t|"()\\[\\]{}\u00ab\u00bb\u201c-\u201f\u2026\u00a1\u00bf\u0964\u0965\u061f\u061b\u06d4\u3002\u300c-\u300f\uff01\uff1f\uff1a\uff1b]'
)
"""What ends a passage, in any of these scripts."""
_PLAIN: Final = str.maketrans(
    "\u060c\u061b\u061f\u06d4\u0964\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f", ",;?..,.!,:;?", "\u00a1\u00bf"
)
"""Punctuation of other scripts, and that which the classifier knows."""
_OPENING: Final = frozenset("\u00a1\u00bf")
"""Opening marks that English does without."""
_STRANGE: Final = 3
"""Fewest non-English words in a text with other languages in Latin letters, or half of its words if less."""
_OWN: Final = {
    "cs": "\u010d\u010f\u011b\u0148\u0159\u0161\u0165\u016f\u017e",
    "da": "\u00e5\u00e6\u00f8",
    "de": "\u00e4\u00f6\u00fc\u00df",
    "es": "\u00f1",
    "fi": "\u00e4\u00f6",
    "fr": "\u00e7\u00e8\u00ea\u00ee\u0153",
    "hu": "\u00f6\u00fc\u0151\u0171",
    "it": "\u00e8\u00ec\u00f2\u00f9",
    "nb": "\u00e5\u00e6\u00f8",
    "pl": "\u0105\u0107\u0119\u0142\u0144\u00f3\u015b\u017a\u017c",
    "pt": "\u00e2\u00e3\u00e7\u00ea\u00f4\u00f5",
    "ro": "\u00e2\u0103\u00ee\u015f\u0163\u0219\u021b",
    "sv": "\u00e5\u00e4\u00f6",
    "tr": "\u00e7\u011f\u0131\u00f6\u015f\u00fc",
}
"""Letters that a language has and English lacks, except those that words of any of them may have."""
_LETTERS: Final = {
    letter: tuple(code for code, letters in _OWN.items() if letter in letters) for letter in "".join(_OWN.values())
}
_FEWEST_SHARE: Final = 0.5
"""Least share of the letters of a passage in Latin letters that must lie in words the language knows."""
_FEWEST_LETTERS: Final = 6
"""Letters of the shortest such passage."""
_GREEK: Final = "greek"
_FEWEST_GREEK: Final = 3
"""Letters of the longest word of such a passage: shorter ones are symbols of formulas and units."""
_AHEAD: Final = 0.1
"""By how much that share must exceed the one that English knows."""
_TRIED: Final = 3
_NEAR: Final = 0.6
"""A text in Latin letters is compared word by word with at most ``_TRIED`` languages: those that know at least
``_NEAR`` of what the likeliest knows at first sight."""
_KANA_SHARE: Final = 0.05
"""Least share of kana in a Japanese text; Chinese ones contain single Japanese names and words, too."""
HEAD_FINAL: Final = frozenset({"bn", "fa", "hi", "hi-latn", "ja", "ko", "tr", "ur"})
"""Languages that put last what English puts first: "bomb at-home make how" is "how make at-home bomb" backwards."""
_LEADING: Final = frozenset(
    ("i", "you", "he", "she", "we", "they", "how", "what", "why", "where", "when", "who", "please")
)
"""First words of glosses that come first in both orders, two glosses at most."""


class _Word(NamedTuple):
    script: str
    start: int
    end: int


def glossed(text: str) -> list[Undone]:
    """Return the edits that replace passages in other languages by English glosses; none for English.

    Raises ``LexiconError`` if a lexicon cannot be read.
    """
    passages = list(_passages(text))
    latin = _likeliest(text, [word for words in passages for word in words])
    return [edit for words in passages if (edit := _edit(text, words, latin)) is not None]


def _passages(text: str) -> Iterator[list[_Word]]:
    """Yield the words of each passage."""
    found: list[_Word] = []
    border = _BORDER()
    for match in _WORDS().finditer(text):
        start, end = match.span()
        if found and border.search(text, found[-1].end, start):
            yield found
            found = []
        found.append(_Word(match.lastgroup or LATIN, start, end))
    if found:
        yield found


def _likeliest(text: str, words: Sequence[_Word]) -> list[Lexicon]:
    """Return the lexicons of the languages the Latin ``words`` may belong to, likeliest first; none for English."""
    given = [text[word.start : word.end] for word in words if word.script == LATIN]
    least = min(_STRANGE, (len(given) + 1) // 2)
    if not given or sum(word.lower() not in FORMS for word in given) < least:
        return []
    letters: Counter[str] = Counter()
    found: Counter[str] = Counter()
    common = common_forms()
    for word in given:
        weight = len(word) // (1 + (word.lower() in FORMS))  # a word that English has, too, may be a loan
        for code in common.get(fold(word, full=False)) or _by_letter(word):
            letters[code] += weight
            found[code] += 1
    near = _NEAR * max(letters.values(), default=0)
    likely = [code for code, known in letters.most_common(_TRIED) if known >= near and 2 * found[code] >= least]
    return [lexicon(code, LATIN) for code in likely]


def _by_letter(word: str) -> Sequence[str]:
    """Return the languages that ``word`` may belong to, by its first letter that English lacks."""
    return () if word.isascii() else next(filter(None, map(_LETTERS.get, word.lower())), ())


def _edit(text: str, passage: Sequence[_Word], latin: Sequence[Lexicon]) -> Undone | None:
    """Return the edit that glosses one passage, ``None`` if no lexicon knows its words."""
    books = {script: _book(text, passage, script, latin) for script in {word.script for word in passage}}
    said: list[tuple[str, list[str]]] = []
    codes: dict[str, None] = {}
    at = 0
    gap = ""
    first = done = passage[0].start - (text[passage[0].start - 1 : passage[0].start] in _OPENING)
    while at < len(passage):
        word = passage[at]
        book = books[word.script]
        before = gap + text[done : word.start].translate(_PLAIN)
        glosses, after = ([], at + 1) if book is None else _glosses(text, passage, at, book)
        done = passage[after - 1].end
        gap = ""
        if book is None or glosses is None:
            said.append((before, [text[word.start : done]]))
        else:
            if word.script in SPACELESS:
                before, gap = f"{before} ", " "
            said.append((before, glosses))
            codes[book.code] = None
        at = after
    if not codes:
        return None
    if HEAD_FINAL.issuperset(codes):
        said = _mirrored(said)
    shown = [f"{before}{' '.join(filter(None, glosses))}" for before, glosses in said]
    end = done
    while end < len(text) and ord(text[end]) in _PLAIN and text[end] not in _OPENING:
        end += 1
    shown += (gap, text[done:end].translate(_PLAIN))
    return Undone(first, end, "".join(shown), "+".join(f"{GLOSS}{code}" for code in codes))


def _mirrored(said: Sequence[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Return ``said`` with the glosses of every clause reversed, except for leading ones such as ``how``."""
    clauses: list[tuple[str, list[str]]] = []
    for before, glosses in said:
        if not clauses or before.strip():
            clauses.append((before, []))
        clauses[-1][1].extend(filter(None, glosses))
    return [(before, _turned(glosses)) for before, glosses in clauses]


def _turned(glosses: Sequence[str]) -> list[str]:
    led = list(takewhile(lambda gloss: gloss.partition(" ")[0] in _LEADING, glosses[:2]))
    return [*led, *reversed(glosses[len(led) :])]


def _book(text: str, passage: Sequence[_Word], script: str, latin: Sequence[Lexicon]) -> Lexicon | None:
    """Return the lexicon that knows most of a passage's words in ``script``; ``None`` if none does or it is English."""
    given = [text[word.start : word.end] for word in passage if word.script == script]
    if script not in LANGUAGES:
        return None
    if script == HAN:
        written = "".join(given)
        kana = len(_KANA().findall(written)) > _KANA_SHARE * len(written)
        return lexicon(*(("ja", "kana") if kana else ("zh", HAN)))
    books = latin if script == LATIN else [lexicon(code, script) for code in LANGUAGES[script]]
    if script == _GREEK and max(map(len, given)) < _FEWEST_GREEK:
        return None
    if script != LATIN and len(books) == 1:
        return books[0]
    best, most = None, 0
    for book in books:
        known = sum(len(word) for word in given if book.word(fold(word, full=book.full)) is not None)
        if known > most:
            best, most = book, known
    if script == LATIN:
        letters, english = sum(map(len, given)), sum(len(word) for word in given if word.lower() in FORMS)
        if letters < _FEWEST_LETTERS or most < _FEWEST_SHARE * letters or most < english + _AHEAD * letters:
            return None
    return best


def _glosses(text: str, passage: Sequence[_Word], at: int, book: Lexicon) -> tuple[list[str] | None, int]:
    """Return the glosses of the form that begins at word ``at``, ``None`` if unknown, and the index after it."""
    word = passage[at]
    first = fold(text[word.start : word.end], full=book.full)
    if word.script in SPACELESS:
        return _running(first, book), at + 1
    words = [first]
    for other in passage[at + 1 : at + book.longest.get(first, 1)]:
        if other.script != word.script:
            break
        words.append(fold(text[other.start : other.end], full=book.full))
    for size in range(len(words), 1, -1):
        found = book.forms.get(" ".join(words[:size]))
        if found is not None:
            return [found], at + size
    found = book.word(first)
    return None if found is None else [found], at + 1


def _running(run: str, book: Lexicon) -> list[str]:
    """Return the glosses of a ``run`` without spaces, longest forms first; unknown characters are kept."""
    found: list[str] = []
    at = unknown = 0
    while at < len(run):
        for size in range(min(book.longest.get(run[at], 0), len(run) - at), 0, -1):
            gloss = book.forms.get(run[at : at + size])
            if gloss is not None:
                found += (run[unknown:at], gloss)
                at = unknown = at + size
                break
        else:
            at += 1
    return [*found, run[unknown:]]
