"""The chunks a stream holds back, in order, with their texts and what is known of them.

Without I/O or a model: the driver passes in chunks and verdicts and takes out what may be released.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from guardsdk.calling.handling import held_back, weight
from guardsdk.calling.redaction import edits_of
from guardsdk.errors import InputTypeError
from guardsdk.streaming.channel import Channel, Window
from guardsdk.streaming.combined import Seen, combined
from guardsdk.streaming.repeating import Repeating
from guardsdk.streaming.texts import Part, Texts
from guardsdk.streaming.together import TogetherChannel
from guardsdk.streaming.writing import Writing
from guardsdk.text.json_strings import spelled
from guardsdk.text.redact import apart, redact
from guardsdk.vault import Markers
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.calling.redaction import Criteria
    from guardsdk.streaming.repeating import Read
    from guardsdk.text.redact import Edit
    from guardsdk.text.segments import Pace
    from guardsdk.vault import Vault
    from guardsdk.verdict import Verdict

Pair = tuple[Window, "Verdict"]

NOTHING: Final = object()
"""Stands for no chunk, as ``None`` may be one."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A chunk and its strings, in reading order."""

    chunk: Any = field(repr=False)
    parts: tuple[Part, ...]
    together: tuple[TogetherChannel, int] | None = None
    """The joint text of a list's items, and where this chunk ends in it."""

    @property
    def passed(self) -> bool:
        """Whether no finding on the joint text of its items is against it."""
        return self.together is None or self.together[1] <= self.together[0].released

    @property
    def ready(self) -> bool:
        return self.passed and all(part.end <= part.channel.released for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings of one stream. Not shared, as ``markers`` belong to one call."""

    policy: Criteria
    markers: Markers
    pace: Pace
    whole: bool = True
    """Whether a text longer than its last window is checked again as a whole once it has ended."""
    extract: Callable[[Any], object] | None = None
    vault: Vault | None = None
    """The redacted values of the prompt, to be restored."""
    again: bool = False
    """Whether another answer may be asked for while nothing has been released; chunks without words then wait."""


class Held:
    """The chunks of one stream between its source and its reader."""

    def __init__(self, rules: Rules) -> None:
        """Start empty."""
        self._rules = rules
        self._texts = Texts(rules.pace)
        self._repeating = Repeating()
        self._writing = Writing(rules.extract, rules.vault)
        self._queue: deque[_Entry] = deque()
        self._first: _Entry | None = None
        """The first chunk with words."""
        self._waits = rules.again
        """Whether chunks without words wait for the first one with words."""
        self._returned: _Entry | None = None
        self._seen: list[Seen] = []
        self._repeated = 0
        """The number of checks that added nothing to others."""
        self._approved: dict[tuple[int, str], int] = {}
        self._ended = False
        self.done = False
        """Whether nothing more will be read: the last text of the source was taken out, or the stream was stopped."""
        self.stopped: Verdict | None = None
        """The verdict that ended the stream, if one did."""

    @property
    def checks(self) -> int:
        """The number of checks made."""
        return len(self._seen) + self._repeated

    @property
    def verdict(self) -> Verdict | None:
        """The checks so far as one verdict; ``None`` before the first."""
        return combined(self._seen, stopped=self.stopped) if self._seen else None

    def take(self, chunk: object) -> None:
        """Add the next chunk. Raises ``InputTypeError`` if it cannot be read as text."""
        self._queued(self._repeating.take(self._writing.read(chunk)))

    def finish(self, returned: object = None) -> None:
        """Record that the source has ended; its return value is screened too.

        It is a text of its own, as it may repeat the whole or say something else.
        """
        self._queued(self._repeating.rest())
        if returned is not None:
            self._returned = self._entry(self._writing.read(returned, data=True), "returned")
        self._ended = True

    def _queued(self, chunks: Sequence[Read]) -> None:
        for one in chunks:
            self._queue.append(entry := self._entry(one))
            if self._first is None and any(part.text and not part.channel.unread for part in entry.parts):
                self._first = entry

    def _entry(self, chunk: Read, *where: str) -> _Entry:
        parts = tuple(self._texts.take(piece, where) for piece in chunk[1])
        return _Entry(chunk[0], parts, self._texts.together(parts, where) if chunk[2] else None)

    def due(self) -> list[Window]:
        """Return what must be checked before anything else can be released; empty if the next chunk is needed."""
        if self.done:
            return []
        windows, ended = self._texts.due()
        if windows:
            return [*windows, *(window for channel in ended for window in self._rest(channel))]
        if not self._ended:
            return []
        self.done = True
        windows = [window for channel in self._texts.channels for window in self._rest(channel)]
        if (calls := self._texts.calls()) is not None:
            windows.append(Window(calls, 0, calls.length, calls.text, last=True))
        return windows or ([] if self._seen else [Window(Channel(self._rules.pace), 0, 0, "", last=True)])

    def _rest(self, channel: Channel) -> list[Window]:
        """Return what must be checked of a text that has ended."""
        if channel.late:
            settled = 0 < channel.length == channel.released
            texts = [] if settled else [channel.words, *filter(None, [channel.words_alone])]
            return [Window(channel, 0, channel.length, text, last=True) for text in texts]
        rest = channel.rest()
        if rest is None or rest.start == 0 or not self._rules.whole:
            return [] if rest is None else [rest]
        return [rest, Window(channel, 0, channel.length, channel.text, last=True)]

    def note(self, windows: Sequence[Window], verdicts: Sequence[Verdict]) -> list[Pair]:
        """Record the verdicts on ``windows``; return those that object to more than can be redacted.

        The heaviest comes first. Nothing is released before ``advance``.
        """
        against: list[Pair] = []
        for window, verdict in zip(windows, verdicts, strict=True):
            together = window.channel if isinstance(window.channel, TogetherChannel) else None
            if together is not None and not together.adds(window, verdict):
                self._repeated += 1
                continue
            self._seen.append(Seen(verdict, self._texts.place(window.channel), window.start))
            redacts = verdict.action is Action.REDACT  # but nothing is redacted from a joint text
            holds = together is not None if redacts else not self._is_approved(window, verdict)
            if holds and not verdict.allowed:
                against.append((window, verdict))
        return sorted(against, key=lambda pair: weight(pair[1]), reverse=True)

    def approve(self, window: Window, verdict: Verdict) -> None:
        """Accept the findings of ``verdict`` on ``window``: its principles, at their positions in this text."""
        for finding in verdict.findings:
            self._approved[self._texts.place(window.channel), finding.principle_id] = window.end

    def redacted(self, pairs: Sequence[Pair]) -> list[tuple[Window, str]]:
        """Return the windows with new redactions, each with its redacted text, to be checked again."""
        return [
            (window, redact(window.text, edits_of(self._rules.policy, verdict, window.text, Markers())))
            for window, verdict in pairs
            if not (verdict.allowed or isinstance(window.channel, TogetherChannel))
            and any(
                window.start + end > window.channel.released
                for finding in verdict.findings
                if finding.action is Action.REDACT
                for _, end in finding.spans
            )
        ]

    def stands_against(self, window: Window, verdict: Verdict) -> bool:
        """Return whether ``verdict``, on a window with redactions, still stops it: not enough was redacted."""
        own = self._texts.place(window.channel)
        approved = {one for (place, one), end in self._approved.items() if place == own and end > window.start}
        return held_back(verdict, approved)

    def _is_approved(self, window: Window, verdict: Verdict) -> bool:
        place = self._texts.place(window.channel)
        return verdict.principle_id is not None and all(
            window.start + finding.spans[-1][0] < self._approved.get((place, finding.principle_id), 0)
            for finding in verdict.findings
            if not (finding.action.passes or finding.action is Action.REDACT)
        )

    def advance(self, pairs: Sequence[Pair]) -> Verdict | None:
        """Release what was checked, with its redactions; return the verdict that demands one that is impossible.

        A passage that was released before anything objected to it can no longer be redacted.
        """
        of_each: dict[Channel, list[Pair]] = {}
        for window, verdict in pairs:
            of_each.setdefault(window.channel, []).append((window, verdict))
        for channel, own in of_each.items():
            edits: list[Edit] = []
            point = channel.length
            for window, verdict in own:
                found = self._spoken_edits(window, verdict) if channel.late else self._edits(window, verdict)
                if found is None:
                    return verdict
                edits += found[1]
                point = min(point, found[0])
            channel.advance(point, apart(edits, channel.length))
        return None

    def _edits(self, window: Window, verdict: Verdict) -> tuple[int, list[Edit]] | None:
        """Return how far the text may be released, with the edits up to there; ``None`` if an edit comes too late."""
        channel, policy = window.channel, self._rules.policy
        if isinstance(channel, TogetherChannel):
            return channel.point(window, ()), []
        settled = max(channel.released, channel.edits[-1][1] if channel.edits else 0) - window.start
        begun, kept = settled, []
        for finding in () if verdict.allowed else verdict.findings:
            if finding.action is not Action.REDACT:
                continue
            if any(channel.is_late((start + window.start, end + window.start), window) for start, end in finding.spans):
                return None
            spans = [span for span in finding.spans if span[1] > settled]
            begun = min([begun, *(start for start, _ in spans)])
            kept.append(finding.model_copy(update={"spans": tuple((max(start, settled), end) for start, end in spans)}))
        found = edits_of(policy, verdict.model_copy(update={"findings": tuple(kept)}), window.text, self._rules.markers)
        # The later part of a passage that grew after its first part was redacted is not a value by itself.
        first = {settled: begun}
        self._writing.cut(window.text, [(first.get(start, start), end, text) for start, end, text in found])
        # A redacted value is redacted wherever else it occurs, with or without the context that identified it.
        found += self._writing.cuts(window.text)
        placed = [(start + window.start, end + window.start, text) for start, end, text in found]
        edits = [edit for edit in (*placed, *self._restored(window)) if edit[0] >= settled + window.start]
        point = channel.point(window, [(start, end) for start, end, _ in edits])
        return point, [edit for edit in edits if edit[0] < point]

    def _restored(self, window: Window) -> list[Edit]:
        """Return where markers of the prompt's values occur in a window, with their replacements."""
        if (vault := self._rules.vault) is None or not (found := vault.found(window.text)):
            return []
        placed = [(start + window.start, end + window.start, value) for start, end, value in found]
        return vault.fitted(window.channel.text, placed)

    def _spoken_edits(self, window: Window, verdict: Verdict) -> tuple[int, list[Edit]] | None:
        """As ``_edits``, for the arguments of a tool call, whose values are located in the raw JSON."""
        written, edits = window.channel.text, self._restored(Window(window.channel, 0, 0, window.channel.text))
        if not verdict.allowed:
            cuts = edits_of(self._rules.policy, verdict, window.text, self._rules.markers)
            self._writing.cut(window.text, cuts)
            for start, end, instead in cuts:
                places = [at.span() for at in spelled(window.text[start:end]).finditer(written)]
                if not places:
                    return None
                edits += [(*place, instead) for place in places]
        edits += self._writing.cuts(written)
        released = window.channel.released  # where the call is released after all
        if any(start < released < end for start, end, _ in edits):
            return None
        return window.channel.length, [edit for edit in edits if edit[0] >= released]

    def stop(self, verdict: Verdict) -> None:
        """End the stream: text released before goes out, nothing after it."""
        self.stopped = verdict
        self.done = True

    def pop(self) -> Any:  # noqa: ANN401  a chunk of another library
        """Return the next chunk that may be released, the same object if unchanged, or ``NOTHING``.

        Raises ``InputTypeError`` if a chunk must be changed and cannot be.
        """
        if self._waits and self._wait():
            return NOTHING
        while self._queue and self._queue[0].ready:
            chunk = self._written(entry := self._queue.popleft())
            if chunk != "" or entry.chunk == "":  # a string that was redacted whole leaves nothing to return
                return chunk
        if not self._queue or self.stopped is None:
            return NOTHING
        entry = self._queue[0]
        # Of the chunk in which the stream stopped, the text before is released, but never half a tool call.
        self._queue.clear()
        whole = not entry.passed or any(part.channel.late for part in entry.parts)
        if whole or not any(part.written for part in entry.parts):
            return NOTHING
        with suppress(InputTypeError):
            return self._written(entry)
        return NOTHING

    def _wait(self) -> bool:
        """Return whether nothing may be released yet, as another answer may be asked for in place of this one."""
        if self.stopped is None:
            self._waits = not (self.done or (self._first is not None and self._first.ready))
            return self._waits
        return self.stopped.action is Action.REVISE

    @property
    def returned(self) -> Any:  # noqa: ANN401  whatever a generator returns
        """The return value of the source, as far as it may be released."""
        return None if self._returned is None else self._written(self._returned)

    def _written(self, entry: _Entry) -> Any:  # noqa: ANN401  of the type of the chunk
        return self._writing.chunk(entry.chunk, entry.parts, data=entry is self._returned)
