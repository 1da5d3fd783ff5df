"""No daemon thread is inside the runtime when the interpreter ends.

Until Python 3.14 the interpreter ends a daemon thread where it asks for the lock again, and the way there leads through
frames of C++ that nothing may end: the process would die of SIGABRT, with an exit status that is not its own
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
"""Seconds that the end of the program waits for runs that were begun."""
_ending = threading.Event()
_under_way: set[int] = set()
"""Daemon threads inside the runtime."""


def inside(work: Callable[[], T]) -> T:
    """Return what ``work`` gives, a call of the runtime's.

    Raises ``SystemExit`` in a daemon thread where the interpreter is ending, which ends that thread without a word: the
    interpreter would do so a moment later. All other threads were waited for, or do what the main thread waits for.
    """
    if not threading.current_thread().daemon:
        return work()
    own = threading.get_ident()
    _under_way.add(own)  # before the question, so that either this thread or the one that waits sees the other
    try:
        if _ending.is_set():
            raise SystemExit
        return work()
    finally:
        _under_way.discard(own)


def _end() -> None:
    """Let no daemon thread begin, and wait for those that have begun."""
    _ending.set()
    until = time.monotonic() + _LONGEST_S
    while _under_way and time.monotonic() < until:
        time.sleep(0.001)


atexit.register(_end)
after_fork(_under_way.clear)
