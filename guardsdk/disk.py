"""Reads files without blocking on pipes, and writes them whole or not at all, never over a file being read."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from guardsdk.errors import InputError, reject_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BINARY: Final = getattr(os, "O_BINARY", 0)
"""For ``os.open``: without it Windows translates line endings."""
_READ: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | BINARY
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | BINARY
_ONLY_ITSELF: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY})
"""Errors of a directory that takes no new file, or of a file mounted on its own, though the file is writable."""


def open_file(path: str | Path) -> int:
    """Open the regular file at ``path`` for reading and return its descriptor, which the caller closes.

    Raises ``OSError``, also for a pipe, a device or a directory: a pipe without a writer would block for ever, and some
    devices never end.
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
    """Return the bytes of the file at ``path``. Raises as ``open_file`` does."""
    with open(open_file(path), "rb") as stream:
        return stream.read()


def path_of(given: object, name: str) -> Path:
    """Return ``given`` as a path. Raises ``InputTypeError`` that names the argument ``name`` if it is none."""
    if not isinstance(given, str | os.PathLike):
        reject_type(name, "a path", given)
    return Path(given)


def located(path: str | Path) -> Path:
    """Return ``path`` with a leading ``~`` expanded to the user's home directory, as a shell would.

    Paths given by a program or a policy pass through no shell, and nobody wants a directory called ``~``. A name such
    as ``~notes`` that matches no user is left as it is.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path.expanduser raises where there is no such user


def write_file(path: str | Path, text: str, *, private: bool = False) -> None:
    """Write ``text`` in UTF-8 to ``path``, or leave the old content intact; ``private`` hides it from other users.

    Lone surrogates are written as escapes, as in JSON. Raises ``OSError`` that names ``path``.
    """
    data = text.encode("utf-8", "backslashreplace")
    with whole_file(path, private=private) as stream:
        stream.write(data)


@contextmanager
def whole_file(path: str | Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Yield a stream whose content replaces the file at ``path`` when the block ends, but not if the block raises.

    An existing file keeps its mode, and a link stays a link. What cannot be replaced is written to directly: a pipe, a
    device, or a file in a directory that takes no new file. An ``OSError`` while writing names ``path``.
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
        ours = error.errno is None  # already has its own message, not about this file
        if ours or error.filename not in {None, path, str(path), str(beside), str(target)}:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):
            beside.unlink()


def _mode(before: os.stat_result | None, *, private: bool) -> int | None:
    """Return the mode the file should have; ``None`` for the process's default."""
    if private:
        return 0o600
    return None if before is None else stat.S_IMODE(before.st_mode)


def _new(beside: Path, mode: int | None, *, there: bool) -> int | None:
    """Create the new file; ``None`` if the directory forbids it but there is an existing file to overwrite."""
    try:
        return os.open(beside, _NEW, 0o600 if mode is not None else 0o666)
    except OSError as error:
        if not (there and error.errno in _ONLY_ITSELF):
            raise
        return None


def _put(beside: Path, target: Path, mode: int | None, *, there: bool) -> None:
    """Replace ``target`` with the new file; where ``target`` cannot be replaced, overwrite its content."""
    try:
        if mode is not None:
            beside.chmod(mode)
        beside.replace(target)
    except OSError as error:
        if not (there and error.errno in _ONLY_ITSELF):
            raise
        shutil.copyfile(beside, target)


def require_apart(written: Iterable[str | Path | None], read: Iterable[str | Path | None]) -> None:
    """Raise ``InputError`` if a file in ``written`` is also in ``read``, is written twice, or cannot be written.

    A command that takes minutes thus fails before its work, not after. A pipe or a device may be both read and written.
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
    """Raise ``InputError`` if ``out`` names a directory, or is ``-``, which means standard output elsewhere."""
    if str(out) == "-":
        msg = "- stands for standard output, which cannot be used here: name a file"
        raise InputError(msg)
    if not Path(out).name:
        msg = f"{out} cannot be written: it is a folder"
        raise InputError(msg)


def require_own(out: str | Path | None, opening: str, command: str) -> None:
    """Raise ``InputError`` if ``out`` exists and does not begin with ``opening``, as files written by ``command`` do.

    Otherwise somebody's texts, policy or notes could be lost. An empty file, a pipe or a device may be written to.
    """
    path = None if out is None else Path(out)
    if path is not None and path.is_file() and path.stat().st_size and not _begins(path, opening.encode()):
        msg = f"{out} is there already, and {command} did not write it; write to another file"
        raise InputError(msg)


def _begins(path: Path, opening: bytes) -> bool:
    """Whether the file at ``path`` begins with ``opening``; reads no more than that, however large the file."""
    with open(open_file(path), "rb") as stream:
        return stream.read(len(opening)) == opening


def _same(one: str | Path, other: str | Path) -> bool:
    """Whether both names refer to the same file, also through links, or would if it does not exist yet."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121  may be names or paths
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
    """Whether ``out`` is a pipe or a device, which can be written to any number of times."""
    path = Path(out)
    return path.exists() and not path.is_file() and not path.is_dir()
