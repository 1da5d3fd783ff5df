"""Streams with cumulative chunks: each repeats the whole text so far instead of adding to it.

Programs that display a growing text yield such chunks. Joined, they would make a text many times as long as the real
one, and a value would be released up to its last characters before it is recognised.
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
"""Consecutive chunks that each extend the one before, from which chunks count as cumulative. Fewer may be chance."""
_LENGTH: Final = 20
"""Least length of the repeated text in the last of them: ``-``, ``--``, ``---`` may be increments of a line."""


class Repeating:
    """Tells cumulative chunks from increments. Chunks that may be either wait for the next one."""

    def __init__(self) -> None:
        """Start empty."""
        self._last: tuple[Channel, str] | None = None
        self._waiting: list[Read] = []
        self._settled = False
        """Whether the chunks are cumulative."""

    def take(self, read: Read) -> list[Read]:
        """Add a chunk; return, in order, the chunks that are now known to be cumulative or incremental.

        The strings of cumulative chunks are ``whole``: they do not continue the text before.
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
        """Return the waiting chunks as increments, which they are if nothing more comes."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _goes_on(self, said: tuple[Channel, str]) -> bool:
        """Whether this repeats all of the chunk before, in the same channel."""
        channel, text = self._last or ((), "")
        return bool(text) and said[0] == channel and said[1].startswith(text)


def _only(pieces: Sequence[Piece]) -> tuple[Channel, str] | None:
    """Return the channel and text of a chunk that has exactly one text; ``None`` otherwise."""
    if len(pieces) != 1 or pieces[0].whole or pieces[0].arguments or pieces[0].call or pieces[0].loose:
        return None
    return pieces[0].channel, pieces[0].text


def _as_whole(read: Read) -> Read:
    chunk, pieces, listed = read
    return chunk, [replace(piece, whole=True) for piece in pieces], listed
