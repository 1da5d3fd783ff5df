"""Whether a machine has its cores to spare: a run on all of them is slow where somebody else is on one.

Its threads wait for each other at every operator, each of them for the one that others have put aside, and burn the
cores meanwhile. On a machine with other work a run on one core is done sooner, and costs half the processor time.
A thread cannot see others; but a run keeps its own thread busy from end to end, so the processor time that the thread
got, over the time that went by, is its share of a core.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_SHARE: Final = 0.75
"""Of a core, that a run on all of them has to get: two threads that share two cores with a third get 0.67."""
ENOUGH_S: Final = 0.25
"""Seconds of runs that are judged together: some twenty short ones, and no longer than opening a second session takes,
which nobody should wait for because of one hiccup."""
TRIAL_S: Final = 0.05
"""As many once the cores have been found taken: that session is open then."""
REST_S: Final = 1.0
"""From when the cores are found taken until they are tried again; each time they still are doubles it."""
LONGEST_REST_S: Final = 32.0


class Began(NamedTuple):
    """When a run began, in seconds."""

    clock_s: float
    cpu_s: float
    """Of its thread."""


class Crowd:
    """Watches runs on all cores. Thread-safe."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, cpu_clock: Callable[[], float] = time.thread_time
    ) -> None:
        """Begin with the cores taken for free. The clocks give seconds, ``cpu_clock`` those of the calling thread."""
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._lock = threading.Lock()
        self._took_s = self._got_s = 0.0
        """Seconds of the runs since the last judgement, and what of them their threads got."""
        self._rest_s = REST_S
        self._until: float | None = None

    @property
    def crowded(self) -> bool:
        """Whether runs had better take one core for now."""
        return self._until is not None and self._clock() < self._until

    def begin(self) -> Began:
        """Note that a run on all cores begins in this thread."""
        return Began(self._clock(), self._cpu_clock())

    def end(self, began: Began) -> None:
        """Note that it has ended, well or not."""
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
