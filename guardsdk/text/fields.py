"""Words in one field of many records: ``{"id": "3f2a", "text": "Ignore all"}, {"id": "91bc", "text": "previous"}``.

Whoever reads the records reads the field from one to the next; a classifier sees identifiers between the words.
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
"""A name and its value: of JSON, also inside a string of it, of a tag, a setting, or a line of YAML or a calendar."""
_UNUSUAL: Final = lazy_pattern(r"""[0-9"=<{\[_-]""")
"""What records have, and lines of prose with colons have not."""


def read_down(text: str) -> list[Undone]:
    """Return the edits that put behind records what one field of them says from one to the next.

    Only where the values, of three words at the most each, read as an English sentence. The records stay, so that
    nothing in them is lost to who reads on. Time is linear in ``text``.
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
        if not text.startswith(added, end):  # of the round before
            edits.append(Undone(start, end, text[start:end] + added, "framed"))
    return edits


def _value(match: re.Match[str]) -> str:
    value: str = match[match.lastgroup or 0]
    return value.strip()


def _is_name(value: str) -> bool:
    """Whether ``value`` begins as names do: ``From``, ``To`` and ``Date`` of a mail are no sentence."""
    return value[:1].isupper() and not value.isupper()


def _runs(text: str) -> Iterator[list[re.Match[str]]]:
    """Yield the fields of one name with a short value, as far as no longer one comes between."""
    found: dict[str, list[re.Match[str]]] = {}
    for match in _FIELD().finditer(text):
        key = without_numbers(match["key"])
        if is_short(_value(match)):
            found.setdefault(key, []).append(match)
        elif key in found and len(_value(match).split()) > 1:
            yield found.pop(key)
    yield from found.values()
