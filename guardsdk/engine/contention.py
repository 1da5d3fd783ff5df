"""Whether other programs compete for the cores: a run on all of them is slow where one core has other work.

The threads of a run wait for each other at every operator. Where the system puts one of them aside, the others spin and
burn their cores meanwhile: on a machine with other work, a run on one core ends sooner and costs half the processor
time. A process cannot see what others do, but a run keeps its own thread busy from start to end. So the processor time
that the thread got, divided by the time that passed, is its share of a core.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_SHARE: Final = 0.75
"""Share of a core below which the cores count as contended: two threads that share two cores with a third get 0.67."""
ENOUGH_S: Final = 0.25
"""Seconds of runs that are judged together: some twenty short ones. One hiccup must not decide: to run on one core a
second session is opened, which takes about as long."""
TRIAL_S: Final = 0.05
"""The same while the cores count as contended: that session is open by then, so being wrong is cheap."""
REST_S: Final = 1.0
"""Seconds from finding the cores contended until all of them are tried again; doubled each time they still are."""
LONGEST_REST_S: Final = 32.0


class Began(NamedTuple):
    """When a run began, in seconds."""

    clock_s: float
    cpu_s: float
    """Of its thread."""


class Contention:
    """Watches runs on all cores. Thread-safe."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, cpu_clock: Callable[[], float] = time.thread_time
    ) -> None:
        """Assume at first that the cores are free. Clocks give seconds; ``cpu_clock`` is that of the calling thread."""
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._lock = threading.Lock()
        self._took_s = self._got_s = 0.0
        """Seconds that runs took since the last judgement, and the processor seconds their threads got."""
        self._rest_s = REST_S
        self._until: float | None = None

    @property
    def contended(self) -> bool:
        """Whether runs should take one core for now."""
        return self._until is not None and self._clock() < self._until

    def begin(self) -> Began:
        """Note that a run on all cores begins in this thread."""
        return Began(self._clock(), self._cpu_clock())

    def end(self, began: Began) -> None:
        """Note that the run has ended, well or not, and judge once there is enough to judge by."""
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
