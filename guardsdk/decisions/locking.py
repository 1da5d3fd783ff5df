"""Lets one writer in at a time, among the threads of this process and among processes."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guardsdk.disk import BINARY, read_file
from guardsdk.errors import DecisionLogError
from guardsdk.forking import after_fork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST_PAUSE_S = 0.0005
_LONGEST_PAUSE_S = 0.02


@dataclass(slots=True)
class _File:
    """What the threads of this process share for one file."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    """Needed as the record locks of a process do not exclude its own threads."""
    door: threading.Lock = field(default_factory=threading.Lock)
    """Held while the file is opened, closed or read: closing it anywhere in a process releases the process's lock."""
    descriptor: int | None = None
    """The descriptor of the thread that holds the turn."""


_FILES: dict[str, _File] = {}

if sys.platform == "win32":
    import msvcrt

    _PLACE = 2**30
    """Far beyond the content, as Windows does not let others read a locked region."""

    def _try_lock(descriptor: int) -> None:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    # POSIX record locks rather than flock: a forked child does not inherit them, so it cannot hold one for ever.
    def _try_lock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


@contextmanager
def in_turn(turn: threading.Lock, path: Path, timeout_s: float, began: float) -> Iterator[None]:
    """Hold ``turn``, the lock of the threads that write to ``path``. Arguments and errors are those of ``locked``."""
    left = began + timeout_s - time.monotonic()
    if not turn.acquire(timeout=min(max(left, 0.0), threading.TIMEOUT_MAX)):
        raise _too_late(path, timeout_s)
    try:
        yield
    finally:
        turn.release()


@contextmanager
def locked(path: Path, timeout_s: float, began: float | None = None) -> Iterator[int]:
    """Hold the lock on the file at ``path`` (resolved), creating it if missing; yield its descriptor.

    A caller that takes several locks within one ``timeout_s`` passes when that ``began`` (monotonic clock); the default
    is now. The system releases the lock of a process that dies.

    Raises ``DecisionLogError`` if others hold it until the timeout, ``OSError`` if the file cannot be opened.
    """
    began = time.monotonic() if began is None else began
    file = _FILES.setdefault(str(path), _File())
    with in_turn(file.turn, path, timeout_s, began):
        with file.door:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | BINARY, 0o600)
            file.descriptor = descriptor
        try:
            _wait(descriptor, path, began + timeout_s, timeout_s)
            yield descriptor
            _unlock(descriptor)
        finally:
            with file.door:
                file.descriptor = None
                os.close(descriptor)  # also unlocks


def content_of(path: Path) -> bytes:
    """Return the content of the file at ``path`` (resolved), whoever holds its lock, without releasing that lock.

    Every file that is locked anywhere must be read through this function only. Raises as ``read_file`` does.
    """
    file = _FILES.setdefault(str(path), _File())
    with file.door:
        if file.descriptor is None or sys.platform == "win32":  # on Windows each descriptor has its own locks
            return read_file(path)
        return os.pread(file.descriptor, os.fstat(file.descriptor).st_size, 0)


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


after_fork(_FILES.clear)  # another thread of the parent may have held one
