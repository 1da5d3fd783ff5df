"""Are these bytes a text somebody could read?"""

from __future__ import annotations

import codecs

from guardsdk.text.late import late

_UNREADABLE = late("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff\ud800-\udfff\ue000-\uf8ff]")
_SILENT = "".join(map(chr, (*range(9), 11, 12, *range(14, 32), 127)))
"""Control characters, which show nothing: at either end of a text they are nobody's reason not to read it."""
_SHORTEST, _SHORTEST_AMONG = 4, 12
"""Characters of a text, and of one among control characters: a few letters are in any key."""
_PROBE = 48
"""Bytes looked at before the rest is decoded: pictures and keys are long and show what they are at once."""
_MOST_BAD = 0.1
_LEAST_PLAIN = 0.6
"""Share of letters, digits and spaces: prose has nine tenths, dense code two thirds, noise less."""


def readable(data: bytes) -> str | None:
    """Return ``data`` as text where it is one, in UTF-8 or UTF-16, else None.

    A few bytes that fit nowhere are allowed, and a character cut off at the end: a reader would get over them, and a
    decoder that does not is got round with one wrong byte.
    """
    beginnings = data[:_PROBE], data.lstrip(_SILENT.encode())[:_PROBE]
    if len(data) < _SHORTEST or all(_judge(_decoded(one)) is None for one in beginnings):
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
    plain = sum(character.isalnum() or character.isspace() for character in shown)
    letters = any(character.isalpha() for character in shown)
    return text if letters and plain >= _LEAST_PLAIN * len(shown) else None
