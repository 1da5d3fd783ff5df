"""Reads the records of a CSV file one at a time, whatever the file contains.

After a quote that is not closed properly, the start of the next record is unknown: the file is read no further, and
this problem is the last thing reported.
"""

from __future__ import annotations

import codecs
import csv
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    Pairs = list[tuple[str, str]]

LONGEST_LINE: Final = 64 * 1024 * 1024
"""The most bytes read of a line or a record. A longer one is rejected, so that no file can exhaust the memory."""
_UNREAD: Final = "the rest of the file was not read"
UTF_16: Final = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
"""What a UTF-16 file begins with and no UTF-8 file does; read as UTF-8, its lines would be full of null characters."""
IN_UTF_16: Final = f"UTF-16 text; save the file as UTF-8: {_UNREAD}"


class Readable(Protocol):
    """Anything that can be read line by line."""

    def readline(self, limit: int, /) -> bytes:
        """Return the next line, at most ``limit`` bytes of it; empty at the end."""


class _TooLongError(Exception):
    """A record is longer than the limit."""


class _Utf16Error(Exception):
    """The file is in UTF-16."""


class _Taken:
    """The lines taken by the CSV reader, counted per record."""

    def __init__(self, stream: Readable, longest: int) -> None:
        self._stream = stream
        self._longest = longest
        self._lines = self._size = self._passed = 0
        self._first = 1

    def __iter__(self) -> Iterator[str]:
        while raw := self._stream.readline(self._longest + 1):
            self._lines += 1
            self._size += len(raw)
            if self._lines == 1 and raw.startswith(UTF_16):
                raise _Utf16Error
            if self._size > self._longest:
                raise _TooLongError
            line = raw.decode("utf-8", "surrogateescape")  # invalid UTF-8 is reported with its record
            yield line.removeprefix("\ufeff") if self._lines == 1 else line

    def pass_over(self) -> None:
        """Count the lines taken so far as preceding the next record."""
        self._passed += self._size
        self._first, self._size = self._lines + 1, 0

    def record(self) -> tuple[int, int]:
        """Return the line number where the record starts, and its bytes including those that precede it."""
        found = self._first, self._size + self._passed
        self._passed = 0
        self._first, self._size = self._lines + 1, 0
        return found


def csv_rows(stream: Readable, longest: int = LONGEST_LINE) -> Iterator[tuple[int, int, Pairs | str]]:
    """Yield, per record, its first line number, the bytes since the last record, and its cells as (name, value) pairs.

    The names are in the first line of the file. If a record is invalid, a message takes the place of its cells; it
    quotes none of them. At most ``longest`` bytes of a record are held.
    """
    before = csv.field_size_limit(longest)
    taken = _Taken(stream, longest)
    names: list[str] | None = None
    try:
        for cells in csv.reader(taken, strict=True):
            if not any(cell.strip() for cell in cells):
                taken.pass_over()
            elif names is None:
                names = [cell.strip() for cell in cells]
                taken.pass_over()
            else:
                yield *taken.record(), _row(names, cells)
    except _TooLongError:
        yield *taken.record(), f"longer than {longest} bytes, or a quote does not close: {_UNREAD}"
    except _Utf16Error:
        yield *taken.record(), IN_UTF_16
    except csv.Error:  # the error's own message may quote the line
        yield *taken.record(), f"not valid CSV: {_UNREAD}"
    finally:
        csv.field_size_limit(before)


def _row(names: list[str], cells: list[str]) -> Pairs | str:
    """Return the cells by name, or a message if they do not fit the names."""
    if len(cells) != len(names):
        return f"{len(cells)} cell{'s' * (len(cells) != 1)} where the first line names {len(names)}"
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return "not UTF-8 text"
    return list(zip(names, cells, strict=True))
