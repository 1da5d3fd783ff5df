"""Equal texts that are checked at the same time are scored once: who comes second waits for who came first."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterable


class Flights:
    """Who is at work on which key. Thread-safe, also in a forked child, where nobody is."""

    def __init__(self) -> None:
        """Start with nobody at work."""
        self._renew()
        _FLIGHTS.add(self)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._in_air: dict[bytes, tuple[int, threading.Event]] = {}

    def take(self, key: bytes) -> threading.Event | None:
        """Return none where the work on ``key`` is the caller's now, else what is set when somebody else is done.

        A thread never waits for itself: a screen of the host's may check the text that it is given.
        """
        thread = threading.get_ident()
        with self._lock:
            owner, done = self._in_air.setdefault(key, (thread, threading.Event()))
        return None if owner == thread else done

    def land(self, keys: Iterable[bytes]) -> None:
        """Say that the work on ``keys`` is done, well or not; each was taken by this thread, or already landed."""
        thread = threading.get_ident()
        with self._lock:
            for key in keys:
                owner, done = self._in_air.get(key, (None, None))
                if owner == thread and done is not None:
                    del self._in_air[key]
                    done.set()


_FLIGHTS: WeakSet[Flights] = WeakSet()


def _renew_all() -> None:
    """In a forked child: those at work stayed in the parent."""
    for flights in list(_FLIGHTS):
        flights._renew()  # noqa: SLF001  same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
