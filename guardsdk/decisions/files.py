"""The files that make up a log, and how their tails, heads and openings are read."""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.decisions.entry import RECORD, Line, digest_of, parsed
from guardsdk.disk import BINARY, located, open_file
from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_BLOCK = 16 * 1024
_OPENING_BYTES = 4096
"""More bytes than the first record of a file ever has."""

File = Path | int
"""A path, or the descriptor of an open file."""


@dataclass(frozen=True, slots=True)
class Place:
    """The files of the log at ``path``. Links are followed, for readers and writers alike."""

    path: Path

    def __post_init__(self) -> None:
        """Follow a link: closed and auxiliary files lie next to the file itself.

        Raises ``DecisionLogError`` if the path has no file name, such as the working directory.
        """
        object.__setattr__(self, "path", located(self.path))
        if self.path.is_symlink():
            object.__setattr__(self, "path", Path(os.path.realpath(self.path)))
        if not self.path.name:
            msg = f"{self.path} is a folder, and no decision log"
            raise DecisionLogError(msg)

    @property
    def head(self) -> Path:
        """Records how far the log goes; writers lock this file."""
        return self.path.with_name(self.path.name + ".head")

    @property
    def key(self) -> Path:
        """Holds the key of the pseudonyms, if none was passed in."""
        return self.path.with_name(self.path.name + ".key")

    @property
    def marks(self) -> Path:
        """Holds people's marks on decisions; see ``decisions.marks``."""
        return self.path.with_name(self.path.name + ".marks")

    def family(self) -> list[Path]:
        """Return the paths of all files of the log, whether or not they exist yet."""
        closed = [one for _, one in self.all_closed()] if self.path.parent.is_dir() else []
        return [*closed, self.path, self.head, self.key, self.marks]

    def closed(self, number: int) -> Path:
        """Return the path of file ``number`` once it is closed."""
        return self.path.with_name(f"{self.path.stem}.{number:06d}{self.path.suffix}")

    def all_closed(self) -> list[tuple[int, Path]]:
        """Return every closed file with its number, the oldest first."""
        name = re.compile(re.escape(self.path.stem) + r"\.(\d{6,})" + re.escape(self.path.suffix))
        found = [
            (int(match[1]), one)
            for one in self.path.parent.iterdir()
            if (match := name.fullmatch(one.name)) is not None and one.is_file()
        ]
        return sorted(found)

    def every(self) -> list[Path]:
        """Return every existing file, the oldest first. Raises ``DecisionLogError`` if there is none."""
        closed = [one for _, one in self.all_closed()] if self.path.parent.is_dir() else []
        if not self.path.exists():
            if not closed:
                msg = f"{self.path}: there is no decision log"
                raise DecisionLogError(msg)
            return closed
        return [*closed, self.path]

    @contextmanager
    def reading(self) -> Iterator[list[File]]:
        """Yield the files of ``every`` as of one moment, even if the log is rotated meanwhile.

        The newest is opened, as its name belongs to the next file once it is rotated. A file named like a closed file
        that does not exist yet is a copy somebody made, and is ignored.
        """
        try:
            newest = open_file(self.path)
        except FileNotFoundError:
            yield [*self.every()]
            return
        try:
            found, begun = os.fstat(newest), opening(newest)
            closed = [one for number, one in self.all_closed() if begun is None or number < begun[0]]
            yield [*takewhile(lambda one: not os.path.samestat(one.stat(), found), closed), newest]
        finally:
            os.close(newest)


@dataclass(frozen=True, slots=True)
class Head:
    """How far a log went when it was last written to."""

    file: int
    sequence: int
    digest: str


def write_head(descriptor: int, head: Head, key: bytes | None) -> None:
    """Overwrite the file of ``descriptor`` with ``head``."""
    content = {"file": head.file, "seq": head.sequence, "hash": head.digest}
    content["mac"] = digest_of(json.dumps(content).encode(), key)
    data = json.dumps(content).encode() + b"\n"
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(descriptor, data)
    os.ftruncate(descriptor, len(data))


