"""Model calls that a framework reports by id, from their start to their end or error."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from guardsdk.extract.growing import GrowingText

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

MOST: Final = 4096
"""The most calls tracked at once. One that was dropped is still checked, without its prompt as context."""
MOST_CHARS: Final = 32_000_000
"""The most characters of prompts kept at once: LangChain reports no end of a cancelled call, and its prompt may be
long."""
STREAM_TAIL: Final = 1000
"""Characters before a chunk that are checked with it, more for a long chunk; the whole answer is checked at the end."""
BLOCKS_CHARS: Final = 4000
"""Characters of blocks that are at least checked together when one of them ends, more if that one is longer."""
BLOCKS_AGAIN: Final = 8
"""How many times the length of an answer may be read for checks of all its blocks together. What its text says from
block to block counts, as where instructions are recited, however much lies between. But with a check of all for each of
many blocks, the cost per block would grow with their number."""


@dataclass(slots=True)
class Run:
    """One model call."""

    context: str | None
    system: str | None
    answer: GrowingText
    _blocks: list[Any] = field(default_factory=list)
    """The finished blocks of an answer that arrives as protocol events."""
    _ends: list[int] = field(default_factory=lambda: [0])
    """How many characters the blocks have up to each of them."""
    _reread: int = 0
    """Characters read so far for checks of all blocks together."""
    _due: dict[object, str] = field(default_factory=dict)
    """The end of each text that has grown, until it has passed a check."""
    _passed: dict[object, str] = field(default_factory=dict)

    def take(self, chunk: object) -> list[str]:
        """Add a chunk of the answer, and return the texts that must pass a check before it may be released.

        Raises ``InputTypeError`` if it cannot be read as text.
        """
        for name, text, more in self.answer.add(chunk):
            end = text[-max(STREAM_TAIL, STREAM_TAIL // 2 + more) :].strip()  # all new text, however long
            if end and end != self._passed.get(name):
                self._due[name] = end
        return sorted(set(self._due.values()))

    def passed(self) -> None:
        """Record that the texts due have passed."""
        self._passed |= self._due
        self._due.clear()

    def ended(self, block: str | dict[str, Any]) -> list[Any]:
        """Add a finished block; return it preceded by the earlier blocks it must be checked with."""
        blocks, ends = self._blocks, self._ends
        blocks.append(block)
        ends.append(length := ends[-1] + len(str(block)))
        if self._reread + length <= BLOCKS_AGAIN * length:
            self._reread += length
            return [*blocks]
        first = bisect_left(ends, length - BLOCKS_CHARS, hi=len(blocks) - 1)
        return blocks[first:]

    @property
    def chars(self) -> int:
        """The number of characters of its prompt."""
        return len(self.context or "") + len(self.system or "")


class Runs:
    """The calls in progress. Thread-safe."""

    def __init__(self, extract_response: Callable[[Any], object] | None) -> None:
        """Read answers with ``extract_response``, or as they are."""
        self._extract = extract_response
        self._lock = threading.Lock()
        self._runs: OrderedDict[UUID, Run] = OrderedDict()
        self._chars = 0

    def __len__(self) -> int:
        """Return the number of calls tracked."""
        return len(self._runs)

    def opened(self, run_id: UUID) -> Run:
        """Return the call with this id, starting it now if its start was not reported."""
        with self._lock:
            run = self._runs.get(run_id)
        return run or self.open(run_id)

    def open(self, run_id: UUID, context: str | None = None, system: str | None = None) -> Run:
        """Start a call. If there are too many, the oldest are dropped, but never this one."""
        run = Run(context, system, GrowingText(self._extract))
        with self._lock:
            self._drop(run_id)
            self._runs[run_id] = run
            self._chars += run.chars
            while len(self._runs) > 1 and (len(self._runs) > MOST or self._chars > MOST_CHARS):
                self._drop(next(iter(self._runs)))
        return run

    def close(self, run_id: UUID) -> Run | None:
        """End a call, and return it if it is still tracked."""
        with self._lock:
            return self._drop(run_id)

    def _drop(self, run_id: UUID) -> Run | None:
        run = self._runs.pop(run_id, None)
        if run is not None:
            self._chars -= run.chars
        return run
