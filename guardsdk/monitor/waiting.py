"""A queue of checks that are aggregated together.

A model run evicts our data from the CPU caches: the first check aggregated after it takes as long as several that
follow at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardsdk.monitor.traffic import Glance
    from guardsdk.observing import CheckRecord

TOGETHER: Final = 16
"""Checks aggregated at once."""
_LONGEST_NS: Final = 1_000_000_000
"""The longest a check waits, in nanoseconds, while others arrive."""


class Waiting:
    """A queue of checks, each with its summary if one was made. Thread-safe."""

    def __init__(self) -> None:
        """Start empty."""
        self._line: deque[tuple[CheckRecord, Glance | None]] = deque()

    def add(self, record: CheckRecord, seen: Glance | None = None) -> bool:
        """Add a check; return whether it is time to aggregate."""
        line = self._line
        line.append((record, seen))
        try:
            return len(line) >= TOGETHER or record.started_ns - line[0][0].started_ns > _LONGEST_NS
        except IndexError:  # another thread has just taken them
            return False

    def __len__(self) -> int:
        """Return the number of waiting checks."""
        return len(self._line)

    def taken(self) -> Iterator[tuple[CheckRecord, Glance | None]]:
        """Remove and yield the checks waiting now, the oldest first. For one thread at a time."""
        for _ in range(len(self._line)):
            yield self._line.popleft()
