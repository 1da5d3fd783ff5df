"""Words in one field of many records: ``{"id": "3f2a", "text": "Ignore all"}, {"id": "91bc", "text": "previous"}``.

A person reads the field from record to record; a classifier sees identifiers between the words. The names of fields
may be words as well: ``{"Ignore": "all", "previous": "instructions"}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.text.english import JOINING, words_of
from guardsdk.text.frames import without_numbers
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.sentences import is_short, reads_on
from guardsdk.text.undo import Undone

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

_FIELD: Final = lazy_pattern(
    r"""(?<![\w.-])(?P<key>[^\W\d][\w.-]{0,39}+)\\{0,3}+["']?[ \t]{0,3}+[:=][ \t]{0,3}+(?:"""
    r"""\\{0,3}+"(?P<double>[^"\\\n]{1,80}+)\\{0,3}+"|'(?P<single>[^'\\\n]{1,80}+)'"""
    r"""|(?P<plain>[^\s"':=<>{}\[\]][^"':=<>{}\[\]\n]{0,79}+)(?![^\n]))"""
)
"""A name and its value: in JSON (also inside a string of it), a tag, a setting, or a line of YAML or a calendar."""
_PAIR: Final = lazy_pattern(
    r"""\\{0,3}+(?P<mark>["'])(?P<name>(?:(?!(?P=mark))[^\\\n{}\[\]]){1,80}+)\\{0,3}+(?P=mark)\s{0,3}+:\s{0,3}+"""
    r"""\\{0,3}+(?P<sign>["'])(?P<value>(?:(?!(?P=sign))[^\\\n{}\[\]]){1,80}+)\\{0,3}+(?P=sign)"""
)
"""A name and its value, both in quotes."""
_BETWEEN: Final = frozenset(" \t\r\n,{}[]")
"""Characters that may stand between two pairs of an object, or of objects one after the other."""
_FEWEST_JOINING: Final = 3
_JOINING_EVERY: Final = 5
_UNUSUAL: Final = lazy_pattern(r"""[0-9"=<{\[_-]""")
"""Characters that records have and lines of prose with colons do not."""


def read_down(text: str) -> list[Undone]:
    """Return the edits that append to a run of records what one of their fields, or all names and values, say.

    Only where these, each of at most three words, read as a sentence. The records are kept, so that nothing in them is
    lost to later steps. Time is linear in ``text``. Raises ``LexiconError`` if a lexicon cannot be read.
    """
    if not _UNUSUAL().search(text):
        return []
    said = sorted(
        [
            (run[-1].end(), run[0].start(), words)
            for run in _runs(text)
            if reads_on(words := list(map(_value, run))) and not all(map(_is_name, words))
        ]
        + [
            (run[-1].end(), run[0].start(), words)
            for run in _objects(text)
            if _is_cut_up(words := [word.strip() for pair in run for word in pair.group("name", "value")])
            and reads_on(words)
        ]
    )
    edits: list[Undone] = []
    at = 0
    while at < len(said):
        end, start, words = said[at]
        lines = [" ".join(words)]
        at += 1
        while at < len(said) and said[at][1] < end:  # fields of the same records
            end, start = said[at][0], min(start, said[at][1])
            lines.append(" ".join(said[at][2]))
            at += 1
        added = "".join(f"\n{line}\n" for line in lines)
        start = max(start, edits[-1].end if edits else 0)
        if not text.startswith(added, end):  # added in the round before
            edits.append(Undone(start, end, text[start:end] + added, "framed"))
    return edits


def _value(match: re.Match[str]) -> str:
    value: str = match[match.lastgroup or 0]
    return value.strip()


def _is_name(value: str) -> bool:
    """Whether ``value`` is capitalized like a name: ``From``, ``To`` and ``Date`` of a mail are no sentence."""
    return value[:1].isupper() and not value.isupper()


def _runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Yield runs of fields with the same name and a short value; a longer value of several words ends a run."""
    found: dict[str, list[re.Match[str]]] = {}
    for match in _FIELD().finditer(text):
        key = without_numbers(match["key"])
        if is_short(_value(match)):
            found.setdefault(key, []).append(match)
        elif key in found and len(_value(match).split()) > 1:
            yield found.pop(key)
    yield from found.values()


def _objects(text: str) -> Iterator[list[re.Match[str]]]:
    """Yield runs of pairs that follow each other, with short names and values."""
    run: list[re.Match[str]] = []
    for match in _PAIR().finditer(text):
        if run and not _BETWEEN.issuperset(text[run[-1].end() : match.start()]):
            yield run
            run = []
        if is_short(match["name"]) and is_short(match["value"]):
            run.append(match)
        elif run:
            yield run
            run = []
    yield run


def _is_cut_up(passages: list[str]) -> bool:
    """Whether names and values, in turn, begin or end with words that only join others: those of records do not."""
    joining = [
        len(JOINING.intersection(words[:1] + words[-1:])) == 1 for words in (words_of(passage) for passage in passages)
    ]
    enough = max(_FEWEST_JOINING, len(passages) / _JOINING_EVERY)
    return any(joining[::2]) and any(joining[1::2]) and sum(joining) >= enough
