"""Unicode normal forms in linear time."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Literal

_AT_ONCE: Final = 256
"""Characters normalized at a time: marks in a row are sorted in time that grows with the square of their number."""


def normal(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """Return ``text`` in normal form ``form``; a long one in pieces, so nothing is composed across their ends."""
    if len(text) <= _AT_ONCE:
        return unicodedata.normalize(form, text)
    pieces = (text[at : at + _AT_ONCE] for at in range(0, len(text), _AT_ONCE))
    return "".join(unicodedata.normalize(form, piece) for piece in pieces)
