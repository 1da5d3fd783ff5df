"""Appends lines to the newest file of a log, repairs what a killed writer left, and rotates files."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from guardsdk.decisions.entry import START, Entry, Line, encoded, line_of, note, timestamp
from guardsdk.decisions.files import (
    Head,
    Place,
    first_of,
    last_of,
    last_record,
    opening,
    read_head,
    require_log,
    write_all,
    write_head,
)
from guardsdk.decisions.locking import locked
from guardsdk.disk import BINARY
from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from guardsdk.policy.logging import LogRules

_OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT | BINARY
_HEAD_BYTES = 4096
_FAR_AHEAD = timedelta(days=36_500)


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log."""

    file: int
    """Number of the newest file; 0 before the first."""
    sequence: int = 0
    digest: str = START
    opened: float = 0.0
    """When the newest file was begun, in seconds since the epoch."""
    inode: int = -1
    size: int = 0


class Writer:
    """Writes to one log. Other threads and processes may do so too; nothing is held open between calls.

    Closed files are found by name, so the oldest ones may be moved away.
    """

    def __init__(self, place: Place, rules: LogRules, key: bytes | None) -> None:
        """Write to ``place``; no file is touched yet."""
        self._place = place
        self._rules = rules
        self._key = key
        self._tail = Tail(0)
        """As this writer left it; only trusted if the file still looks like that."""
        self._synced_at = time.monotonic()
        self.repaired = 0
        """The number of torn ends cut off."""

    def append(self, entries: Sequence[Entry], began: float | None = None) -> Tail:
        """Write a line for each of ``entries``, all or none, and return the new end of the log.

        The timeout counts from ``began`` (monotonic clock), by default from now. Raises ``OSError`` if something cannot
        be written, and ``DecisionLogError`` if others hold the lock, the file is not a log, or its lines have another
        key.
        """
        if not self._tail.file:
            require_log(self._place.path)
        with locked(self._place.head, self._rules.lock_timeout_s, began) as head_file:
            descriptor, tail = self._opened(head_file, sum(_estimate(entry.body) for entry in entries))
            try:
                before, tail = tail, self._write(descriptor, tail, entries)
                try:
                    write_head(head_file, Head(tail.file, tail.sequence, tail.digest), self._key)
                except OSError:
                    os.ftruncate(descriptor, before.size)
                    raise
                self._tail = tail
                self._sync(descriptor)
            finally:
                os.close(descriptor)
        return tail

    def flush(self) -> Tail:
        """Force everything written so far to disk, and return the end of the log as of this writer."""
        if not self._tail.file:  # nothing was written, and the file may not be a log
            return self._tail
        with suppress(FileNotFoundError):
            descriptor = os.open(self._place.path, os.O_RDWR)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._synced_at = time.monotonic()
        return self._tail

    def _opened(self, head_file: int, more: int) -> tuple[int, Tail]:
        """Open the file that takes ``more`` bytes, repaired if necessary, and return the end of the log."""
        descriptor = os.open(self._place.path, _OPEN, 0o600)
        try:
            found = os.fstat(descriptor)
            if (found.st_ino, found.st_size) == (self._tail.inode, self._tail.size):
                tail = self._tail
            else:
                tail = self._recovered(descriptor, head_file)
            if tail.size and (
                tail.size + more > self._rules.max_bytes or time.time() - tail.opened > self._rules.max_age_s
            ):
                os.fsync(descriptor)
                os.close(descriptor)
                descriptor = -1
                _closed(self._place.path, self._place.closed(tail.file))
                descriptor = os.open(self._place.path, _OPEN, 0o600)
                notes, expired = self._expired(tail)
                tail = self._begun(descriptor, tail, notes)  # records what will be removed before it is
                with suppress(OSError):  # what cannot be removed now is found again
                    for path in expired:
                        path.unlink()
        except BaseException:
            if descriptor >= 0:
                os.close(descriptor)
            raise
        return descriptor, tail

    def _recovered(self, descriptor: int, head_file: int) -> Tail:
        """Find the end of the log, cut off torn lines, and note what is wrong."""
        line, end = last_record(descriptor, self._place.path)
        tail = self._found(line)
        torn = self._cut_torn(descriptor, end)
        tail, wrong = self._held_against_head(tail, head_file)
        if line is None:
            return self._begun(descriptor, tail, [*torn, *wrong])
        tail = replace(tail, inode=os.fstat(descriptor).st_ino, size=end)
        return self._write(descriptor, tail, [*torn, *wrong])

    def _found(self, line: Line | None) -> Tail:
        """Return the end of the log by its last record: ``line`` of the newest file, else one of a closed file."""
        closed = self._place.all_closed()
        number, path = closed[-1] if closed else (0, self._place.path)
        if line is not None:
            self._require_key(line, self._place.path)
            file, opened = opening(self._place.path) or (number + 1, line.time)
            return Tail(file, line.sequence, line.digest, _seconds(opened))
        last = last_of(path)
        if last is None:
            return Tail(number)
        self._require_key(last, path)
        return Tail(number, last.sequence, last.digest)

    def _cut_torn(self, descriptor: int, end: int) -> list[Entry]:
        """Cut off what follows the last complete line, which ends at ``end``; return the notes to write about it."""
        size = os.fstat(descriptor).st_size
        if end >= size:
            return []
        os.lseek(descriptor, end, os.SEEK_SET)
        torn = os.read(descriptor, size - end)
        os.ftruncate(descriptor, end)
        self.repaired += 1
        return [note("torn", bytes=size - end, sha256=hashlib.sha256(torn).hexdigest())]

    def _held_against_head(self, tail: Tail, head_file: int) -> tuple[Tail, list[Entry]]:
        """Return ``tail``, moved past any missing records that the head names, and the notes to write about it."""
        os.lseek(head_file, 0, os.SEEK_SET)
        raw = os.read(head_file, _HEAD_BYTES)
        head = read_head(raw, self._key)
        if head is None:
            return tail, [note("headless", found=bool(raw))] if tail.sequence or raw else []
        if head.sequence <= tail.sequence:
            return tail, []
        missing = note("missing", first=tail.sequence + 1, last=head.sequence, hash=head.digest)
        return replace(tail, sequence=head.sequence), [missing]

    def _require_key(self, last: Line, file: Path) -> None:
        """Raise ``DecisionLogError`` if a file has another key: this one would break its chain."""
        if last.holds(self._key):
            return
        first = first_of(file)
        if first is None or not first.holds(self._key):  # otherwise it is the last line that was edited
            has = "a key, and none was given" if self._key is None else "another key than was given, or with none"
            msg = f"{file} was written with {has}; nothing was added: give the key it was begun with, or another file"
            raise DecisionLogError(msg)

    def _begun(self, descriptor: int, before: Tail, notes: Sequence[Entry]) -> Tail:
        """Write the first line of the file that follows ``before``, then ``notes``."""
        now = time.time_ns()
        tail = replace(before, file=before.file + 1, opened=now / 1e9, inode=os.fstat(descriptor).st_ino, size=0)
        opened = {"file": tail.file, "keyed": self._key is not None}
        tail = self._write(descriptor, tail, [Entry("open", timestamp(now), opened)])
        if self._rules.fsync != "never":
            _sync_directory(self._place.path.parent)
        return self._write(descriptor, tail, notes)

    def _write(self, descriptor: int, tail: Tail, entries: Sequence[Entry]) -> Tail:
        """Append a line for each of ``entries``, all or none."""
        data, sequence, digest = bytearray(), tail.sequence, tail.digest
        for entry in entries:
            sequence += 1
            line = line_of(sequence, entry, digest, self._key)
            digest = line.digest
            data += encoded(line)
        try:
            write_all(descriptor, data)
        except BaseException:
            with suppress(OSError):  # otherwise the next writer cuts it off
                os.ftruncate(descriptor, tail.size)
            raise
        return replace(tail, sequence=sequence, digest=digest, size=tail.size + len(data))

    def _expired(self, tail: Tail) -> tuple[list[Entry], list[Path]]:
        """Return the closed files past their retention, the oldest first, and the notes to write about it.

        Their age counts as of the opening of the newest file, where ``tail`` stands, so a clock that has jumped ahead
        since removes none. Files that expire later go when the next file is full. A file with the number of a future
        file is a copy somebody made, and stays.
        """
        oldest = min(time.time(), tail.opened) - self._rules.keep_days * 86_400
        paths: list[Path] = []
        last: Line | None = None
        for number, path in self._place.all_closed():
            line = last_of(path)
            if number > tail.file or line is None or _seconds(line.time) >= oldest:
                break
            paths.append(path)
            last = line
        if last is None:
            return [], []
        return [note("expired", files=len(paths), through=last.sequence, hash=last.digest)], paths

    def _sync(self, descriptor: int) -> None:
        rules = self._rules
        if rules.fsync == "always" or (
            rules.fsync == "interval" and time.monotonic() - self._synced_at >= rules.fsync_interval_s
        ):
            os.fsync(descriptor)
            self._synced_at = time.monotonic()


def _closed(path: Path, closed: Path) -> None:
    """Rename a full file.

    Raises ``FileExistsError`` if somebody put a file of that name there, and ``OSError`` that says what was tried: that
    alone would read as if the file could not be written, where it is the folder that takes no new name.
    """
    if closed.exists():
        raise FileExistsError(errno.EEXIST, "is in the way of the file to be closed; move it elsewhere", str(closed))
    try:
        path.rename(closed)
    except OSError as error:
        reason = f"is full and cannot be renamed to {closed.name}: {error.strerror}"
        raise OSError(error.errno, reason, str(path)) from None


def _seconds(when: str) -> float:
    """Return the time of a line in seconds since the epoch; far in the future if it cannot be parsed."""
    try:
        return datetime.fromisoformat(when).timestamp()
    except ValueError:
        return time.time() + _FAR_AHEAD.total_seconds()


def _estimate(body: Mapping[str, Any]) -> int:
    """Return roughly how many bytes a line takes; the size limit need not be exact."""
    return 600 + sum(len(value) for value in body.values() if isinstance(value, str)) + 60 * len(body.get("scores", ()))


def _sync_directory(directory: Path) -> None:
    with suppress(OSError):  # Windows cannot, nor can every file system
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
