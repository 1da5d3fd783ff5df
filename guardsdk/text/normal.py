"""Unicode normal forms in linear time."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from guardsdk.text.lazy import lazy_pattern

if TYPE_CHECKING:
    from typing import Literal

_AT_ONCE: Final = 256
"""Characters normalized at a time: marks in a row are sorted in time that grows with the square of their number."""
_FIRST: Final = (
    "\x00-\u02ff\u0370-\u0482\u048a-\u058f\u05d0-\u05ea\u0620-\u064a\u0904-\u0939\u0e01-\u0e30\u1e00-\u1fff"
    "\u2000-\u206f\u3000-\u3029\u3041-\u3096\u30a1-\u30fa\u3400-\u9fff\uac00-\ud7a3"
)
"""Characters that never compose with what stands before them, at least one of which is in nearly all that is long."""
_PIECE = lazy_pattern(rf"(?s:.{{1,{_AT_ONCE}}}(?=[{_FIRST}]|\Z)|.{{1,{_AT_ONCE}}})")


def normal(form: Literal["NFC", "NFKC", "NFKD"], text: str) -> str:
    """Return ``text`` in normal form ``form``; a long one in pieces.

    They end where nothing is composed, unless that many characters in a row could be composed with the one before.
    """
    if len(text) <= _AT_ONCE:
        return unicodedata.normalize(form, text)
    return "".join(unicodedata.normalize(form, piece) for piece in _PIECE().findall(text))
