"""Keeps daemon threads out of the runtime while the interpreter shuts down.

Until Python 3.14 the interpreter ends a daemon thread when it requests the interpreter lock, by unwinding C++ frames
that must not be unwound: the process would die of SIGABRT, with a wrong exit status
(https://github.com/python/cpython/issues/87135).
"""

from __future__ import annotations

import atexit
import threading
import time
from typing import TYPE_CHECKING, Final, TypeVar

from guardsdk.forking import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_LONGEST_S: Final = 5.0
"""Seconds that program exit waits for runs under way."""
_ending = threading.Event()
_under_way: set[int] = set()
"""Ids of daemon threads inside the runtime."""


def inside(work: Callable[[], T]) -> T:
    """Return the result of ``work``, a call into the runtime.

    Raises ``SystemExit`` in a daemon thread during interpreter shutdown, which silently ends that thread, as the
    interpreter itself would a moment later. All other threads have been joined by then, or do work that the main thread
    waits for.
    """
    if not threading.current_thread().daemon:
        return work()
    own = threading.get_ident()
    _under_way.add(own)  # before the test, so that either this thread or the waiting one sees the other
    try:
        if _ending.is_set():
            raise SystemExit
        return work()
    finally:
        _under_way.discard(own)


def _end() -> None:
    """Let no further daemon thread enter, and wait for those inside."""
    _ending.set()
    until = time.monotonic() + _LONGEST_S
    while _under_way and time.monotonic() < until:
        time.sleep(0.001)


atexit.register(_end)
after_fork(_under_way.clear)
