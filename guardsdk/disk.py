"""Files read without waiting for anybody, and written whole or not at all, never over what is read."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BINARY: Final = getattr(os, "O_BINARY", 0)
"""For ``os.open``: without it Windows changes the ends of lines."""
_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | BINARY
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY
_ONLY_ITSELF: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY})
"""Errors of a folder that takes no new file, or of a file mounted by itself, where the file itself may be written."""


def open_file(path: str | Path) -> int:
    """Return a descriptor to read the file at ``path`` by, which the caller closes.

    Raises ``OSError``, also where there is a pipe, a device or a directory: a pipe that nobody writes to would hold the
    program up for ever, and some devices never end.
    """
    descriptor = os.open(path, _READ)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "a pipe or a device; copy what it gives to a file", str(path))


def read_file(path: str | Path) -> bytes:
    """Return what the file at ``path`` holds. Raises as ``open_file`` does."""
    with open(open_file(path), "rb") as stream:
        return stream.read()


def located(path: str | Path) -> Path:
    """Return where ``path`` lies, ``~`` at its beginning being the user's folder, as a shell has it.

    No shell reads what a program or a policy names, and a folder called ``~`` is what nobody asked for. A name such as
    ``~notes``, which is no user's, stays as it is.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path.expanduser raises where there is no such user


def write_file(path: str | Path, text: str, *, private: bool = False) -> None:
    """Write ``text`` in UTF-8 to ``path``, or leave what is there as it is; ``private`` keeps others from reading it.

    A lone surrogate is written as its escape, which is what JSON has for it. Raises ``OSError`` that names ``path``.
    """
    data = text.encode("utf-8", "backslashreplace")
    with whole_file(path, private=private) as stream:
        stream.write(data)


@contextmanager
def whole_file(path: str | Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Give a stream whose content takes the place of what is at ``path`` when the block ends, but not where it raises.

    A file that is there keeps its mode, a link stays a link. What cannot be exchanged is written to as it comes: a
    pipe, a device, and a file in a folder that takes no other. An ``OSError`` of writing names ``path``.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".guardsdk-{os.urandom(6).hex()}")
    try:
        before = Path(path).stat() if Path(path).exists() else None
        mode = _mode(before, private=private)
        descriptor = None if before and not stat.S_ISREG(before.st_mode) else _new(beside, mode, there=bool(before))
        with open(path if descriptor is None else descriptor, "wb") as stream:  # noqa: PTH123  may be a descriptor
            yield stream
            stream.flush()
            if descriptor is not None:
                os.fsync(descriptor)
        if descriptor is not None:
            _put(beside, target, mode, there=before is not None)
    except OSError as error:
        ours = error.errno is None  # says in its own words what is wrong, and not with this file
        if ours or error.filename not in {None, path, str(path), str(beside), str(target)}:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):
            beside.unlink()


def _mode(before: os.stat_result | None, *, private: bool) -> int | None:
    """Return the mode that a file is to have; none for what the process gives new files."""
    if private:
        return 0o600
    return None if before is None else stat.S_IMODE(before.st_mode)


def _new(beside: Path, mode: int | None, *, there: bool) -> int | None:
    """Begin a new file; none where the folder lets nobody, though there is a file that may be written over."""
    try:
        return os.open(beside, _NEW, 0o600 if mode is not None else 0o666)
    except OSError as error:
        if not (there and error.errno in _ONLY_ITSELF):
            raise
        return None


def _put(beside: Path, target: Path, mode: int | None, *, there: bool) -> None:
    """Put the new file in the place of ``target``; where that is held in its place, write over what is there."""
    try:
        if mode is not None:
            beside.chmod(mode)
        beside.replace(target)
    except OSError as error:
        if not (there and error.errno in _ONLY_ITSELF):
            raise
        shutil.copyfile(beside, target)


def require_apart(written: Iterable[str | Path | None], read: Iterable[str | Path | None]) -> None:
    """Raise ``InputError`` where one of the files ``written`` is among those ``read``, or written twice.

    Also where it cannot be written: a command that takes minutes says so before, and not after them. A pipe or a device
    may be both.
    """
    taken = [one for one in read if one is not None]
    for out in written:
        if out is None or _takes_all(out):
            continue
        require_name(out)
        for one in taken:
            if _same(out, one):
                msg = f"{out} would be written over {one}, which this command needs; write to another file"
                raise InputError(msg)
        if problem := _unwritable(Path(os.path.realpath(out))):
            msg = f"{out} cannot be written: {problem}"
            raise InputError(msg)
        taken.append(out)


def require_name(out: str | Path) -> None:
    """Raise ``InputError`` where ``out`` names no file but a folder, or is ``-``, elsewhere standard output."""
    if str(out) == "-":
        msg = "- stands for standard output, which cannot be used here: name a file"
        raise InputError(msg)
    if not Path(out).name:
        msg = f"{out} cannot be written: it is a folder"
        raise InputError(msg)


def require_own(out: str | Path | None, opening: str, command: str) -> None:
    """Raise ``InputError`` where a file is there that does not begin with ``opening``, as what ``command`` writes does.

    Somebody's texts, policy or notes would be lost. An empty file, a pipe or a device takes anything.
    """
    path = None if out is None else Path(out)
    if path is not None and path.is_file() and path.stat().st_size and not _begins(path, opening.encode()):
        msg = f"{out} is there already, and {command} did not write it; write to another file"
        raise InputError(msg)


def _begins(path: Path, opening: bytes) -> bool:
    """Whether the file at ``path`` begins so; of a table of gigabytes no more is read."""
    with open(open_file(path), "rb") as stream:
        return stream.read(len(opening)) == opening


def _same(one: str | Path, other: str | Path) -> bool:
    """Whether both names are of one file, as links are, or would be of one that is not there yet."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121  names and paths
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def _unwritable(path: Path) -> str | None:
    folder = path.parent
    if path.is_dir():
        return "it is a folder"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    return None if os.access(path if path.exists() else folder, os.W_OK) else "permission denied"


def _takes_all(out: str | Path) -> bool:
    """Whether there is a pipe or a device, which takes what it is given, as often as it is given something."""
    path = Path(out)
    return path.exists() and not path.is_file() and not path.is_dir()
