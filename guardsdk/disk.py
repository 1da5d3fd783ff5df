"""Files read without waiting for anybody, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_ONLY_ITSELF: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY})
"""What a folder says that takes no new file, or a file that is mounted by itself, though it may be written to."""


def read_file(path: str | Path) -> bytes:
    """Return what the file at ``path`` holds.

    Raises ``OSError``, also where there is a pipe, a device or a directory: a pipe that nobody writes to would hold the
    program up for ever, and some devices never end.
    """
    descriptor = os.open(path, _READ)
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "a pipe or a device; copy what it gives to a file", str(path))
        with open(descriptor, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(descriptor)


def write_file(path: str | Path, text: str, *, private: bool = False) -> None:
    """Write ``text`` in UTF-8 to ``path``, or leave what is there as it is; ``private`` keeps others from reading it.

    A lone surrogate is written as its escape, which is what JSON has for it. A file that is there keeps its mode, a
    link stays a link, and a pipe or a device is written to. Raises ``OSError`` that names ``path``.
    """
    data = text.encode("utf-8", "backslashreplace")
    try:
        before = Path(path).stat() if Path(path).exists() else None
        if before is not None and not stat.S_ISREG(before.st_mode):
            Path(path).write_bytes(data)
        else:
            _exchange(Path(os.path.realpath(path)), data, _mode(before, private=private), there=before is not None)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _mode(before: os.stat_result | None, *, private: bool) -> int | None:
    """Return the mode that a file is to have; none for what the process gives new files."""
    if private:
        return 0o600
    return None if before is None else stat.S_IMODE(before.st_mode)


def _exchange(target: Path, data: bytes, mode: int | None, *, there: bool) -> None:
    """Put a new file in the place of ``target``; where the folder lets nobody, write over what is there."""
    beside = target.with_name(f".guardsdk-{os.urandom(6).hex()}")
    try:
        descriptor = os.open(beside, _NEW, 0o600 if mode is not None else 0o666)
        with open(descriptor, "wb") as stream:  # noqa: PTH123  a descriptor, no path
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        if mode is not None:
            beside.chmod(mode)
        beside.replace(target)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink()
        if not (there and isinstance(error, OSError) and error.errno in _ONLY_ITSELF):
            raise
        target.write_bytes(data)
