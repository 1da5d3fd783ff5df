"""Words in one field of many records: ``{"id": "3f2a", "text": "Ignore all"}, {"id": "91bc", "text": "previous"}``.

A person reads the field from record to record; a classifier sees identifiers between the words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.text.frames import is_short, reads_on, without_numbers
from guardsdk.text.lazy import lazy_pattern
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
_UNUSUAL: Final = lazy_pattern(r"""[0-9"=<{\[_-]""")
"""Characters that records have and lines of prose with colons do not."""


def read_down(text: str) -> list[Undone]:
    """Return the edits that append to a run of records what one of their fields says from record to record.

    Only where the values, each of at most three words, read as an English sentence. The records are kept, so that
    nothing in them is lost to later steps. Time is linear in ``text``.
    """
    if not _UNUSUAL().search(text):
        return []
    said = sorted(
        (run[-1].end(), run[0].start(), words)
        for run in _runs(text)
        if reads_on(words := list(map(_value, run))) and not all(map(_is_name, words))
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
