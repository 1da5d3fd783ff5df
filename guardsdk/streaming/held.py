"""What a stream holds back: chunks in their order, the texts in them, and what is known of those texts.

No input or output and no model: whoever drives it gives it chunks and verdicts, and takes out what may go on.
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
"""No chunk; ``None`` may be one."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A chunk and its strings, in the order they were read in."""

    chunk: Any = field(repr=False)
    parts: tuple[Part, ...]
    together: tuple[TogetherChannel, int] | None = None
    """What the places of a list say together, and where this chunk ends in it."""

    @property
    def passed(self) -> bool:
        """Whether nothing stands against what its places say together."""
        return self.together is None or self.together[1] <= self.together[0].released

    @property
    def ready(self) -> bool:
        return self.passed and all(part.end <= part.channel.released for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a stream is screened by. Shared by nobody: ``markers`` belong to one call."""

    policy: Criteria
    markers: Markers
    pace: Pace
    whole: bool = True
    """Whether a text longer than its last window is checked once more as a whole when it has ended."""
    extract: Callable[[Any], object] | None = None
    vault: Vault | None = None
    """The values of the prompt, to be put back in."""
    again: bool = False
    """Whether another answer may be asked for, as long as nothing has gone out: no chunk goes before words do."""


class Held:
    """The chunks of one stream between its source and its reader."""

    def __init__(self, rules: Rules) -> None:
        """Hold nothing yet."""
        self._rules = rules
        self._texts = Texts(rules.pace)
        self._repeating = Repeating()
        self._writing = Writing(rules.extract, rules.vault)
        self._queue: deque[_Entry] = deque()
        self._first: _Entry | None = None
        """The first chunk with words."""
        self._waits = rules.again
        """Whether chunks without words wait for it."""
        self._returned: _Entry | None = None
        self._seen: list[Seen] = []
        self._repeated = 0
        """Checks that said no more than others."""
        self._approved: dict[tuple[int, str], int] = {}
        self._ended = False
        self.done = False
        """Whether nothing more will be read: the last words of the source were given out, or it was stopped."""
        self.stopped: Verdict | None = None
        """The verdict that ended the stream, where one did."""

    @property
    def checks(self) -> int:
        """How many checks were made."""
        return len(self._seen) + self._repeated

    @property
    def verdict(self) -> Verdict | None:
        """The checks so far as one verdict; none before the first."""
        return combined(self._seen, stopped=self.stopped) if self._seen else None

    def take(self, chunk: object) -> None:
        """Take in the next chunk. Raises ``InputTypeError`` where it cannot be read as text."""
        self._queued(self._repeating.take(self._writing.read(chunk)))

    def finish(self, returned: object = None) -> None:
        """Take note that the source has ended; what it returned is screened too.

        As a text of its own: it may say the whole once more, or something else.
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
        """Return what has to be checked before anything else can go on; nothing where the next chunk is needed."""
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
        """Return what has to be checked of a text that has ended."""
        if channel.late:
            settled = 0 < channel.length == channel.released
            texts = [] if settled else [channel.words, *filter(None, [channel.words_alone])]
            return [Window(channel, 0, channel.length, text, last=True) for text in texts]
        rest = channel.rest()
        if rest is None or rest.start == 0 or not self._rules.whole:
            return [] if rest is None else [rest]
        return [rest, Window(channel, 0, channel.length, channel.text, last=True)]

    def note(self, windows: Sequence[Window], verdicts: Sequence[Verdict]) -> list[Pair]:
        """Take note of the verdicts on ``windows``; return those that hold against them more than can be cut out.

        The heaviest comes first. Nothing goes on before ``advance``.
        """
        against: list[Pair] = []
        for window, verdict in zip(windows, verdicts, strict=True):
            together = window.channel if isinstance(window.channel, TogetherChannel) else None
            if together is not None and not together.adds(window, verdict):
                self._repeated += 1
                continue
            self._seen.append(Seen(verdict, self._texts.place(window.channel), window.start))
            redacts = verdict.action is Action.REDACT  # but nothing is cut out of several places
            holds = together is not None if redacts else not self._is_approved(window, verdict)
            if holds and not verdict.allowed:
                against.append((window, verdict))
        return sorted(against, key=lambda pair: weight(pair[1]), reverse=True)

    def approve(self, window: Window, verdict: Verdict) -> None:
        """Let pass what ``verdict`` holds against ``window``: its principles, where they begin in this text."""
        for finding in verdict.findings:
            self._approved[self._texts.place(window.channel), finding.principle_id] = window.end

    def redacted(self, pairs: Sequence[Pair]) -> list[tuple[Window, str]]:
        """Return the windows with something newly to be cut out, each as it reads without: to be checked once more."""
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
        """Return whether ``verdict``, on a window with passages cut out, holds it back: not enough was cut out."""
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
        """Let go on what was checked, with what is to be cut out cut out; return the verdict that asks for what cannot.

        A passage that was released before anybody objected to it cannot be cut out any more.
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
        """Return up to where the text may go out, and the changes up to there; none where one comes too late."""
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
        # Of a passage that has grown since its first part was cut out, the rest by itself is no value.
        first = {settled: begun}
        self._writing.cut(window.text, [(first.get(start, start), end, text) for start, end, text in found])
        # What was cut out once goes wherever else it stands, with or without what told of it the first time.
        found += self._writing.cuts(window.text)
        placed = [(start + window.start, end + window.start, text) for start, end, text in found]
        edits = [edit for edit in (*placed, *self._restored(window)) if edit[0] >= settled + window.start]
        point = channel.point(window, [(start, end) for start, end, _ in edits])
        return point, [edit for edit in edits if edit[0] < point]

    def _restored(self, window: Window) -> list[Edit]:
        """Return where markers of the prompt's values stand in a window, and what to write for them."""
        if (vault := self._rules.vault) is None or not (found := vault.found(window.text)):
            return []
        placed = [(start + window.start, end + window.start, value) for start, end, value in found]
        return vault.fitted(window.channel.text, placed)

    def _spoken_edits(self, window: Window, verdict: Verdict) -> tuple[int, list[Edit]] | None:
        """As ``_edits`` for the arguments of a tool call, whose values are looked for in how they are written."""
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
        released = window.channel.released  # where a call goes on after all
        if any(start < released < end for start, end, _ in edits):
            return None
        return window.channel.length, [edit for edit in edits if edit[0] >= released]

    def stop(self, verdict: Verdict) -> None:
        """End the stream: what was released before goes out, nothing after it."""
        self.stopped = verdict
        self.done = True

    def pop(self) -> Any:  # noqa: ANN401  a chunk of somebody else's
        """Return the next chunk that may go out, the same object where nothing in it was changed, or ``NOTHING``.

        Raises ``InputTypeError`` where a chunk has to be changed and cannot be.
        """
        if self._waits and self._wait():
            return NOTHING
        while self._queue and self._queue[0].ready:
            chunk = self._written(entry := self._queue.popleft())
            if chunk != "" or entry.chunk == "":  # of a string that was cut out whole nothing is left to give
                return chunk
        if not self._queue or self.stopped is None:
            return NOTHING
        entry = self._queue[0]
        # Of the chunk in which the stream was stopped, the words before; half a tool call is none.
        self._queue.clear()
        whole = not entry.passed or any(part.channel.late for part in entry.parts)
        if whole or not any(part.written for part in entry.parts):
            return NOTHING
        with suppress(InputTypeError):
            return self._written(entry)
        return NOTHING

    def _wait(self) -> bool:
        """Return whether nothing may go out yet, since another answer may be asked for in place of all of it."""
        if self.stopped is None:
            self._waits = not (self.done or (self._first is not None and self._first.ready))
            return self._waits
        return self.stopped.action is Action.REVISE

    @property
    def returned(self) -> Any:  # noqa: ANN401  whatever a generator returns
        """What the source returned, as far as it may go out."""
        return None if self._returned is None else self._written(self._returned)

    def _written(self, entry: _Entry) -> Any:  # noqa: ANN401  of the type of the chunk
        return self._writing.chunk(entry.chunk, entry.parts, data=entry is self._returned)
