"""The texts of one stream, assembled from the strings of its chunks."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from guardsdk.extract.pieces import is_answer, leads
from guardsdk.extract.together import items_together
from guardsdk.streaming.channel import Channel, LooseChannel
from guardsdk.streaming.together import TogetherChannel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.extract.pieces import Piece
    from guardsdk.streaming.channel import Window
    from guardsdk.text.segments import Pace

_Key = tuple[bool, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Part:
    """A string of a chunk and its position in a text."""

    channel: Channel
    start: int
    end: int
    text: str = field(repr=False)

    @property
    def changed(self) -> bool:
        """Whether it is released in changed form."""
        return self.channel.is_cut(self.start, self.end) or self.end > self.channel.released

    @property
    def written(self) -> str:
        """The form in which it is released."""
        return self.channel.written(self.start, self.end, self.text)


class Texts:
    """Each channel of the stream, and the joint text of several."""

    def __init__(self, pace: Pace) -> None:
        """Start empty."""
        self._pace = pace
        self._channels: dict[_Key, Channel] = {}
        self._places: dict[Channel, int] = {}
        """Index of each channel, in order of appearance."""
        self._growing: dict[_Key, Channel] = {}
        """Channels in which a segment may be complete, so that the cost does not grow with the number of channels."""
        self._before: dict[_Key, Channel] = {}
        """Channels that precede the answer, and have not been taken as ended since they last grew."""
        self._starts: dict[tuple[_Key, object], int] = {}
        self._lists: dict[tuple[str, ...], TogetherChannel] = {}
        self._last: Part | None = None
        self._length = 0
        """Total characters of all texts so far."""
        self._grew: dict[_Key, int] = {}
        """That total when each text last grew."""

    def due(self) -> tuple[list[Window], list[Channel]]:
        """Return the windows due for a check, and the channels that have ended meanwhile.

        Reasoning, calls and results of the provider's tools count as ended when a segment of the answer is complete and
        they have not grown for the length of the shortest segment. Otherwise they would hold the answer up until it
        ends.
        """
        growing = sorted(self._growing.items(), key=lambda one: self._places[one[1]])
        windows = {key: window for key, channel in growing if (window := channel.due()) is not None}
        self._growing = {key: channel for key, channel in growing if key in windows}
        if not any(is_answer(channel) for _, channel in windows):
            return list(windows.values()), []
        quiet = self._length - self._pace.shortest
        ended = [key for key in self._before if key not in windows and self._grew.get(key, 0) <= quiet]
        return list(windows.values()), sorted((self._before.pop(key) for key in ended), key=self.place)

    @property
    def channels(self) -> list[Channel]:
        """All channels, in order of appearance."""
        return list(self._channels.values())

    def place(self, channel: Channel) -> int:
        """Return the index of ``channel`` in ``channels``; 0 if unknown."""
        return self._places.get(channel, 0)

    def take(self, piece: Piece, where: tuple[str, ...]) -> Part:
        """Add a string of a chunk.

        A ``whole`` string repeats what arrived in parts before, so only the new text after that is added. If it
        differs, it becomes a text of its own.
        """
        last = self._last
        if not piece.tail or last is None:
            self._last = self._taken(piece, where)
        elif last.text.endswith(piece.text):
            return Part(last.channel, last.end - len(piece.text), last.end, piece.text)
        else:
            self._last = self._follow((piece.arguments, (*where, *piece.channel, "tail")), piece, piece.text)
        return self._last

    def _taken(self, piece: Piece, where: tuple[str, ...]) -> Part:
        own = (*where, *piece.channel)
        key = piece.arguments, own
        if not piece.whole:
            return self._follow(key, piece, piece.text)
        for again in count(1):
            channel = self._channels.get(key)
            start = self._starts.get((key, piece.place))
            known = "" if channel is None or start is None else channel.text[start:]
            if channel is not None and start is not None and known.startswith(piece.text):
                return Part(channel, start, start + len(piece.text), piece.text)
            if piece.text.startswith(known):
                rest = self._follow(key, piece, piece.text[len(known) :])
                return Part(rest.channel, self._starts[key, piece.place], rest.end, piece.text)
            key = piece.arguments, (*own, "again", again)
        raise AssertionError  # a text that does not exist yet accepts anything

    def _follow(self, key: _Key, piece: Piece, text: str) -> Part:
        """Append ``text`` to the channel."""
        if key not in self._channels:
            self._open(
                key,
                LooseChannel(self._pace)
                if piece.loose
                else Channel(self._pace, call=piece.call, written=piece.arguments),
            )
        channel = self._growing[key] = self._channels[key]
        if channel.call or leads(key[1]):
            self._before[key] = channel
        if (key, piece.place) not in self._starts:
            if channel.length:
                channel.feed(piece.between)
            self._starts[key, piece.place] = channel.length
        start = channel.length
        channel.feed(text)
        if text:
            self._length += len(text)
            self._grew[key] = self._length
        return Part(channel, start, channel.length, text)

    def _open(self, key: _Key, channel: Channel) -> None:
        self._channels[key] = channel
        self._places[channel] = len(self._places)

    def together(self, parts: Sequence[Part], where: tuple[str, ...]) -> tuple[TogetherChannel, int]:
        """Add ``parts``, those of a chunk that is a list, to the joint text of the lists before."""
        key = False, (*where, "together")
        if where not in self._lists:
            self._lists[where] = TogetherChannel(self._pace)
            self._open(key, self._lists[where])
        channel = self._growing[key] = self._lists[where]
        for part in parts:
            if not (part.channel.late or part.channel.unread):
                channel.add(part.text, part.channel)
        return channel, channel.length

    def calls(self) -> TogetherChannel | None:
        """Return the arguments of several tool calls as one text; ``None`` if there are fewer than two calls.

        Of calls with the same words, only the first counts.
        """
        called: dict[str, Channel] = {}
        for channel in self.channels:
            if channel.call and (words := channel.words):
                called.setdefault(words, channel)
        owners = list(called.values())
        if (said := items_together(list(called))) is None:
            return None
        together = TogetherChannel(self._pace)
        self._open((False, ("calls", "together")), together)
        for one in said.stretches:
            together.add(said.text[one.at : one.at + one.length], owners[one.source])
        return together
