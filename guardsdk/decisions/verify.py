"""Follows the chain of a log from its first file to its last line, and reports the first break.

What is detected, and what detecting it takes:

- A line that was edited, removed, added or moved breaks the hash chain there, unless the chain after it was recomputed.
  With a key nobody else can do that; without one, an anchor reveals it.
- Lines cut off at the end are revealed by the ``.head`` file next to the log. If that was altered too, by an anchor:
  the number and hash of a record, sent to telemetry while the log was written. If ``.head`` was removed, nobody can
  tell what was cut off, so the log does not verify, even after a writer has continued it, without an anchor of its last
  record or of the record in which the writer notes the loss.
- Missing files are revealed by the numbers and hashes on both sides of the gap. Files removed at the end of their
  retention are no break: the log itself records it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from guardsdk.decisions.entry import START, parsed
from guardsdk.decisions.files import Head, Place, raw_lines, read_head, torn_opening
from guardsdk.decisions.locking import content_of
from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from guardsdk.decisions.entry import Line
    from guardsdk.decisions.files import File


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where a log does not verify."""

    file: str
    """Name of the file."""
    line: int
    """Line in that file, from 1; 0 if the file itself, or what should follow it, is the problem."""
    reason: str


@dataclass(slots=True)
class Report:
    """The result of a verification."""

    files: int = 0
    records: int = 0
    """The number of lines of every kind."""
    decisions: int = 0
    first: int = 0
    """Number of the first record present."""
    last: int = 0
    """Number of the last record before the first break."""
    broken: Break | None = None
    notes: list[str] = field(default_factory=list)
    """What the log says happened to it, in the order of its lines, and what could not be verified."""

    @property
    def sound(self) -> bool:
        """Whether the whole log verifies."""
        return self.broken is None


class _Chain:
    """The walk from line to line."""

    def __init__(self, key: bytes | None, anchors: Mapping[int, str], head: Head | None) -> None:
        self.report = Report()
        self._head = head
        self._at_head: str | None = None
        """Hash of the record that the head names."""
        self._key = key
        self._anchors = dict(anchors)
        self._vouched = 0
        """Number of the last anchored record."""
        self._headless: str | None = None
        """``NUMBER:HASH`` of the first record that reports the head missing and that no anchor covers."""
        self._digest = START
        self._file = 0
        self._before_first = 0
        """Number of the record just before the first one present."""
        self._expired = 0
        """The last record that, as the log itself says, was removed at the end of its retention."""

    def step(self, line: Line, raw: bytes, *, opens: bool) -> str | None:
        """Take the next line; return what is wrong with it, or ``None``."""
        if not line.holds(self._key):
            return "the record does not match its hash: it was edited, or the key is not the one it was written with"
        try:
            content = json.loads(raw) if line.kind != "decision" else {}
            file, expired = int(content.get("file", 0)), int(content.get("through", 0))
        except (ValueError, TypeError, ArithmeticError, RecursionError):  # without a key, anybody can compute the hash
            return "the record says what no writer does: it was forged"
        reason = _misplaced(line, opens=opens) or self._unlinked(line, file)
        if reason is not None:
            return reason
        if (anchor := self._anchors.pop(line.sequence, None)) not in {None, line.digest}:
            return "the record is not the one that was anchored: the log was written anew"
        self._vouched = line.sequence if anchor else self._vouched
        report = self.report
        if report.records == 0:
            report.first, self._before_first = line.sequence, line.sequence - 1
        if line.kind == "note":
            self._note(line, content, expired)
        self._file = file or self._file
        report.records += 1
        report.decisions += line.kind == "decision"
        report.last, self._digest = line.sequence, line.digest
        if self._head is not None and line.sequence == self._head.sequence:
            self._at_head = line.digest
        return None

    def _unlinked(self, line: Line, file: int) -> str | None:
        """Return why a line does not follow the one before; ``file`` is not 0 if it opens that file."""
        report = self.report
        if report.records == 0:
            begins = line.sequence != 1 or line.previous == START
            return None if begins else "the first record names one before it"
        if line.sequence != report.last + 1:
            return _gap(report.last, line.sequence)
        if line.previous != self._digest:
            return f"the record does not follow record {report.last}: something between them was changed"
        return f"file {file} follows file {self._file}" if file and file != self._file + 1 else None

    def _note(self, line: Line, content: dict[str, object], expired: int) -> None:
        event = content.get("event")
        details = ", ".join(f"{key} {content[key]}" for key in content if key in _TOLD)
        self.report.notes.append(f"record {line.sequence}: {_EVENTS.get(str(event), event)} ({details})")
        if event == "expired":
            self._expired = max(self._expired, expired)
        if event == "headless" and self._vouched != line.sequence:
            self._headless = self._headless or f"{line.sequence}:{line.digest}"

    def ends(self) -> str | None:
        """Return what is missing at the beginning or the end."""
        report, head = self.report, self._head
        if self._before_first > self._expired:
            return f"records 1 to {self._before_first} are missing, and the log does not say that their time was over"
        if head is not None and head.sequence > report.last:
            return f"records {report.last + 1} to {head.sequence} are missing at the end"
        if head is not None and self._at_head not in {None, head.digest}:
            return f"record {head.sequence} is not the one that was written"
        later = [number for number in self._anchors if number > report.last]
        if later:
            return f"records {report.last + 1} to {max(later)} are missing at the end: record {max(later)} was anchored"
        if reason := self._unvouched():
            return reason
        report.notes += [f"record {number} is anchored and no longer kept" for number in sorted(self._anchors)]
        return None

    def _unvouched(self) -> str | None:
        """Return where nothing shows that the end of the log is genuine."""
        last = self.report.last
        if self._head is None and self.report.records and self._vouched < last:
            return f"the head is missing or damaged, and no anchor of record {last} shows that nothing was cut off"
        if self._headless is None:
            return None
        return (
            "the head was missing or damaged while the log was written, and what stood last may have been cut off "
            f"before record {self._headless.partition(':')[0]}; --anchor {self._headless} vouches that it was not"
        )


