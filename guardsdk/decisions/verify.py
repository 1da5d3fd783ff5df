"""Follows the chain of a log from its first file to its last line, and names the first place where it does not hold.

What it shows, and what it takes to show it:

- A line that was edited, removed, added or moved breaks the chain of hashes there, as long as the chain behind it was
  not computed anew. With a key nobody else can do that; without one an anchor shows it.
- Lines cut off at the end are missed by the ``.head`` file beside the log; where that was changed too, by an anchor:
  number and hash of a record, told to telemetry while the log was written. Where it was removed nobody can tell what
  was cut off, and the log does not hold, now or when a writer has gone on: an anchor of its last record, or of the one
  in which the writer says so, vouches for it.
- Whole files are missed by the numbers and hashes on both sides of the gap. Those that were removed when their time was
  over are not: the log says so itself.
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
    """The first place where a log does not hold."""

    file: str
    """Name of the file."""
    line: int
    """Line in that file, from 1; 0 where the file itself, or what should follow it, is at fault."""
    reason: str


@dataclass(slots=True)
class Report:
    """What was found."""

    files: int = 0
    records: int = 0
    """Lines of every kind."""
    decisions: int = 0
    first: int = 0
    """Number of the first record that is there."""
    last: int = 0
    """Number of the newest one before the first break."""
    broken: Break | None = None
    notes: list[str] = field(default_factory=list)
    """What the log itself says happened to it, in the order of its lines, and what could not be looked at."""

    @property
    def sound(self) -> bool:
        """Whether everything holds."""
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
        """Number of the last record that is anchored."""
        self._headless: str | None = None
        """Anchor of the first record that says the head was gone, and that nobody vouches for."""
        self._digest = START
        self._file = 0
        self._before_first = 0
        """Number of the last record in front of the first one that is there."""
        self._expired = 0
        """Up to which record the log itself says that files were removed in time."""

    def step(self, line: Line, raw: bytes, *, opens: bool) -> str | None:
        """Take the next line, and say what is wrong with it."""
        if not line.holds(self._key):
            return "the record does not match its hash: it was edited, or the key is not the one it was written with"
        try:
            content = json.loads(raw) if line.kind != "decision" else {}
            file, expired = int(content.get("file", 0)), int(content.get("through", 0))
        except (ValueError, TypeError, ArithmeticError, RecursionError):  # where there is no key anybody can hash
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
        """Say why a line, the opening of ``file`` where that is not 0, does not follow the one before."""
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
        """Say what is missing at the beginning and at the end."""
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
        """Say where nothing shows that the end is the end."""
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
    """Follow the log that is written to ``path`` in memory that does not grow with it.

    A line that a killed writer tore at the very end, and that the next writer will cut off, is a note and no break. The
    log may be written to meanwhile: what is followed is what it was when it was opened, or a little more.

    Args:
        path: The file that is written to; its closed files are looked for beside it.
        key: The key of the hashes, where the log has one.
        anchors: Numbers of records to their hashes, from telemetry.

    Raises:
        DecisionLogError: There is no log, or it cannot be read.
    """
    place = Place(path)
    try:
        head = _head(place, key)  # before the lines, which are written before it
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
    return None  # an empty newest file was begun by a writer that was killed; what else is missing the head tells


def _head(place: Place, key: bytes | None) -> Head | None:
    """Return the head, none where it is missing or damaged: read again where a writer may have been at it."""
    for _ in range(_LOOKS):
        with suppress(FileNotFoundError):
            head = read_head(content_of(place.head.resolve()), key)
            if head is not None:
                return head
    return None


def anchors_of(given: Sequence[str]) -> dict[int, str]:
    """Read anchors written as ``NUMBER:HASH``. Raises ``ValueError`` where one is not."""
    anchors = {}
    for one in given:
        number, _, digest = one.partition(":")
        digest = digest.lower()
        if not (number.isascii() and number.isdigit()) or len(digest) != len(START) or set(digest) - _DIGITS:
            msg = "an anchor is written NUMBER:HASH, as telemetry was told it"
            raise ValueError(msg)
        anchors[int(number)] = digest
    return anchors
