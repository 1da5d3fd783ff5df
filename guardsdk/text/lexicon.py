"""Lexicons of other languages, with English glosses word for word.

A lexicon is a text file written for this project (``guardsdk/text/lexicons``), with one gloss and its forms per line;
``docs/languages.md`` describes the format. It is loaded when a text first needs it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from guardsdk.errors import GuardError
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.normal import normal

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping

LATIN: Final = "latin"
HAN: Final = "han"
SILENT: Final = "-"
"""The gloss of a form that has no English equivalent."""
STEM: Final = "*"
_MARKED: Final = frozenset({"latin", "greek", "cyrillic", "hebrew", "arabic"})
"""Scripts that people also write without marks; in other scripts a mark is a letter of its own."""
_FULL: Final = frozenset({"vi"})
"""Languages of those scripts in which another mark makes another word."""
_ALIKE: Final = dict(
    zip(
        "\u0142\u00f8\u0111\u0131\u0259\u0649\u0629\u06a9\u06cc\u06c0\u06be",
        "lodia\u064a\u0647\u0643\u064a\u0647\u0647",
        strict=True,
    )
)
"""Letters that people use for one another and that no decomposition makes equal, with those they become."""
_ODD = lazy_pattern(f"[{''.join(_ALIKE)}\u0640\u200b-\u200f]")
"""These, and characters that are dropped: the Arabic tatweel and zero-width ones."""
_MARKS = lazy_pattern(
    "[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0610-\u061a\u0670]"
)
"""Marks on letters of these scripts."""
_PART: Final = 4
"""Letters of the shortest part of a compound."""
_LINK: Final = "s"
"""The letter that may stand between two parts."""
_MOST_PARTS: Final = 3
_LONGEST: Final = 64
"""Letters beyond which a word is looked up only as it stands or by its stem: time stays linear in its length."""

LANGUAGES: Final[Mapping[str, tuple[str, ...]]] = {
    LATIN: (
        *("cs", "da", "de", "es", "fi", "fr", "hi-latn", "hu", "id", "it", "jv"),
        *("nb", "nl", "pl", "pt", "ro", "sv", "sw", "tl", "tr", "vi"),
    ),
    "greek": ("el",),
    "cyrillic": ("ru", "uk"),
    "hebrew": ("he",),
    "arabic": ("ar", "fa", "ur"),
    "devanagari": ("hi",),
    "bengali": ("bn",),
    "thai": ("th",),
    "hangul": ("ko",),
    "kana": ("ja",),
    HAN: ("zh",),
}
"""The languages that have a lexicon, by the script of their words."""
SPACELESS: Final = frozenset({"han", "kana", "thai"})
"""Scripts that put no spaces between words."""


class LexiconError(GuardError):
    """A lexicon cannot be read."""


def fold(word: str, *, full: bool) -> str:
    """Return ``word`` as lexicons have it: in lower case, composed, and without marks unless ``full``."""
    if word.isascii():
        return word.lower()
    word = _ODD().sub(_plain, word.casefold())
    if full:
        return normal("NFC", word)
    return normal("NFC", _MARKS().sub("", normal("NFKD", word)))


def _plain(match: re.Match[str]) -> str:
    return _ALIKE.get(match[0], "")


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The forms of one language and their English glosses."""

    code: str
    """The language, as in BCP 47."""
    full: bool
    """Whether marks tell words apart."""
    forms: dict[str, str] = field(repr=False)
    """Every form, folded, and its gloss; phrases have spaces."""
    stems: dict[str, str] = field(repr=False)
    """Beginnings of words, folded, and the gloss of all words that start with them."""
    longest: dict[str, int] = field(repr=False)
    """Most words of a form, by its first word; in scripts without spaces, most characters, by the first one."""
    strip: tuple[str, ...] = ()
    """Prefixes that a word may have, longest first."""
    compounds: bool = False
    """Whether the language joins words to new ones."""

    def word(self, word: str) -> str | None:
        """Return the gloss of one folded ``word``, empty if English has no equivalent; ``None`` if it is unknown."""
        found = self._whole(word)
        if found is not None or len(word) > _LONGEST:
            return found
        for prefix in self.strip:
            if word.startswith(prefix) and (found := self._whole(word[len(prefix) :])) is not None:
                return found
        return self._joined(word, _MOST_PARTS) if self.compounds else None

    def _whole(self, word: str) -> str | None:
        """Return the gloss of ``word`` as a form, else that of its longest stem, else ``None``."""
        found = self.forms.get(word)
        for size in range(min(len(word), _LONGEST), 1, -1) if found is None else ():
            if (found := self.stems.get(word[:size])) is not None:
                break
        return found

    def _joined(self, word: str, most: int) -> str | None:
        """Return the glosses of at most ``most`` forms that together make up ``word``; longer first forms win."""
        for size in range(len(word) - _PART, _PART - 1, -1) if most > 1 else ():
            head = self.forms.get(word[:size])
            if head is None:
                continue
            for rest in (word[size:], word[size + 1 :] if word[size] == _LINK else ""):
                if len(rest) >= _PART and (tail := self._whole(rest) or self._joined(rest, most - 1)):
                    return f"{head} {tail}".strip()
        return None


