"""Are these bytes a text somebody could read?"""

from __future__ import annotations

import codecs

from guardsdk.text.late import late

_UNREADABLE = late("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ufffe\uffff\ud800-\udfff\ue000-\uf8ff]")
_SHORTEST = 4
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
    if len(data) < _SHORTEST or _judge(_decoded(data[:_PROBE])) is None:
        return None
    return _judge(_decoded(data))


def _decoded(data: bytes) -> str:
    wide = len(data) * _LEAST_PLAIN
    kind = "utf-16-le" if data[1::2].count(0) * 2 > wide else "utf-16-be" if data[::2].count(0) * 2 > wide else "utf-8"
    return codecs.getincrementaldecoder(kind)("replace").decode(data)


def _judge(text: str) -> str | None:
    if len(text) < _SHORTEST or len(_UNREADABLE().findall(text)) > _MOST_BAD * len(text):
        return None
    plain = sum(character.isalnum() or character.isspace() for character in text)
    letters = any(character.isalpha() for character in text)
    return text if letters and plain >= _LEAST_PLAIN * len(text) else None
