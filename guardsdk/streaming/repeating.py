"""Streams whose chunks each say all that came before once more: a text so far, and not its next stretch.

Programs that show a text while it grows yield it so. Joined, such chunks would be a text many times as long as what
anybody reads, and a value would go out with all but its last characters before it is known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.extract.pieces import Channel, Piece

Read = tuple[Any, "Sequence[Piece]", bool]
"""A chunk, its strings, and whether it is a list."""

_OFTEN: Final = 3
"""Chunks in a row, each all of the one before and more, from which that is how they come: stretches may begin alike."""
_LENGTH: Final = 20
"""Characters that the last of them says once more at the least: ``-``, ``--``, ``---`` may be stretches of a line."""


class Repeating:
    """Tells texts so far from stretches. Chunks that may be either wait for the next."""

    def __init__(self) -> None:
        """Begin with none."""
        self._last: tuple[Channel, str] | None = None
        self._waiting: list[Read] = []
        self._settled = False
        """Whether the chunks are texts so far."""

    def take(self, read: Read) -> list[Read]:
        """Take in a chunk; return those of which it is known by now how they go on, in order.

        The strings of texts so far are ``whole``: they do not follow on what is before.
        """
        _, pieces, listed = read
        said = None if listed else _only(pieces)
        if said is not None and self._settled and (not said[1] or self._goes_on(said)):
            self._last = said if said[1] else self._last
            return [_as_whole(read) if said[1] else read]
        before, self._settled = self._last, False
        if said is None or before is None or len(said[1]) <= len(before[1]) or not self._goes_on(said):
            self._last = said
            return [*self.rest(), read]
        self._last = said
        self._waiting.append(read)
        if len(self._waiting) < _OFTEN or len(before[1]) < _LENGTH:
            return []
        self._settled = True
        return [_as_whole(one) for one in self.rest()]

    def rest(self) -> list[Read]:
        """Return the chunks that wait, as the stretches they are if nothing more comes."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _goes_on(self, said: tuple[Channel, str]) -> bool:
        """Whether this says all of the chunk before, and of the same text."""
        channel, text = self._last or ((), "")
        return bool(text) and said[0] == channel and said[1].startswith(text)


def _only(pieces: Sequence[Piece]) -> tuple[Channel, str] | None:
    """Return the text of a chunk that has one, with its channel; none of one that has several, or says what it is."""
    if len(pieces) != 1 or pieces[0].whole or pieces[0].arguments or pieces[0].call or pieces[0].loose:
        return None
    return pieces[0].channel, pieces[0].text


def _as_whole(read: Read) -> Read:
    chunk, pieces, listed = read
    return chunk, [replace(piece, whole=True) for piece in pieces], listed
