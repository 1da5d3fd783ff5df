"""Values of tables written as text, each with its column head, which alone shows what is a password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from guardsdk.text.naming import TELLING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_DELIMITERS: Final = ("|", "\t", ";", ",")
_LONGEST_LINE: Final = 2_000
_LONGEST_HEAD: Final = 40
"""Characters of the longest column head; anything longer is a sentence with commas."""
_FEWEST: Final = 6
"""Characters of the shortest value."""
_RULE: Final = re.compile(r"[\s|:=+-]+")
"""The line under the heads of a table."""
_ROW_KEYS: Final = frozenset({"key", "keys"})
"""Heads of columns that may hold identifiers of the rows."""
_IDENTIFIER: Final = re.compile(r"[0-9A-Fa-f-]+")
_DRESS: Final = " \t\r\"'`*_"
"""Characters around the contents of a cell that are no part of them."""

_Cell = tuple[int, int]
_Line = tuple[int, str]


def cells_named(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the values below heads that match ``TELLING``: the head, and start and end of the value in ``text``.

    A table is a line of heads above lines with as many cells, parted by bars, tabs, semicolons or commas. Empty lines
    and lines with another number of cells, as with a comma inside one, are skipped; only the last line may have fewer.
    Only values of a single word that contains a digit are yielded. Takes time linear in the text.
    """
    if "\n" not in text:
        return
    lines = [line for line in _lines_of(text) if line[1] and not line[1].isspace()]
    at = 0
    while at + 1 < len(lines):
        start, line = lines[at]
        at += 1
        mark = next((mark for mark in _DELIMITERS if mark in line), None)
        if mark is None or len(line) > _LONGEST_LINE:
            continue
        unfinished = at == len(lines) - 1 and 0 < lines[at][1].count(mark) < line.count(mark)
        if not unfinished and line.count(mark) not in [below.count(mark) for _, below in lines[at : at + 2]]:
            continue
        heads = [line[first - start : end - start] for first, end in _cells(lines[at - 1], mark)]
        if max(map(len, heads)) > _LONGEST_HEAD:
            continue
        told = [column for column, head in enumerate(heads) if TELLING().search(head) is not None]
        while told and at < len(lines) and mark in lines[at][1]:
            cells = [] if len(lines[at][1]) > _LONGEST_LINE else _cells(lines[at], mark)
            fits = len(cells) == len(heads) or (len(cells) < len(heads) and at == len(lines) - 1)  # still being written
            if fits and _RULE.fullmatch(lines[at][1]) is None:
                yield from (
                    (heads[column], *cells[column])
                    for column in told
                    if column < len(cells) and _is_value(heads[column], text[slice(*cells[column])])
                )
            at += 1


def _lines_of(text: str) -> Sequence[_Line]:
    lines: list[_Line] = []
    start = 0
    for line in text.split("\n"):
        lines.append((start, line))
        start += len(line) + 1
    return lines


def _cells(line: _Line, mark: str) -> list[_Cell]:
    """Return the ranges of the cells of ``line`` in the text, without the characters around their contents."""
    cells: list[_Cell] = []
    start, text = line
    for cell in text.split(mark):
        inside = cell.lstrip(_DRESS)
        first = start + len(cell) - len(inside)
        cells.append((first, first + len(inside.rstrip(_DRESS))))
        start += len(cell) + 1
    return cells


def _is_value(head: str, value: str) -> bool:
    if len(value) < _FEWEST or len(value.split()) > 1 or not any(map(str.isdecimal, value)):
        return False
    return head.lower() not in _ROW_KEYS or _IDENTIFIER.fullmatch(value) is None
