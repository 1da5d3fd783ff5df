"""The texts of one stream, put together from the strings of its chunks."""

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
    """A string of a chunk: where it stands in which text."""

    channel: Channel
    start: int
    end: int
    text: str = field(repr=False)

    @property
    def changed(self) -> bool:
        """Whether something else goes out for it."""
        return self.channel.is_cut(self.start, self.end) or self.end > self.channel.released

    @property
    def written(self) -> str:
        """What goes out for it."""
        return self.channel.written(self.start, self.end, self.text)


class Texts:
    """Each channel of the stream, and what several of them say together."""

    def __init__(self, pace: Pace) -> None:
        """Begin with none."""
        self._pace = pace
        self._channels: dict[_Key, Channel] = {}
        self._places: dict[Channel, int] = {}
        """Which of them it is, in the order they came up in."""
        self._growing: dict[_Key, Channel] = {}
        """Those in which a segment may be complete: time does not grow with the number of all."""
        self._before: dict[_Key, Channel] = {}
        """Those that come before the answer goes on, and were not taken for ended since they were last added to."""
        self._starts: dict[tuple[_Key, object], int] = {}
        self._lists: dict[tuple[str, ...], TogetherChannel] = {}
        self._last: Part | None = None
        self._length = 0
        """Characters of all texts so far."""
        self._grew: dict[_Key, int] = {}
        """How many these were when each text was last added to."""

    def due(self) -> tuple[list[Window], list[Channel]]:
        """Return what has to be checked of the texts that go on, and the texts that have ended meanwhile.

        Thoughts, calls, and what the provider's tools found, have ended where a segment of the answer is complete and
        nothing was added to them for as long as the shortest segment: they would hold the answer up until it ends too.
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
        """All of them, in the order they came up in."""
        return list(self._channels.values())

    def place(self, channel: Channel) -> int:
        """Return which of ``channels`` it is; 0 for another."""
        return self._places.get(channel, 0)

    def take(self, piece: Piece, where: tuple[str, ...]) -> Part:
        """Take in a string of a chunk.

        One that is ``whole`` repeats what came in parts before: only what is new behind that is taken in. Where it
        says something else it is a text of its own.
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
        raise AssertionError  # pragma: no cover  a text that is not there yet takes anything

    def _follow(self, key: _Key, piece: Piece, text: str) -> Part:
        """Let ``text`` follow on what there is of the channel."""
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
        """Read ``parts``, those of a chunk that is a list, together with those of the lists before."""
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
        """Return what several tools are called with as one text; none where there are not two calls.

        Of calls with the same words it is the first.
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
