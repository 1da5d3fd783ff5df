"""Detects whether other programs compete for the cores: a run on all cores is slow if one of them has other work.

The threads of a run synchronise at every operator. If the system preempts one of them, the others spin and waste CPU
time: on a busy machine, a run on one core ends sooner and costs half the CPU time. A process cannot see what others do,
but a run keeps its own thread busy from start to end. So the thread's CPU time divided by the elapsed time is its share
of a core.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_SHARE: Final = 0.75
"""Share of a core below which the cores count as contended: two threads on two cores shared with a third get 0.67."""
ENOUGH_S: Final = 0.25
"""Seconds of runs that are judged together: some twenty short ones. A single hiccup must not decide: running on one
core needs a second session, which takes about as long to open."""
TRIAL_S: Final = 0.05
"""The same while the cores count as contended: the second session is then open, so being wrong is cheap."""
REST_S: Final = 1.0
"""Seconds from detecting contention until all cores are tried again; doubled each time it persists."""
LONGEST_REST_S: Final = 32.0


class Began(NamedTuple):
    """When a run began, in seconds."""

    clock_s: float
    cpu_s: float
    """CPU time of its thread."""


class Contention:
    """Observes runs on all cores. Thread-safe."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, cpu_clock: Callable[[], float] = time.thread_time
    ) -> None:
        """Initially assume that the cores are free.

        Clocks return seconds; ``cpu_clock`` is that of the calling thread.
        """
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._lock = threading.Lock()
        self._took_s = self._got_s = 0.0
        """Elapsed seconds of runs since the last judgement, and the CPU seconds of their threads."""
        self._rest_s = REST_S
        self._until: float | None = None

    @property
    def contended(self) -> bool:
        """Whether runs should currently use one core."""
        return self._until is not None and self._clock() < self._until

    def begin(self) -> Began:
        """Record that a run on all cores begins in this thread."""
        return Began(self._clock(), self._cpu_clock())

    def end(self, began: Began) -> None:
        """Record that the run has ended, successfully or not, and judge once there is enough data."""
        now, got = self._clock(), self._cpu_clock()
        with self._lock:
            self._took_s += now - began.clock_s
            self._got_s += got - began.cpu_s
            if self._took_s < (ENOUGH_S if self._until is None else TRIAL_S):
                return
            if self._got_s < LEAST_SHARE * self._took_s:
                self._until = now + self._rest_s
                self._rest_s = min(LONGEST_REST_S, 2 * self._rest_s)
            else:
                self._until, self._rest_s = None, REST_S
            self._took_s = self._got_s = 0.0
