"""One text of a stream as received so far: what is due for a check, and what may be released."""

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
"""How many times longer than the text it could release a window's held-back text may be."""
_RUN = re.compile(r"(\s)\s+|([!-~])[!-~]+")
_START, _STOP = itemgetter(0), itemgetter(1)


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a channel's text that is checked as a text of its own."""

    channel: Channel = field(repr=False)
    start: int
    end: int
    text: str = field(repr=False)
    last: bool = False
    """Whether it is checked because the text has ended."""


class Channel:
    """One text of a stream. Positions are offsets in the channel's whole text, as received from the source."""

    def __init__(self, pace: Pace, *, call: bool = False, written: bool = False) -> None:
        """Start empty.

        Args:
            pace: How the text is cut into segments.
            call: Whether it holds the arguments of a tool call, which are checked, and released, only when complete.
            written: Whether it is JSON, as arguments of a call are: the strings inside are checked.
        """
        self.call = call
        self.late = call or written
        """Whether it is checked only once it has ended."""
        self._written = written
        self.length = 0
        self.released = 0
        """The text before this offset may be released."""
        self.edits: list[Edit] = []
        """Replacements in the released text, in order and not overlapping; each begins before ``released``."""
        self._pace = pace
        self._segmenter = Segmenter(pace)
        self._ends: deque[int] = deque()
        self._parts: list[str] = []
        self._recent = ""
        self._dropped = 0

    def feed(self, piece: str) -> None:
        """Append the next piece."""
        self.length += len(piece)
        self._parts.append(piece)
        if not self.late:
            self._recent += piece
            self._ends.extend(self._segmenter.feed(piece))

    @property
    def unread(self) -> bool:
        """Whether, so far, it contains no words."""
        return False

    @property
    def text(self) -> str:
        """The whole text received."""
        self._parts = ["".join(self._parts)]
        return self._parts[0]

    @property
    def words(self) -> str:
        """The text to check once it has ended."""
        return spoken(self.text) if self._written else self.text

    @property
    def words_alone(self) -> str:
        """For JSON with identifiers and the like, the other strings alone; otherwise empty."""
        return words_alone(leaves(parsed(self.text))) if self._written else ""

    def due(self) -> Window | None:
        """Return the next complete segment, with all text not yet released and some text before it.

        A segment from which nothing could be released, as inside a private key, waits for the one that ends it. One
        from which little could be, as between lines of a key, waits for more, as each window repeats all that is held
        back.
        """
        while self._ends:
            end = self._ends.popleft()
            point = release_point(self._recent, end - self._dropped) + self._dropped
            if point > self.released and end - point <= _KEPT * (point - self.released):
                return self._window(end, last=False)
        return None

    def rest(self) -> Window | None:
        """Return the window of unreleased text once the text has ended, or ``None``."""
        return self._window(self.length, last=True) if self.released < self.length else None

    def _window(self, end: int, *, last: bool) -> Window:
        start = left_of(self._recent, self._cut_since() - self._dropped, self._pace.left) + self._dropped
        return Window(self, start, end, self._between(start, end), last)

    def _cut_since(self) -> int:
        """Return where the current row of redacted passages begins, or how far the text is released if there is none.

        Whatever identified the first passage, such as the head of a table, identifies the next, however far away it is.
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
        """Return how far the text may be released once ``window`` has passed, except for ``spans``, which are redacted.

        A passage to redact is not released in part before all of it is known, up to ``LONGEST_VALUE``.
        """
        if window.last:
            return window.end
        point = max(self.released, release_point(self._recent, window.end - self._dropped) + self._dropped)
        for start, end in sorted(spans, reverse=True):
            if start < point < end and window.end - start <= LONGEST_VALUE:
                point = max(self.released, start)
        return point

    def advance(self, point: int, edits: Iterable[Edit]) -> None:
        """Release the text up to ``point``, with ``edits`` applied."""
        for start, end, written in edits:
            follows_on = bool(self.edits) and self.edits[-1][1] == start
            self.edits.append((start, end, "" if follows_on else written))
        self.released = max(self.released, point)
        keep = max(0, self.released - self._dropped - self._pace.left - LONGEST_VALUE)
        if keep > LONGEST_VALUE:
            self._recent = self._recent[keep:]
            self._dropped += keep

    def is_cut(self, start: int, end: int) -> bool:
        """Return whether any of these characters is redacted."""
        at = bisect_left(self.edits, end, key=_START)  # in order and not overlapping, so only the last before it
        return at > 0 and start < self.edits[at - 1][1]

    def is_late(self, span: Span, window: Window) -> bool:
        """Return whether a passage has already been released unchanged, so that it can no longer be redacted.

        A passage that begins with the window does not count: the window may have cut a longer word, which was allowed.
        """
        start, end = span
        return end <= self.released and not self.is_cut(start, end) and (start > window.start or window.start == 0)

    def written(self, start: int, end: int, text: str) -> str:
        """Return what is released of ``text``, which lies between ``start`` and ``end``, as far as it may be."""
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
    """The text of an unknown field. While it looks like an identifier, it is released unchecked."""

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
