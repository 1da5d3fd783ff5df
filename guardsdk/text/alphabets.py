"""Alphabets of simple substitution ciphers, as tables for ``str.translate``: both cases, ASCII letters only."""

from __future__ import annotations

import string
from functools import cache
from typing import Final

_LOWER: Final = string.ascii_lowercase
LETTERS: Final = len(_LOWER)


def _table(turned: str) -> dict[int, int]:
    return str.maketrans(_LOWER + _LOWER.upper(), turned + turned.upper())


@cache
def shifted(by: int) -> dict[int, int]:
    """Return the alphabet shifted by ``by`` letters, from 0 to 25 (the Caesar cipher)."""
    return _table(_LOWER[by:] + _LOWER[:by])


ROT13: Final = shifted(13)
ATBASH: Final = _table(_LOWER[::-1])
"""The mirrored alphabet: z for a, y for b."""
