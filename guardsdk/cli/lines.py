"""Reads a file of many texts, line by line, whatever the lines contain."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal

from guardsdk.cli.terminal import counted
from guardsdk.csv_rows import IN_UTF_16, LONGEST_LINE, UTF_16, csv_rows
from guardsdk.errors import InputError
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import ExitStack

    from guardsdk.csv_rows import Readable

Format = Literal["jsonl", "csv", "txt"]
_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".txt": "txt"}
_BATCH_CHARS: Final = 4_000_000
"""Characters after which a batch is closed even with fewer lines than requested, to limit memory."""

_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{,39}", re.ASCII)
_NAMES: Final = 8
"""Fields of a line that a message names if the requested one is missing."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a line has its text."""

    kind: Format
    """In ``txt`` the line is the text; in ``jsonl`` it is an object; in ``csv`` a row under the header of the first
    line."""
    field: str = "text"
    """The object's field, or the column, with the text."""
    context_field: str | None = None
    """The field with the prompt that the text answers; may be missing or null."""
    system_field: str | None = None
    """The same for the instructions that the text is aimed at, or must not recite."""

    @property
    def beside(self) -> frozenset[str]:
        """The fields that a line may lack."""
        return frozenset(name for name in (self.context_field, self.system_field) if name)


@dataclass(frozen=True, slots=True)
class Line:
    """One non-empty line: a text to check, or the reason why there is none."""

    number: int
    """Line number, from 1."""
    size: int
    """Bytes since the previous line, including blank lines and line ends."""
    text: str = ""
    context: str | None = None
    system: str | None = None
    problem: str | None = None
    """What is wrong with the line, without quoting it."""
    beside: frozenset[str] = frozenset()
    """Those of ``Layout.beside`` that the line has."""

    @property
    def blank(self) -> bool:
        """Whether its text has no visible character. A scan reports such lines; others skip them like blank lines."""
        return self.problem is None and not self.text.strip()


@dataclass(slots=True)
class Unread:
    """The number of lines without a usable text, and the first of them, in constant memory."""

    count: int = 0
    first: Line | None = None

    def sift(self, batch: Sequence[Line]) -> list[Line]:
        """Return the lines of ``batch`` with a text, skipping those whose text is blank and counting the others."""
        for line in batch:
            if line.problem is not None:
                self.count += 1
                self.first = self.first or line
        return [line for line in batch if line.problem is None and not line.blank]

    def told(self, name: str) -> str:
        """Return what was left out of the file ``name``, with the reason for the first; empty if nothing was."""
        if self.first is None:
            return ""
        holds, first = ("holds", "") if self.count == 1 else ("hold", "the first, ")
        why = f"{first}line {self.first.number}: {self.first.problem}"
        return f"{name}: {counted(self.count, 'line')} {holds} no text: {why}"


class Unseen:
    """Optional fields that were requested but are in no line: probably a typo, so nothing was read from them."""

    def __init__(self, layout: Layout) -> None:
        """Start without lines."""
        self._names = layout.beside
        self._texts = False

    def watch(self, lines: Iterable[Line]) -> Iterator[Line]:
        """Yield ``lines`` unchanged."""
        for line in lines:
            self._names -= line.beside
            self._texts |= line.problem is None
            yield line

    def told(self, name: str) -> str:
        """Return, once every line was seen, which requested fields the file ``name`` lacks; empty if none."""
        if not (self._names and self._texts):  # lines without a text report themselves what they lack
            return ""
        return f"{name}: no line has a field {' or '.join(map(repr, sorted(self._names)))}"


def layout_of(options: Namespace, name: str) -> Layout:
    """Return the layout of the file ``name``, from its name and ``arguments.layout_options``.

    Raises ``InputError`` if neither determines it.
    """
    context_field: str | None = getattr(options, "context_field", None)
    system_field: str | None = getattr(options, "system_field", None)
    if (context_field or system_field) and options.stage == Stage.TOOL:
        msg = f"{'--context-field' if context_field else '--system-field'} is read on --stage input and output only"
        raise InputError(msg)
    if context_field and system_field and options.stage == Stage.INPUT:
        msg = "on --stage input a text is read against one text: give --system-field or --context-field"
        raise InputError(msg)
    fields = options.field or context_field or system_field
    kind: Format | None = options.format or _FORMATS.get(Path(name).suffix.lower())
    if kind is None and fields:
        kind = "jsonl"
    if kind is None and name == "-":
        kind = "txt"
    if kind is None:
        msg = (
            f"cannot tell the format of {name} by its name: texts are read from .jsonl, .csv and .txt files; save it "
            "as one of them, or say with --format which of them it is"
        )
        raise InputError(msg)
    if kind == "txt" and fields:
        msg = "--field, --context-field and --system-field need a file of JSON lines, or CSV"
        raise InputError(msg)
    return Layout(kind, options.field or "text", context_field, system_field)


