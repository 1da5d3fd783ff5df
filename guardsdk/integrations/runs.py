"""Calls of models that a framework tells of by their ids, from their start to their end or error."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from guardsdk.extract.growing import GrowingText

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

MOST: Final = 4096
"""Calls remembered at once. One that is forgotten is still checked, without its prompt as context."""
MOST_CHARS: Final = 32_000_000
"""Characters of prompts remembered at once: of a call that was cancelled LangChain reports no end, and those before it
may be long."""
STREAM_TAIL: Final = 1000
"""Characters at the end of a growing answer that a chunk is judged with, more where that is long; at last all are."""
BLOCKS_CHARS: Final = 4000
"""Characters of blocks that are judged together when one of them has ended, more where that one is longer: what an
order is split over lies closer, and of many blocks each is to be no more work than the one before."""


@dataclass(slots=True)
class Run:
    """One call of a model."""

    context: str | None
    system: str | None
    answer: GrowingText
    _blocks: deque[tuple[Any, int]] = field(default_factory=deque)
    """Those that ended last, where an answer comes as protocol events, each with its length in characters."""
    _due: dict[object, str] = field(default_factory=dict)
    """The end of each text to which something was added, until it has passed."""
    _passed: dict[object, str] = field(default_factory=dict)

    def take(self, chunk: object) -> list[str]:
        """Take in a chunk of the answer, and return what has to pass before it may go out.

        Raises ``InputTypeError`` where it cannot be read as text.
        """
        for name, text, more in self.answer.add(chunk):
            end = text[-max(STREAM_TAIL, STREAM_TAIL // 2 + more) :].strip()  # all that is new, however long
            if end and end != self._passed.get(name):
                self._due[name] = end
        return sorted(set(self._due.values()))

    def passed(self) -> None:
        """Take note that what is due has passed."""
        self._passed |= self._due
        self._due.clear()

    def ended(self, block: str | dict[str, Any]) -> list[Any]:
        """Take in a block that has ended; return it behind those before it with which it is to be read together."""
        blocks = self._blocks
        blocks.append((block, len(str(block))))
        while len(blocks) > 1 and sum(size for _, size in blocks) > BLOCKS_CHARS:
            blocks.popleft()
        return [one for one, _ in blocks]

    @property
    def chars(self) -> int:
        """Characters of its prompt."""
        return len(self.context or "") + len(self.system or "")


class Runs:
    """The calls that go on. Thread-safe."""

    def __init__(self, extract_response: Callable[[Any], object] | None) -> None:
        """Read answers by ``extract_response``, or as they are."""
        self._extract = extract_response
        self._lock = threading.Lock()
        self._runs: OrderedDict[UUID, Run] = OrderedDict()
        self._chars = 0

    def __len__(self) -> int:
        """Return how many are remembered."""
        return len(self._runs)

    def opened(self, run_id: UUID) -> Run:
        """Return a call, one that begins now where nobody told of its beginning."""
        with self._lock:
            run = self._runs.get(run_id)
        return run or self.open(run_id)

    def open(self, run_id: UUID, context: str | None = None, system: str | None = None) -> Run:
        """Begin a call; the oldest go where there are too many, but never this one."""
        run = Run(context, system, GrowingText(self._extract))
        with self._lock:
            self._drop(run_id)
            self._runs[run_id] = run
            self._chars += run.chars
            while len(self._runs) > 1 and (len(self._runs) > MOST or self._chars > MOST_CHARS):
                self._drop(next(iter(self._runs)))
        return run

    def close(self, run_id: UUID) -> Run | None:
        """End a call, and return it where it is remembered."""
        with self._lock:
            return self._drop(run_id)

    def _drop(self, run_id: UUID) -> Run | None:
        run = self._runs.pop(run_id, None)
        if run is not None:
            self._chars -= run.chars
        return run
