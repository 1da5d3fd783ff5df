"""Checks that wait to be filed together.

A run of the model leaves nothing of ours in the processor's caches: the first check that is filed behind it takes as
long as several that come right after.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardsdk.monitor.traffic import Glance
    from guardsdk.observing import CheckRecord

TOGETHER: Final = 16
"""Checks filed in one go."""
_LONGEST_NS: Final = 1_000_000_000
"""Nanoseconds a check waits, as long as others come."""


class Waiting:
    """A line of checks, each with what was seen in it where somebody has looked. Thread-safe."""

    def __init__(self) -> None:
        """Begin with none."""
        self._line: deque[tuple[CheckRecord, Glance | None]] = deque()

    def add(self, record: CheckRecord, seen: Glance | None = None) -> bool:
        """Let one more wait; tell whether it is time to file them."""
        line = self._line
        line.append((record, seen))
        try:
            return len(line) >= TOGETHER or record.started_ns - line[0][0].started_ns > _LONGEST_NS
        except IndexError:  # another thread has just filed them
            return False

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._line)

    def taken(self) -> Iterator[tuple[CheckRecord, Glance | None]]:
        """Take those that wait now out of the line, the oldest first. For one thread at a time."""
        for _ in range(len(self._line)):
            yield self._line.popleft()
