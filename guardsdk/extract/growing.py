"""The texts of an answer that comes chunk by chunk: of each chunk those it adds to, whatever else was said before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from guardsdk.extract.pieces import around, channels_of, joined, texts_of
from guardsdk.extract.responses import ResponseText

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.extract.pieces import Channel, Piece

_Key = tuple[bool, "Channel"]


class Grown(NamedTuple):
    """A text of the answer as far as it has come, to which a chunk has added something."""

    name: object
    """The same for this text after every chunk."""
    text: str
    more: int
    """Characters by which it is longer than it was."""


class GrowingText:
    """As ``ResponseText``, for who asks after every chunk: texts it says nothing of make no chunk more work."""

    def __init__(self, extractor: Callable[[Any], object] | None = None) -> None:
        """Collect what ``extractor`` makes of each chunk, or the chunks as they are."""
        self._extractor = extractor
        self._channels: dict[_Key, list[Piece]] = {}
        self._texts: dict[object, dict[_Key, None]] = {}
        """The channels that make one text, in order."""
        self._lengths: dict[object, int] = {}

    def add(self, chunk: object) -> list[Grown]:
        """Take in the next chunk; return the texts it adds to. ``InputTypeError`` for what cannot be read as text."""
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
