"""Single flight: equal texts checked at the same time are scored once; later callers wait for the first."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from guardsdk.forking import after_fork

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

LONGEST_WAIT_S: Final = 60.0
"""How long one thread waits for another's work on a key. The other thread may be waiting for this very check, which one
of the host's screens started here: scoring a text twice costs time, but a deadlock never ends."""
_ABOARD: ContextVar[frozenset[bytes]] = ContextVar("guardsdk_aboard", default=frozenset())
"""Keys that the enclosing calls are working on, in whatever thread."""


class _Flight:
    """One key that is being worked on."""

    __slots__ = ("done", "owner")

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.done: threading.Event | None = None
        """Set when the work is done. Created by the first waiter, as most work has none."""


class Flights:
    """Which keys are being worked on. Thread-safe; empty in a forked child."""

    def __init__(self) -> None:
        """Start with no work under way."""
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        """In a forked child: the threads at work stayed in the parent."""
        self._lock = threading.Lock()
        self._in_air: dict[bytes, _Flight] = {}

    def take(self, key: bytes) -> threading.Event | None:
        """Return ``None`` if the caller now owns the work on ``key``, else an event that is set once its owner is done.

        No call waits for itself: a screen of the host's may check the text it is given, also with ``acheck``, which
        carries the context to its thread.
        """
        thread = threading.get_ident()
        with self._lock:
            flight = self._in_air.get(key)
            if flight is None:
                self._in_air[key] = _Flight(thread)
                return None
            if flight.owner == thread or key in _ABOARD.get():
                return None
            flight.done = flight.done or threading.Event()
            return flight.done

    @contextmanager
    def aboard(self, keys: Collection[bytes]) -> Iterator[dict[bytes, threading.Event]]:
        """Claim ``keys``; yield those that other callers are working on, each with the event that marks its end.

        Checks started inside the block count as part of this work. The claimed keys are released when the block ends.
        """
        before = _ABOARD.get()
        try:
            elsewhere = {key: done for key in keys if (done := self.take(key)) is not None}
            _ABOARD.set(before.union(keys) - elsewhere.keys())
            yield elsewhere
        finally:
            self.land(keys)
            _ABOARD.set(before)

    @staticmethod
    def wait(done: threading.Event, left_s: float | None) -> None:
        """Wait for another caller's work, at most ``left_s`` seconds if there is a deadline."""
        done.wait(LONGEST_WAIT_S if left_s is None else min(left_s, LONGEST_WAIT_S))

    def land(self, keys: Iterable[bytes]) -> None:
        """Release those of ``keys`` that this thread has claimed, whether or not the work succeeded."""
        thread = threading.get_ident()
        with self._lock:
            for key in keys:
                flight = self._in_air.get(key)
                if flight is not None and flight.owner == thread:
                    del self._in_air[key]
                    if flight.done is not None:
                        flight.done.set()
