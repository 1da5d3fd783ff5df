"""Removes invisible characters strewn into packed, escaped or enciphered text, which would defeat the decoders.

A reader does not notice them. In plain words they are removed together with the disguises of single letters.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from guardsdk.text.blobs import unpacked
from guardsdk.text.ciphers import deciphered
from guardsdk.text.escapes import unescaped
from guardsdk.text.hidden import INVISIBLE
from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.spelling import LEFT_OUT, unleeted, unspaced
from guardsdk.text.undo import Undone, undo

if TYPE_CHECKING:
    from collections.abc import Callable

_PILED: Final = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
"""Marks that lie on any letter or digit."""
_BETWEEN = lazy_pattern(f"(?<=[\x20-\x7e])[{INVISIBLE}{LEFT_OUT}{_PILED}]+(?=[\x20-\x7e])")
_STEPS: Final[tuple[Callable[[str], list[Undone]], ...]] = (unescaped, unpacked, deciphered, unleeted, unspaced)
"""Steps that find something in the text without these characters, if anything is hidden there."""


def unstrewn(text: str) -> list[Undone]:
    """Return the edits that remove characters that show nothing, where a step then finds something to undo.

    Between ASCII characters only: elsewhere joiners and marks are part of how a script is written.
    """
    edits = [Undone(*match.span(), "", "invisible") for match in _BETWEEN().finditer(text)]
    if not edits:
        return []
    plain = undo(text, edits)[0]
    places: list[int] = []
    gone = 0
    for edit in edits:
        places.append(edit.start - gone)
        gone += edit.end - edit.start
    kept: set[int] = set()
    for step in _STEPS:
        for found in step(plain):
            # At its ends, too: text escaped sign by sign has them between the signs.
            kept.update(range(bisect_left(places, found.start), bisect_left(places, found.end + 1)))
    return [edit for at, edit in enumerate(edits) if at in kept]