def parse(text: str, code: str, script: str) -> Lexicon:
    """Parse the ``text`` of a lexicon for ``code``, whose words are in ``script``.

    Raises ``LexiconError`` with the line number for a line that lacks a gloss, `` = `` or a form between two commas;
    what a form consists of is not checked.
    """
    full = script not in _MARKED or code in _FULL
    spaceless = script in SPACELESS
    forms: dict[str, str] = {}
    stems: dict[str, str] = {}
    strip: list[str] = []
    compounds = False
    # Folded as a whole: one form at a time takes ten times as long.
    for number, entry in enumerate(fold(text, full=full).split("\n"), 1):
        if not entry or entry[0] == "#":
            continue
        if entry == "@compounds":
            compounds = True
            continue
        gloss, equals, listed = entry.partition(" = ")
        given = listed.split(", ")
        if not equals or not gloss or not all(given):
            msg = f"{code}.txt:{number}: expected 'gloss = form, form, ...', found {entry[:40]!r}"
            raise LexiconError(msg)
        if gloss == "@strip":
            strip += given
            continue
        said = "" if gloss == SILENT else gloss
        for form in given:
            if form[-1] == STEM:
                stems.setdefault(form[:-1], said)
            else:
                forms.setdefault(form, said)
    return Lexicon(
        code,
        full,
        forms,
        stems,
        _lengths(forms, spaceless=spaceless),
        tuple(sorted(strip, key=len, reverse=True)),
        compounds,
    )


def _lengths(forms: Iterable[str], *, spaceless: bool) -> dict[str, int]:
    longest: dict[str, int] = {}
    for form in forms:
        first, size = (form[0], len(form)) if spaceless else (form.partition(" ")[0], form.count(" ") + 1)
        if size > longest.get(first, 1 - spaceless):
            longest[first] = size
    return longest


@cache
def lexicon(code: str, script: str) -> Lexicon:
    """Return the packaged lexicon of ``code``, read once per process."""
    return parse(_packaged(f"{code}.txt"), code, script)


COMMON: Final = "common.txt"
"""The commonest forms of all languages in Latin letters, to tell which lexicon to read: ``form = code code ...``."""


@cache
def common_forms() -> dict[str, tuple[str, ...]]:
    """Return the languages of each of the commonest forms, without marks; read once per process."""
    found: dict[str, tuple[str, ...]] = {}
    shared: dict[str, tuple[str, ...]] = {}  # most tuples are one of a few
    for line in _packaged(COMMON).splitlines():
        form, _, codes = line.partition(" = ")
        found[form] = shared.get(codes) or shared.setdefault(codes, tuple(codes.split()))
    return found


def _packaged(name: str) -> str:
    return files("guardsdk.text").joinpath("lexicons", name).read_text(encoding="utf-8")
