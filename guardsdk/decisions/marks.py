"""What a person says of decisions in a log: right or wrong. Kept beside the log, line by line, and never in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from guardsdk.decisions.files import Place, write_all
from guardsdk.decisions.locking import content_of, locked
from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Said = Literal["right", "wrong"]
_WAIT_S: Final = 5.0
"""For another who marks at this moment."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One verdict of a person on one decision."""

    seq: int
    """Number of the decision in its log."""
    hash: str
    """Hash of its line: the mark is of that very decision, and of no other that took its number."""
    said: Said
    time: str
    """UTC, as the log has it."""
    by: str | None = None
    """Who says so, in their own words."""


def marks_path(log: Path) -> Path:
    """Return where the marks of the log at ``log`` are kept."""
    return Place(log).marks


def add_marks(log: Path, marks: Iterable[Mark]) -> None:
    """Write ``marks`` down behind those that are there, all or none, in place of what a full disk left half written.

    Raises ``DecisionLogError`` where that cannot be done.
    """
    path = marks_path(log)
    lines = "".join(json.dumps(asdict(mark), separators=(",", ":")) + "\n" for mark in marks)
    try:
        # The file itself is locked, and must not be opened a second time: closing that would let go of the lock.
        with (
            locked(path.resolve(), _WAIT_S) as descriptor,
            open(descriptor, "r+b", buffering=0, closefd=False) as stream,
        ):
            end = stream.read().rfind(b"\n") + 1
            stream.truncate(end)
            stream.seek(end)
            try:
                write_all(descriptor, lines.encode())
            except BaseException:
                stream.truncate(end)
                raise
    except DecisionLogError:
        raise
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise DecisionLogError(msg) from None


def marks_of(log: Path) -> dict[int, Mark]:
    """Return the last mark of every decision that has one, by its number; none where nothing was marked yet.

    A last line without an end was never confirmed to anybody, and is none. Raises ``DecisionLogError`` that names the
    line where the file holds anything else.
    """
    path = marks_path(log)
    try:
        lines = content_of(path.resolve()).split(b"\n")[:-1]
    except FileNotFoundError:
        return {}
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise DecisionLogError(msg) from None
    found: dict[int, Mark] = {}
    for number, line in enumerate(lines, 1):
        try:
            mark = Mark(**json.loads(line))
            if not isinstance(mark.seq, int) or mark.said not in {"right", "wrong"}:
                raise ValueError(mark.said)  # noqa: TRY301  one place says what is wrong
        except (ValueError, TypeError):
            msg = f"{path}:{number}: no mark"
            raise DecisionLogError(msg) from None
        found[mark.seq] = mark
    return found


def marked(record: dict[str, Any], marks: dict[int, Mark]) -> Said | None:
    """Return what was said of the decision ``record``; none where nothing was, or it was said of another line."""
    mark = marks.get(record["seq"])
    return mark.said if mark is not None and mark.hash == record["hash"] else None
