"""Decides whether bytes are readable text."""

from __future__ import annotations

import codecs
import unicodedata
from typing import Final

from guardsdk.text.lazy import lazy_pattern

_UNREADABLE = lazy_pattern("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff\ud800-\udfff\ue000-\uf8ff]")
_SILENT = "".join(map(chr, (*range(9), 11, 12, *range(14, 32), 127)))
"""Control characters, which show nothing: at either end of a text they do not make it unreadable."""
_SHORTEST, _SHORTEST_AMONG = 4, 12
"""Characters of the shortest text, and of one between control characters: any key contains a few letters."""
_PROBE = 48
"""Bytes looked at before the rest is decoded: pictures and keys are long and show what they are at once."""
_MOST_BAD = 0.1
_LEAST_PLAIN = 0.6
"""Least share of letters, digits and spaces: prose has nine tenths, dense code two thirds, noise less."""
_UNREAD: Final = frozenset({"Mn", "Me", "Cf"})
"""Marks and invisible characters, which are not counted: letters may be hidden among them here, too."""
_CODES = lazy_pattern(r"[0-9A-Fa-fxX\s,;&#./|-]{24,}")
"""A text in numbers, entities or Morse code, with few letters or none: unpacked once, doubly packed text looks so."""


def readable(data: bytes) -> str | None:
    """Return ``data`` decoded as UTF-8 or UTF-16 if it is readable text, else ``None``.

    A few invalid bytes and a truncated last character are tolerated: a reader would overlook them, and a stricter
    decoder could be evaded with one wrong byte.
    """
    if len(data) < _SHORTEST:
        return None
    beginning = data[:_PROBE]
    if _judge(_decoded(beginning)) is None:
        after = data.lstrip(_SILENT.encode())[:_PROBE]
        if after == beginning or _judge(_decoded(after)) is None:
            return None
    return _judge(_decoded(data))


def _decoded(data: bytes) -> str:
    wide = len(data) * _LEAST_PLAIN
    kind = "utf-16-le" if data[1::2].count(0) * 2 > wide else "utf-16-be" if data[::2].count(0) * 2 > wide else "utf-8"
    return codecs.getincrementaldecoder(kind)("replace").decode(data)


def _judge(text: str) -> str | None:
    shown = text.strip(_SILENT)
    least = _SHORTEST if shown == text else _SHORTEST_AMONG
    if len(shown) < least or len(_UNREADABLE().findall(shown)) > _MOST_BAD * len(shown):
        return None
    read = shown if shown.isascii() else [one for one in shown if unicodedata.category(one) not in _UNREAD]
    plain = sum(character.isalnum() or character.isspace() for character in read)
    letters = any(character.isalpha() for character in read)
    is_text = letters and plain >= _LEAST_PLAIN * len(read)
    return text if is_text or _CODES().fullmatch(shown) else None