def open_source(name: str, stack: ExitStack) -> IO[bytes]:
    """Open the file to read, or standard input for ``-``. Raises ``OSError`` and as ``standard_input``."""
    return standard_input() if name == "-" else stack.enter_context(Path(name).open("rb"))


def standard_input() -> IO[bytes]:
    """Return standard input. Raises ``InputError`` where it was closed before the program began."""
    if sys.stdin is None:
        msg = "standard input is closed: nothing can be read from it"
        raise InputError(msg)
    return sys.stdin.buffer


def require_once(*names: str | None) -> None:
    """Raise ``InputError`` if more than one input is standard input, as the first would read all of it."""
    if names.count("-") > 1:
        msg = "- stands for standard input, which can be read once: give files for the others"
        raise InputError(msg)


def size_of(source: IO[bytes]) -> int | None:
    """Return the size of ``source`` in bytes if it is a regular file."""
    try:
        found = os.fstat(source.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def batches(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    """Yield up to ``size`` lines at a time, fewer if they are long."""
    batch: list[Line] = []
    chars = 0
    for line in lines:
        batch.append(line)
        chars += len(line.text) + len(line.context or "") + len(line.system or "")
        if len(batch) == size or chars >= _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def read_lines(stream: Readable, layout: Layout, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """Yield the lines of ``stream`` that are not blank, separated by line feeds. Holds at most one line.

    For CSV, yields records, which may span several lines; ``number`` is that of the first.
    """
    if layout.kind == "csv":
        for number, size, row in csv_rows(stream, longest):
            if isinstance(row, str):
                yield Line(number, size, problem=row)
            else:
                yield _row_line(number, size, _object(row), layout)
        return
    number = size = 0
    while raw := stream.readline(longest + 1):
        number += 1
        size += len(raw)
        if number == 1 and raw.startswith(UTF_16):
            yield Line(number, size, problem=IN_UTF_16)
            return
        if len(raw) > longest and not raw.endswith(b"\n"):
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(longest)
                size += len(raw)
            line = Line(number, size, problem=f"longer than {longest} bytes")
        else:
            found = _line(raw, number, size, layout)
            if found is None:
                continue
            line = found
        yield line
        size = 0


def _line(raw: bytes, number: int, size: int, layout: Layout) -> Line | None:
    """Return the content of the line ``raw``, or ``None`` if it is blank."""
    try:
        content = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return Line(number, size, problem="not UTF-8 text")
    if not content.strip():
        return None
    if layout.kind == "txt":
        return Line(number, size, text=content)
    return _object_line(number, size, content, layout)


class _Twice(dict[str, object]):
    """An object with duplicate names."""

    names: frozenset[str]


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) == len(pairs):
        return row
    twice = _Twice(row)
    twice.names = frozenset(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
    return twice


def _object_line(number: int, size: int, content: str, layout: Layout) -> Line:
    try:
        row = json.loads(content, object_pairs_hook=_object)
    except (ValueError, RecursionError):  # the message of json may quote the line
        return Line(number, size, problem="not valid JSON")
    if not isinstance(row, dict):
        return Line(number, size, problem="not a JSON object")
    return _row_line(number, size, row, layout)


def _row_line(number: int, size: int, row: dict[str, object], layout: Layout) -> Line:
    field, has = layout.field, layout.beside & row.keys()
    if field not in row:
        apart = "; cells are set apart by commas" if layout.kind == "csv" and len(row) == 1 else ""
        problem = f"no field {field!r}; {_fields(row)}: --field NAME says which holds the text{apart}"
        return Line(number, size, problem=problem, beside=has)
    text = row[field]
    if not isinstance(text, str):
        return Line(number, size, problem=f"field {field!r} is {_kind(text)}, not a string", beside=has)
    beside: list[str | None] = []
    for name in (layout.context_field, layout.system_field):
        if name and name not in has and layout.kind == "csv":  # in CSV, it is then in no row
            return Line(number, size, problem=f"no field {name!r}; {_fields(row)}", beside=has)
        given = row.get(name) if name else None
        if not isinstance(given, str | None):
            return Line(number, size, problem=f"field {name!r} is {_kind(given)}, not a string", beside=has)
        beside.append(given)
    context, system = beside
    # Other programs may read the other one of two duplicates.
    fields = (field, layout.context_field, layout.system_field)
    twice = [name for name in fields if isinstance(row, _Twice) and name in row.names]
    double = f"field {twice[0]!r} comes twice" if twice else None
    return Line(number, size, text=text, context=context, system=system, problem=double, beside=has)


def _fields(row: dict[str, object]) -> str:
    """Name the fields of a line; anything that does not look like a name may be text, and is not quoted."""
    names = [name for name in row if _NAME.fullmatch(name)][:_NAMES]
    told = [repr(name) for name in names] + ["others"] * (len(names) < len(row))
    return f"it has {', '.join(told)}" if told else "it has none"


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return {int: "a number", float: "a number", list: "an array"}.get(type(value), "an object")
