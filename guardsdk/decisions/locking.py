"""One writer at a time, among the threads of this process and among processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from guardsdk.errors import DecisionLogError
from guardsdk.forking import after_fork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST_PAUSE_S = 0.0005
_LONGEST_PAUSE_S = 0.02
_THREADS: dict[str, threading.Lock] = {}
"""One lock per file: a process's own record locks do not keep its threads apart."""

if sys.platform == "win32":
    import msvcrt

    _PLACE = 2**30
    """Far behind the content: Windows forbids others to read what is locked."""

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    # Record locks (POSIX) and not flock: a forked child does not inherit them, so it cannot keep one for ever.
    def _try_lock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


@contextmanager
def locked(path: Path, timeout_s: float) -> Iterator[int]:
    """Hold the lock on the file ``path``, a resolved one, which is made where it is missing; give its descriptor.

    The system lets go of the lock of a process that dies. Raises ``DecisionLogError`` where others hold it for longer
    than ``timeout_s``, and ``OSError`` where the file cannot be opened.
    """
    ends = time.monotonic() + timeout_s
    among_threads = _THREADS.setdefault(str(path), threading.Lock())
    if not among_threads.acquire(timeout=min(timeout_s, threading.TIMEOUT_MAX)):
        raise _too_late(path, timeout_s)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            _wait(descriptor, path, ends, timeout_s)
            yield descriptor
            _unlock(descriptor)
        finally:
            os.close(descriptor)  # which unlocks too
    finally:
        among_threads.release()


def _wait(descriptor: int, path: Path, ends: float, timeout_s: float) -> None:
    pause = _FIRST_PAUSE_S
    while True:
        try:
            _try_lock(descriptor)
        except (BlockingIOError, PermissionError):
            if time.monotonic() >= ends:
                raise _too_late(path, timeout_s) from None
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        else:
            return


def _too_late(path: Path, timeout_s: float) -> DecisionLogError:
    return DecisionLogError(f"{path}: another writer held the log for more than {timeout_s:g} s")


after_fork(_THREADS.clear)  # another thread of the parent may have held one
