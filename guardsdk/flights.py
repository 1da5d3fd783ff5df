"""Single flight: equal texts checked at the same time are scored once, and who comes second waits for the first."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from guardsdk.forking import after_fork

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

LONGEST_WAIT_S: Final = 60.0
"""How long one thread waits for another's work on a key. That other may be waiting for this very check, which a screen
of the host's began here: to score a text twice costs time, but two threads that wait for each other never end."""
_ABOARD: ContextVar[frozenset[bytes]] = ContextVar("guardsdk_aboard", default=frozenset())
"""Keys that the calls around this one are at work on, in whatever threads."""


class _Flight:
    """One key that somebody is at work on."""

    __slots__ = ("done", "owner")

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self.done: threading.Event | None = None
        """Set when the work is done; made by the first who waits, for hardly anybody ever does."""


class Flights:
    """Who is at work on which key. Thread-safe, also in a forked child, where nobody is."""

    def __init__(self) -> None:
        """Start with nobody at work."""
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        """In a forked child: those at work stayed in the parent."""
        self._lock = threading.Lock()
        self._in_air: dict[bytes, _Flight] = {}

    def take(self, key: bytes) -> threading.Event | None:
        """Return none where the work on ``key`` is the caller's now, else what is set when somebody else is done.

        No call waits for itself: a screen of the host's may check the text that it is given, also with ``acheck``,
        which takes the context along to its thread.
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
        """Take ``keys``; give those that somebody else is at work on, each with what is set when it is done.

        Every check that is begun inside counts as a part of the work on the others, which are landed in the end.
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
        """Wait until somebody else is done, no longer than ``left_s`` seconds, where there is a deadline."""
        done.wait(LONGEST_WAIT_S if left_s is None else min(left_s, LONGEST_WAIT_S))

    def land(self, keys: Iterable[bytes]) -> None:
        """Say that the work on those of ``keys`` that this thread has taken is done, well or not."""
        thread = threading.get_ident()
        with self._lock:
            for key in keys:
                flight = self._in_air.get(key)
                if flight is not None and flight.owner == thread:
                    del self._in_air[key]
                    if flight.done is not None:
                        flight.done.set()
