"""The texts of a chunked answer, returning per chunk only the texts that have grown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from guardsdk.extract.pieces import around, channels_of, joined, texts_of
from guardsdk.extract.responses import ResponseText

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.extract.pieces import Channel, Piece

_Key = tuple[bool, "Channel"]


class Grown(NamedTuple):
    """A text of the answer so far, to which a chunk has added something."""

    name: object
    """Identifies this text across chunks."""
    text: str
    more: int
    """Characters that were added."""


class GrowingText:
    """Like ``ResponseText``, for reading after every chunk: the cost of a chunk does not grow with the other texts."""

    def __init__(self, extractor: Callable[[Any], object] | None = None) -> None:
        """Collect the result of ``extractor`` for each chunk, or the chunks as they are."""
        self._extractor = extractor
        self._channels: dict[_Key, list[Piece]] = {}
        self._texts: dict[object, dict[_Key, None]] = {}
        """The channels that make up one text, in order."""
        self._lengths: dict[object, int] = {}

    def add(self, chunk: object) -> list[Grown]:
        """Add the next chunk; return the texts it extends. Raises ``InputTypeError`` if it cannot be read as text."""
        response = ResponseText(self._extractor)
        response.add(chunk)
        names: dict[object, None] = {}
        for key, pieces in channels_of(response.pieces).items():
            self._channels[key] = joined([*self._channels.get(key, ()), *pieces])
            name = around(key[1]) or key
            self._texts.setdefault(name, {})[key] = None
            names[name] = None
        return [grown for name in names for grown in self._grown(name)]

    def _grown(self, name: object) -> list[Grown]:
        texts = texts_of((key[1], self._channels[key]) for key in self._texts[name])
        length = sum(map(len, texts))
        more = length - self._lengths.get(name, 0)
        self._lengths[name] = length
        return [Grown((name, place), text, more) for place, text in enumerate(texts)]
