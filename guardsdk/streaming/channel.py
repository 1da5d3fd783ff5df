"""One text of a stream, as far as it is known: what is due to be checked, and what may go out."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from guardsdk.extract.pieces import words_alone
from guardsdk.extract.words import is_code, leaves, parsed, spoken
from guardsdk.text.segments import LONGEST_VALUE, Segmenter, left_of, release_point

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardsdk.text.redact import Edit
    from guardsdk.text.segments import Pace

Span = tuple[int, int]

_KEPT = 4
"""How many times longer what a window keeps back may be than what goes out after it."""
_RUN = re.compile(r"(\s)\s+|([!-~])[!-~]+")
_START, _STOP = itemgetter(0), itemgetter(1)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a channel's text that is to be checked, as one text of its own."""

    channel: Channel = field(repr=False)
    start: int
    end: int
    text: str = field(repr=False)
    last: bool = False
    """Whether it is looked at because the text has ended."""


class Channel:
    """Positions count in the whole text of the channel, as it came from the source."""

    def __init__(self, pace: Pace, *, call: bool = False, written: bool = False) -> None:
        """Begin empty.

        Args:
            pace: How the text is cut.
            call: Whether a tool is called with it: it is checked when it is whole, and kept back until then.
            written: Whether it is JSON, as the arguments of a call are written: the words inside are what is checked.
        """
        self.call = call
        self.late = call or written
        """Whether it is checked only when it has ended."""
        self._written = written
        self.length = 0
        self.released = 0
        """Up to here it may go out."""
        self.edits: list[Edit] = []
        """What goes out instead, in order and apart; each begins before ``released``."""
        self._pace = pace
        self._segmenter = Segmenter(pace)
        self._ends: deque[int] = deque()
        self._parts: list[str] = []
        self._recent = ""
        self._dropped = 0

    def feed(self, piece: str) -> None:
        """Take in the next piece."""
        self.length += len(piece)
        self._parts.append(piece)
        if not self.late:
            self._recent += piece
            self._ends.extend(self._segmenter.feed(piece))

    @property
    def unread(self) -> bool:
        """Whether it is no words as far as it is known."""
        return False

    @property
    def text(self) -> str:
        """All of it."""
        self._parts = ["".join(self._parts)]
        return self._parts[0]

    @property
    def words(self) -> str:
        """What there is to check of it when it has ended."""
        return spoken(self.text) if self._written else self.text

    @property
    def words_alone(self) -> str:
        """Of JSON with identifiers and the like in it, what is said beside them; else nothing."""
        return words_alone(leaves(parsed(self.text))) if self._written else ""

    def due(self) -> Window | None:
        """Return the next segment that is complete, with all that was not released yet and something before it.

        Segments of which nothing could go out, within a private key for one, wait for the one that ends it; those of
        which little could, as between lines of a key, for others: each window holds all that is kept back once more.
        """
        while self._ends:
            end = self._ends.popleft()
            point = release_point(self._recent, end - self._dropped) + self._dropped
            if point > self.released and end - point <= _KEPT * (point - self.released):
                return self._window(end, last=False)
        return None

    def rest(self) -> Window | None:
        """Return what was not released when the text has ended, or none."""
        return self._window(self.length, last=True) if self.released < self.length else None

    def _window(self, end: int, *, last: bool) -> Window:
        start = left_of(self._recent, self._cut_since() - self._dropped, self._pace.left) + self._dropped
        return Window(self, start, end, self._between(start, end), last)

    def _cut_since(self) -> int:
        """Return where the first of a row of passages begins that were cut out up to here, else how far all is out.

        What told of the first, such as the head of a table, tells of the next one too, however far it is from it.
        """
        since = self.released
        for start, stop, _ in reversed(self.edits):
            if since - stop > self._pace.left or self.released - start > LONGEST_VALUE:
                break
            since = start
        return since

    def _between(self, start: int, end: int) -> str:
        return self._recent[start - self._dropped : end - self._dropped]

    def point(self, window: Window, spans: Iterable[Span]) -> int:
        """Return up to where the text may go out once ``window`` has passed but for ``spans``, which are cut out.

        A passage to be cut out is not begun before all of it is known, as far as ``LONGEST_VALUE`` goes.
        """
        if window.last:
            return window.end
        point = max(self.released, release_point(self._recent, window.end - self._dropped) + self._dropped)
        for start, end in sorted(spans, reverse=True):
            if start < point < end and window.end - start <= LONGEST_VALUE:
                point = max(self.released, start)
        return point

    def advance(self, point: int, edits: Iterable[Edit]) -> None:
        """Let the text go out up to ``point``, with ``edits`` made."""
        for start, end, written in edits:
            follows_on = bool(self.edits) and self.edits[-1][1] == start
            self.edits.append((start, end, "" if follows_on else written))
        self.released = max(self.released, point)
        keep = max(0, self.released - self._dropped - self._pace.left - LONGEST_VALUE)
        if keep > LONGEST_VALUE:
            self._recent = self._recent[keep:]
            self._dropped += keep

    def is_cut(self, start: int, end: int) -> bool:
        """Return whether any of these characters is cut out."""
        at = bisect_left(self.edits, end, key=_START)  # apart and in order, so only the last that begins before it
        return at > 0 and start < self.edits[at - 1][1]

    def is_late(self, span: Span, window: Window) -> bool:
        """Return whether a passage has gone out as it is, so that it can no longer be cut out.

        What begins with the window itself does not count: the window may have cut a longer word, which was allowed.
        """
        start, end = span
        return end <= self.released and not self.is_cut(start, end) and (start > window.start or window.start == 0)

    def written(self, start: int, end: int, text: str) -> str:
        """Return what goes out of ``text``, which stands from ``start`` to ``end``, as far as it may."""
        end = min(end, self.released)
        kept: list[str] = []
        at = start
        first, after = bisect_right(self.edits, start, key=_STOP), bisect_left(self.edits, end, key=_START)
        for begun, stop, instead in self.edits[first:after]:
            if begun >= start:
                kept += [text[at - start : begun - start], instead]
            at = max(at, min(stop, end))
        return "".join([*kept, text[at - start : max(at, end) - start]])


class LooseChannel(Channel):
    """The text of a field that nobody knows. As long as it looks like an identifier it goes out unread."""

    def __init__(self, pace: Pace) -> None:
        """Begin empty."""
        super().__init__(pace)
        self._shape = ""

    def feed(self, piece: str) -> None:
        """Take in the next piece."""
        super().feed(piece)
        if self.unread:
            self._shape = _RUN.sub(r"\1\2", self._shape + piece)
            if self.unread:
                self._ends.clear()
                self.advance(self.length, ())

    @property
    def unread(self) -> bool:
        """Whether it looks like an identifier so far."""
        return is_code(self._shape)