def write_all(descriptor: int, data: bytes | bytearray) -> None:
    """Write all of ``data``: on a nearly full disk, one write may take only a part and report no error."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def read_head(data: bytes, key: bytes | None) -> Head | None:
    """Return the head in ``data``, or ``None`` if it is damaged or keyed differently."""
    try:
        content = json.loads(data)
        mac = content.pop("mac")
        if mac != digest_of(json.dumps(content).encode(), key):
            return None
        return Head(int(content["file"]), int(content["seq"]), str(content["hash"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def last_line(descriptor: int, size: int) -> tuple[Line | None, int]:
    """Return the last complete line of a file of ``size`` bytes and where it ends; ``None`` and 0 if there is none.

    Anything after that is the torn line of an interrupted writer.
    """
    block = _BLOCK
    while True:
        start = max(0, size - block)
        os.lseek(descriptor, start, os.SEEK_SET)
        data = _read(descriptor, size - start)
        end = data.rfind(b"\n")
        while end >= 0:
            begin = data.rfind(b"\n", 0, end) + 1
            if begin == 0 and start > 0:
                break  # the line may begin before the block
            line = parsed(data[begin:end])
            if line is not None:
                return line, start + end + 1
            end = begin - 1
        if start == 0:
            return None, 0
        block *= 4


def last_record(descriptor: int, path: Path) -> tuple[Line | None, int]:
    """As ``last_line``, for the open file at ``path``. Raises ``DecisionLogError`` if the file is not a log."""
    size = os.fstat(descriptor).st_size
    line, end = last_line(descriptor, size)
    if line is None and size and not torn_opening(_start(descriptor)):
        msg = f"{path} holds something else than records of a log, and was left as it is: name another"
        raise DecisionLogError(msg)
    return line, end


def _start(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, _OPENING_BYTES)


def torn_opening(found: bytes) -> bool:
    """Whether a file without a complete record holds only what an interrupted writer leaves of its first.

    Anything else must not be overwritten.
    """
    if len(found) >= _OPENING_BYTES or b"\n" in found:
        return False
    return not found.strip(b"\0") or found.startswith(RECORD) or RECORD.startswith(found)  # zeros: a power cut


def require_log(path: Path) -> None:
    """Raise ``DecisionLogError`` if ``path`` cannot be a log, ``OSError`` if it is not writable.

    Called before any other file is created next to it.
    """
    if path.exists() and not path.is_file():
        msg = f"{path} is a folder, a pipe or a device, and keeps no records: name another"
        raise DecisionLogError(msg)
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR | BINARY)
        try:
            last_record(descriptor, path)
        finally:
            os.close(descriptor)


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.read(descriptor, size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def opening(file: File) -> tuple[int, str] | None:
    """Return number and time of the file from its first line, or ``None`` if that is not an opening."""
    with at_start(file) as stream:
        raw = stream.readline().rstrip(b"\n")
    line = parsed(raw)
    if line is None or line.kind != "open":
        return None
    try:
        return int(json.loads(raw)["file"]), line.time
    except (ValueError, KeyError, TypeError):
        return None


def first_of(file: File) -> Line | None:
    """Return the first line of a file, or ``None`` if it is not a line of a log."""
    with at_start(file) as stream:
        return parsed(stream.readline().rstrip(b"\n"))


def last_of(file: File) -> Line | None:
    """Return the last complete line of a file."""
    with at_start(file) as stream:
        return last_line(stream.fileno(), os.fstat(stream.fileno()).st_size)[0]


def raw_lines(file: File) -> Iterator[bytes]:
    """Yield every line of a file with its line end, if it has one."""
    with at_start(file, buffering=1 << 20) as stream:
        yield from stream


def at_start(file: File, buffering: int = -1) -> BinaryIO:
    """Return a stream from the start of ``file``; a descriptor stays open."""
    if not isinstance(file, int):
        return open(open_file(file), "rb", buffering)  # noqa: PTH123  a descriptor, which the caller closes
    os.lseek(file, 0, os.SEEK_SET)
    return open(file, "rb", buffering, closefd=False)
