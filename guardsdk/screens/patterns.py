"""Patterns as data: read from a file on first use, tried only where a word of theirs is in the text.

Every pattern runs in time linear in the text: repeats are bounded and do not nest, which a test holds for each of them.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardsdk.errors import ScreenError
from guardsdk.forking import lazy
from guardsdk.screens.checksums import digits_of
from guardsdk.screens.validators import VALIDATORS, bits_per_character
from guardsdk.text.escapes import unquoted
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.redact import is_written

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from guardsdk.text.undo import Layer

_EDGE: Final = "A-Za-z0-9"
_DIGITS: Final = re.compile(r"[0-9][0-9 .()/+-]*")
_JOINT: Final = re.compile(r"[ -]+")
_SPACES: Final = "\u00a0\u2007\u2009\u202f\u3000"
_DASHES: Final = "\u2010\u2011\u2012\u2013\u2212"
_WIDE: Final = "".join(map(chr, range(0xFF01, 0xFF5F)))
_VARIANT: Final = lazy_pattern(f"[{_SPACES}{_DASHES}{_WIDE}]")
_PLAIN: Final = (
    dict.fromkeys(map(ord, _SPACES), " ")
    | dict.fromkeys(map(ord, _DASHES), "-")
    | {ord(char): chr(ord(char) - 0xFEE0) for char in _WIDE}
)
"""Spaces and dashes that keep a line together or come from typesetting, and wide letters, to the ASCII for each."""
_LONGEST_RETRY: Final = 64
"""A match that fails its validator and is longer than this is passed over whole: looking inside would cost too much."""
_DRAWN: Final = re.compile(
    r"x{4}|X{4}|\*{3}|\.{3}|<[A-Za-z][A-Za-z _-]{0,40}>|\$\{|\{\{|%\("
    r"|1234567890|0123456789|(?i:abcdefgh|\b(?:my|your|the)[-_])"
)
_STAND_INS: Final = (
    "changeme", "dummy", "example", "insert", "placeholder", "redacted", "replace", "sample", "yourapi", "your_",
    "your-",
)  # fmt: skip
_LONGEST: Final = 4096
"""Characters of the longest value in quotes, as of one in a stream."""
_UNBROKEN: Final = lazy_pattern(r"\S*")
_GOES_ON: Final = lazy_pattern(r"(?:[A-Za-z0-9+/=_-]|[\"'{}](?=[A-Za-z0-9]))*")
_MOST_BACKSLASHES: Final = 64
_BULLET: Final = r"[ \t>]{0,12}(?:[*•-]|[0-9]{1,2}[.)])[ \t]{1,3}"
_LISTED: Final = lazy_pattern(rf"(?:(?:\[|[=:]\s{{0,3}}\()\s{{0,12}}[\"']|(?:^|\n){_BULLET}[\"'`*_]{{0,3}})$")
"""What stands before the first value of a list: a bracket and a quote, or the sign or number of a line."""
_BEHIND: Final = r"[\"'`*_]{0,3}[ \t]{0,3}"
_NEXT: Final = lazy_pattern(
    r"(?P<quote>[\"'])\s{0,3},\s{0,40}(?P=quote)(?P<quoted>[^\s\"'`]{8,4096})(?=(?P=quote)\s{0,40}[,\])])"
    rf"|{_BEHIND}\s{{0,4}}\n{_BULLET}[\"'`*_]{{0,3}}(?P<line>[^\s\"'`]{{8,4096}}?)(?={_BEHIND}(?:[\r\n]|$))"
)
"""From the end of a value of a list to the next one and what ends it."""
_BEFORE: Final = 32
"""Characters before a value in which a list may begin."""
_CLOSERS: Final = {'"': '"', "'": "'", "`": "`", ">": "<"}
"""What stands before a value, to what stands behind it."""
_FEWEST_CHARACTERS: Final = 4
"""Different characters a secret has at least: ``aaaabbbb`` is a drawing of one."""


class Match(NamedTuple):
    """One value a pattern found."""

    name: str
    start: int
    end: int
    certainty: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pattern:
    """One kind of value: its shape, what it must be beyond that, and texts that show both."""

    name: str
    description: str
    regex: str
    """The whole match is the value, or the group ``v`` of it."""
    certainty: float
    """1.0 where arithmetic confirms the value, 0.9 for a maker's own format, 0.7 for a shape and the words around."""
    keywords: tuple[str, ...] = ()
    """In lower case; the pattern is tried only where one of them is somewhere in the text."""
    digits: int = 0
    """Without keywords: the pattern is tried only where that many digits stand in a row or in groups."""
    check: str | None = None
    """Name of the validator the value must pass."""
    bits: float = 0.0
    """Shannon entropy the value must exceed, in bits a character."""
    edges: bool = True
    """Whether an ASCII letter or digit right before or after the match rules it out."""
    cut: bool = False
    """Whether the value may end earlier, at a space or hyphen, where the whole fails its validator."""
    whole: bool = False
    """Whether the value goes on to what closes the quotes or element it fills, where the expression ends earlier."""
    listed: bool = False
    """Whether the value may be the first of a list, of which the others are values as well."""
    block: bool = False
    """Whether the value is a block of lines: what a comment in it says, or four letters of much base64, make it no
    stand-in, so that its validator has to tell."""
    matches: tuple[str, ...] = ()
    """Texts that hold one such value. A ``·`` stands for nothing: it keeps a repository's scanners quiet."""
    misses: tuple[str, ...] = ()
    """Texts that come near and hold none; read in the same way."""

    @cache  # noqa: B019  patterns live as long as the process
    def compiled(self) -> re.Pattern[str]:
        """Return the expression, compiled when it is first needed."""
        return re.compile(source_of(self))

    def examples(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the texts that match and those that do not, ready to be tried."""
        ready = [tuple(text.replace("·", "") for text in texts) for texts in (self.matches, self.misses)]
        return ready[0], ready[1]


@dataclass(frozen=True)
class PatternSet:
    """The patterns of one file."""

    patterns: tuple[Pattern, ...]
    known: tuple[str, ...]
    """Values printed in documentation, which are nobody's; a value that holds one of them is passed over."""
    stand_ins: bool
    """Whether values that are plainly made up to stand for a real one are passed over."""

    @lazy
    def _by_keyword(self) -> dict[str, tuple[Pattern, ...]]:
        words = dict.fromkeys(word for pattern in self.patterns for word in pattern.keywords)
        return {word: tuple(pattern for pattern in self.patterns if word in pattern.keywords) for word in words}

    @lazy
    def _by_digits(self) -> tuple[Pattern, ...]:
        return tuple(pattern for pattern in self.patterns if not pattern.keywords)

    def _due(self, text: str) -> Iterator[Pattern]:
        """Yield the patterns that have a chance: a few fast searches spare all the slow ones."""
        lowered = text.lower()
        by_word = (patterns for word, patterns in self._by_keyword.items() if word in lowered)
        yield from dict.fromkeys(pattern for patterns in by_word for pattern in patterns)
        if self._by_digits:
            most = max((len(digits_of(run)) for run in _DIGITS.findall(text)), default=0)
            yield from (pattern for pattern in self._by_digits if pattern.digits <= most)

    def find(self, text: str) -> list[Match]:
        """Return every value in ``text``, sorted by place; a value two patterns know is there twice.

        What strings of JSON and code escape is read as what it says: the ``n`` of an escaped end of line is no part of
        the key behind it, and a password ends before it. Spaces and dashes of other kinds, and wide letters, are read
        as those of ASCII. In a table a value is read behind the head of its column as well. Raises ``ScreenError``
        naming the pattern, and nothing of the text, where a validator fails.
        """
        said, layer = unquoted(text)
        if not said.isascii() and _VARIANT().search(said) is not None:
            said = said.translate(_PLAIN)  # one character for one, so that places stay
        found: list[Match] = []
        for pattern in self._due(said):
            for match in self._matches(pattern, said):
                start, end = layer.back(match.start, match.end)
                found.append(match._replace(start=start, end=_end(text, start, end) if pattern.whole else end))
        if "\n" in said:
            found += self._in_columns(said, layer)
        return sorted(found, key=lambda match: (match.start, match.end))

    def _in_columns(self, said: str, layer: Layer) -> Iterator[Match]:
        from guardsdk.text.columns import cells_named  # noqa: PLC0415  a text of one line does without

        for head, first, last in cells_named(said):
            shift = first - len(head) - 2
            for match in self.find(f"{head}: {said[first:last]}"):
                if match.start + shift >= first:
                    start, end = layer.back(match.start + shift, match.end + shift)
                    yield match._replace(start=start, end=end)

    def _matches(self, pattern: Pattern, text: str) -> Iterator[Match]:
        regex = pattern.compiled()
        group = "v" if "v" in regex.groupindex else 0
        place = 0
        while (match := regex.search(text, place)) is not None:
            start, end = match.span(group)
            try:
                length = 0 if is_written(text, start, end) else self._length(pattern, text[start:end])
            except Exception as error:  # noqa: BLE001  whatever it raises, its words may quote the text
                msg = f"pattern {pattern.name!r}: {type(error).__qualname__} in its validator"
                raise ScreenError(msg) from None
            if length:
                yield Match(pattern.name, start, start + length, pattern.certainty)
                place = max(start + length, match.start() + 1)
                if pattern.listed and length == end - start and _LISTED().search(text, max(0, start - _BEFORE), start):
                    yield from (others := list(self._listed(pattern, text, place)))
                    place = max([place, *(other.end for other in others)])
            else:
                place = match.start() + 1 if match.end() - match.start() <= _LONGEST_RETRY else match.end()

    def _listed(self, pattern: Pattern, text: str, place: int) -> Iterator[Match]:
        """Yield the values of a list behind one that ends at ``place``, up to the first that is none."""
        while (match := _NEXT().match(text, place)) is not None:
            start, place = match.span("quoted" if match["quoted"] else "line")
            if is_written(text, start, place):
                continue
            if not self._is_one(pattern, text[start:place]):
                return
            yield Match(pattern.name, start, place, pattern.certainty)

    def _length(self, pattern: Pattern, value: str) -> int:
        """Return how many characters of ``value`` are one, from its start: all, none, or up to a joint."""
        ends = [len(value)]
        if pattern.cut:
            ends += reversed([joint.start() for joint in _JOINT.finditer(value)])
        for end in ends:
            part = value[:end]
            if self._is_one(pattern, part):
                return end
        return 0

    def _is_one(self, pattern: Pattern, value: str) -> bool:
        if pattern.check is not None and not VALIDATORS[pattern.check](value):
            return False
        if pattern.bits and bits_per_character(value) <= pattern.bits:
            return False
        if any(known in value for known in self.known):
            return False
        return not (self.stand_ins and not pattern.block and stands_in(value))


def stands_in(value: str) -> bool:
    """Whether ``value`` is plainly made up to stand for a secret: a word for one, a drawn row, a variable."""
    lowered = value.lower()
    few = len(set(value)) < _FEWEST_CHARACTERS
    return few or _DRAWN.search(value) is not None or any(word in lowered for word in _STAND_INS)


def _end(text: str, start: int, end: int) -> int:
    """Return where the value ends that begins at ``start`` and goes on to ``end`` at least.

    A generated one may have quotes and brackets in it that end most others: one that fills a string or an element ends
    with that, if there is no white space before. Any other goes on as long as there are letters behind its signs.
    """
    closer = _CLOSERS.get(text[start - 1 : start])
    if closer is not None:
        depth = _backslashes(text, start - 1) + 1
        place, stop = end, _stop(_UNBROKEN(), text, end, start + _LONGEST)
        while (place := text.find(closer, place, stop)) >= 0:
            escaped = _backslashes(text, place) + 1
            if escaped % depth == 0 and escaped // depth % 2:  # in a string within strings it takes more of them
                return max(end, place - depth + 1)
            place += 1
    return _stop(_GOES_ON(), text, end, len(text))


def _stop(run: re.Pattern[str], text: str, start: int, stop: int) -> int:
    match = run.match(text, start, stop)
    return start if match is None else match.end()


def _backslashes(text: str, end: int) -> int:
    """Return how many backslashes stand before ``end``, of the last few characters."""
    before = text[max(0, end - _MOST_BACKSLASHES) : end]
    return len(before) - len(before.rstrip("\\"))


def source_of(pattern: Pattern) -> str:
    """Return the regular expression of ``pattern`` with what may not stand right beside a match."""
    return f"(?<![{_EDGE}])(?:{pattern.regex})(?![{_EDGE}])" if pattern.edges else pattern.regex


def load(path: Path) -> PatternSet:
    """Read a pattern file. Raises ``ScreenError`` that names the file and what is wrong in it."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        parts = content.pop("parts", {})
        patterns = tuple(_pattern(table, parts) for table in content.pop("pattern"))
        return PatternSet(patterns=patterns, **_frozen(content))
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"pattern file {path.name}: {error}"
        raise ScreenError(msg) from None


def _pattern(table: dict[str, Any], parts: dict[str, str]) -> Pattern:
    # An expression refers to a part as ``(?&name)``. Two rounds: a part may be made of others.
    for name, part in (*parts.items(), *parts.items()):
        table["regex"] = table["regex"].replace(f"(?&{name})", part)
    if (unknown := table["regex"].partition("(?&")[2]) != "":
        msg = f"there is no part {unknown.partition(')')[0]!r}"
        raise ValueError(msg)
    pattern = Pattern(**_frozen(table))
    if pattern.check is not None and pattern.check not in VALIDATORS:
        msg = f"pattern {pattern.name!r}: no validator is called {pattern.check!r}"
        raise ValueError(msg)
    return pattern


def _frozen(table: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