_LOOKS = 3
_DIGITS = frozenset("0123456789abcdef")
_TOLD = ("first", "last", "bytes", "count", "files", "through", "found")
_EVENTS = {
    "torn": "the writer was killed in the middle of a record, which was cut off",
    "missing": "records that had been written were missing",
    "headless": "the head was missing or damaged",
    "lost": "decisions could not be written before this",
    "expired": "files were removed when their time was over",
}


def _misplaced(line: Line, *, opens: bool) -> str | None:
    if opens and line.kind != "open":
        return "the file does not begin with its opening: lines were removed from its start"
    return "a file begins in the middle of another" if line.kind == "open" and not opens else None


def _gap(last: int, found: int) -> str:
    if found > last + 1:
        return f"records {last + 1} to {found - 1} are missing"
    return f"record {found} stands after record {last}: records were moved or added"


def verify(path: Path, *, key: bytes | None = None, anchors: Mapping[int, str] | None = None) -> Report:
    """Verify the log at ``path`` in constant memory.

    A line torn by a killed writer at the very end, which the next writer will cut off, is a note rather than a break.
    The log may be written to meanwhile: what is verified is the log as it was when opened, or a little more.

    Args:
        path: The file that is written to; its closed files are found next to it.
        key: The key of the hashes, if the log has one.
        anchors: Record numbers to hashes, from telemetry.

    Raises:
        DecisionLogError: There is no log, or it cannot be read.
    """
    place = Place(path)
    try:
        head = _head(place, key)  # before the lines: it is written after them
        chain = _Chain(key, anchors or {}, head)
        with place.reading() as files:
            for file in files:
                name = place.path.name if isinstance(file, int) else file.name
                chain.report.broken = _file(chain, file, name, newest=file == files[-1])
                chain.report.files += 1
                if chain.report.broken is not None:
                    return chain.report
    except DecisionLogError:
        raise
    except OSError as error:
        msg = f"{error.filename}: {error.strerror}"
        raise DecisionLogError(msg) from None
    reason = chain.ends()
    if reason is not None:
        chain.report.broken = Break(name, 0, reason)
    return chain.report


def _file(chain: _Chain, file: File, name: str, *, newest: bool) -> Break | None:
    number = 0
    for number, raw in enumerate(raw_lines(file), 1):
        whole = raw.endswith(b"\n")
        line = parsed(raw[:-1]) if whole else None
        if line is None:
            if newest and not whole and (number > 1 or torn_opening(raw)):
                chain.report.notes.append(f"{name}:{number}: a torn record, which the next writer will cut off")
                continue
            return Break(name, number, "not a record: the line was changed")
        reason = chain.step(line, raw, opens=number == 1)
        if reason is not None:
            return Break(name, number, reason)
    if number == 0 and not newest:
        return Break(name, 0, "the file is empty")
    return None  # an empty newest file was begun by a killed writer; the head reveals anything else that is missing


def _head(place: Place, key: bytes | None) -> Head | None:
    """Return the head, ``None`` if missing or damaged; read again, as a writer may have been in the middle of it."""
    for _ in range(_LOOKS):
        with suppress(FileNotFoundError):
            head = read_head(content_of(place.head.resolve()), key)
            if head is not None:
                return head
    return None


def anchors_of(given: Sequence[str]) -> dict[int, str]:
    """Parse anchors written as ``NUMBER:HASH``. Raises ``ValueError`` for any other form."""
    anchors = {}
    for one in given:
        number, _, digest = one.partition(":")
        digest = digest.lower()
        if not (number.isascii() and number.isdigit()) or len(digest) != len(START) or set(digest) - _DIGITS:
            msg = "an anchor is written NUMBER:HASH, as telemetry was told it"
            raise ValueError(msg)
        anchors[int(number)] = digest
    return anchors
