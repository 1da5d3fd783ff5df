"""The only module that writes to the terminal."""

from __future__ import annotations

import errno
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Never, Self, TextIO

    from tqdm import tqdm


_ORDERS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters except tabs and line ends, which a terminal would obey."""


def say(text: str, *, to: TextIO | None = None) -> None:
    """Write ``text`` as a line to ``to``, by default standard output, escaping what that stream cannot encode.

    Names and titles may come from untrusted files, so control characters are escaped. Raises ``OSError`` if standard
    output was closed before the program began.
    """
    stream: TextIO | None = sys.stdout if to is None else to
    if stream is None:
        raise OSError(errno.EBADF, "standard output is closed: the result has nowhere to go")
    encoding = stream.encoding or "utf-8"
    text = _ORDERS.sub(_escaped, text)
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream)


def _escaped(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def say_all(lines: Iterable[str]) -> None:
    """Write each of ``lines`` to standard output."""
    for line in lines:
        say(line)


def say_json(value: object) -> None:
    """Write ``value`` to standard output as JSON, indented for people."""
    say(json.dumps(value, indent=2))


def quoted(text: str) -> str:
    """Return untrusted ``text`` as a JSON string without control or invisible characters."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in written)


def complain(text: str) -> None:
    """Write ``text`` to standard error, if open, as exactly one line that begins with the program's name."""
    if sys.stderr is not None:  # otherwise it would go to standard output, between rows for other programs
        say(f"guardsdk: {' '.join(text.split())}", to=sys.stderr)


def counted(number: int, noun: str) -> str:
    """Return ``1 text`` or ``2 texts``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Progress:
    """The progress of a scan. This class shows nothing; its subclasses draw on standard error."""

    def advance(self, texts: int, size: int) -> None:
        """Add ``texts`` texts and ``size`` bytes of the file."""

    def note(self, text: str) -> None:
        """Print the warning ``text`` without disturbing the display."""
        complain(text)

    def close(self) -> None:
        """End the display."""

    def __enter__(self) -> Self:
        """Return the progress itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the display."""
        self.close()


class Counter(Progress):
    """A counter that rewrites its line, for when ``tqdm`` is not installed."""

    def __init__(self, total: int | None, unit: str = "texts", done: int = 0) -> None:
        """Start at ``done`` of ``total``, if that is known."""
        self._total = total
        self._unit = unit
        self._texts, self._size = 0, done
        self._began = done
        self._started = time.monotonic()

    def advance(self, texts: int, size: int) -> None:
        """Count, and show the count."""
        self._texts += texts
        self._size += size
        share = f" ({self._size / self._total:.0%}, {self._left()} left)" if self._total else ""
        sys.stderr.write(f"\r{self._texts} {self._unit}{share}")
        sys.stderr.flush()

    def _left(self) -> str:
        """Return the estimated time left."""
        pace = (time.monotonic() - self._started) / max(self._size - self._began, 1)
        seconds = round(pace * max((self._total or 0) - self._size, 0))
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"

    def note(self, text: str) -> None:
        """Keep the counter and print the warning on a line of its own."""
        sys.stderr.write("\n")
        complain(text)

    def close(self) -> None:
        """End the line."""
        sys.stderr.write("\n")


class Bar(Progress):
    """A bar over the bytes of a file, whose number is known when that of the texts is not, or over cases."""

    def __init__(self, bar: tqdm[Never]) -> None:
        """Draw on ``bar``."""
        self._bar = bar
        self._texts = 0

    def advance(self, texts: int, size: int) -> None:
        """Move the bar."""
        self._texts += texts
        if self._bar.unit_scale:  # the bar counts bytes, so the number of texts is shown separately
            self._bar.set_postfix(texts=self._texts, refresh=False)
        self._bar.update(size)

    def note(self, text: str) -> None:
        """Print the warning above the bar."""
        with self._bar.external_write_mode(file=sys.stderr):
            complain(text)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


def progress(*, wanted: bool | None, total: int | None, unit: str = "texts", done: int = 0) -> Progress:
    """Return the best available display if ``wanted``, by default if standard error is a terminal.

    For ``texts``, sizes are bytes of a file, ``total`` of them (``None`` if unknown). For any other ``unit`` they are
    numbers of that unit, ``done`` of which are already done.
    """
    if sys.stderr is None or not (sys.stderr.isatty() if wanted is None else wanted):
        return Progress()
    try:
        from tqdm import tqdm  # noqa: PLC0415  an extra
    except ModuleNotFoundError:
        return Counter(total, unit, done)
    if unit == "texts":
        return Bar(tqdm(total=total, unit="B", unit_scale=True, file=sys.stderr))
    return Bar(tqdm(total=total, initial=done, unit=f" {unit}", file=sys.stderr))


def table(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield ``rows``, all of the same length, as lines with aligned columns, one line per row."""
    cells = [[" ".join(cell.split()) if column else cell for column, cell in enumerate(row)] for row in rows]
    cells = [[_ORDERS.sub(_escaped, cell) for cell in row] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
