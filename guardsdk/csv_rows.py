"""The records of a CSV file, one at a time, whatever the file holds.

Where a quote does not close as it should, nobody can tell where the next record begins: the rest is not read, and that
is the last thing said of the file.
"""

from __future__ import annotations

import codecs
import csv
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    Pairs = list[tuple[str, str]]

LONGEST_LINE: Final = 64 * 1024 * 1024
"""Bytes of a line, or of a record, that are read; a longer one is a bad one, so that no file can fill the memory."""
_UNREAD: Final = "the rest of the file was not read"
UTF_16: Final = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
"""What a file in UTF-16 begins with, and none in UTF-8: its lines would be others, full of null characters."""
IN_UTF_16: Final = f"UTF-16 text; save the file as UTF-8: {_UNREAD}"


class Readable(Protocol):
    """What is read line by line."""

    def readline(self, limit: int, /) -> bytes:
        """Return the next line, at most ``limit`` bytes of it; nothing at the end."""


class _TooLongError(Exception):
    """A record holds more than may be read."""


class _Utf16Error(Exception):
    """The file is in UTF-16."""


class _Taken:
    """The lines that a reader of CSV takes, counted by record."""

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
            line = raw.decode("utf-8", "surrogateescape")  # what is no UTF-8 is told of its record
            yield line.removeprefix("\ufeff") if self._lines == 1 else line

    def pass_over(self) -> None:
        """Count what was taken as standing before the next record."""
        self._passed += self._size
        self._first, self._size = self._lines + 1, 0

    def record(self) -> tuple[int, int]:
        """Return the first line of what was taken, and its bytes with those that stand before it."""
        found = self._first, self._size + self._passed
        self._passed = 0
        self._first, self._size = self._lines + 1, 0
        return found


def csv_rows(stream: Readable, longest: int = LONGEST_LINE) -> Iterator[tuple[int, int, Pairs | str]]:
    """Yield the first line of each record, the bytes since the one before, and its cells with their names.

    The names are in the first line of the file. What is wrong with a record stands in the place of its cells, and
    quotes none. No more than ``longest`` bytes of a record are held.
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
    except csv.Error:  # whose words may quote the line
        yield *taken.record(), f"not valid CSV: {_UNREAD}"
    finally:
        csv.field_size_limit(before)


def _row(names: list[str], cells: list[str]) -> Pairs | str:
    """Return the cells by name, or what is wrong with them."""
    if len(cells) != len(names):
        return f"{len(cells)} cell{'s' * (len(cells) != 1)} where the first line names {len(names)}"
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return "not UTF-8 text"
    return list(zip(names, cells, strict=True))
