"""People's marks on decisions in a log, right or wrong. Stored next to the log, line by line, and never in it."""

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
"""Seconds to wait for another process that is marking."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One person's judgement of one decision."""

    seq: int
    """Sequence number of the decision in its log."""
    hash: str
    """Hash of its line, which ties the mark to this very decision, not to another with the same number."""
    said: Said
    time: str
    """UTC, as in the log."""
    by: str | None = None
    """Who judged, in their own words."""


def marks_path(log: Path) -> Path:
    """Return the path of the marks of the log at ``log``."""
    return Place(log).marks


def add_marks(log: Path, marks: Iterable[Mark]) -> None:
    """Append ``marks``, all or none, overwriting any torn last line that a full disk left.

    Raises ``DecisionLogError`` if that fails.
    """
    path = marks_path(log)
    lines = "".join(json.dumps(asdict(mark), separators=(",", ":")) + "\n" for mark in marks)
    try:
        # The file itself is locked and must not be opened a second time: closing that would release the lock.
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
    """Return the last mark of every marked decision, by its number; empty if there are none.

    A last line without a line end was never confirmed to anybody, and is ignored. Raises ``DecisionLogError`` that
    names the line if the file contains anything else.
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
                raise ValueError(mark.said)  # noqa: TRY301  one place reports what is wrong
        except (ValueError, TypeError):
            msg = f"{path}:{number}: no mark"
            raise DecisionLogError(msg) from None
        found[mark.seq] = mark
    return found


def marked(record: dict[str, Any], marks: dict[int, Mark]) -> Said | None:
    """Return the judgement of the decision ``record``; ``None`` if there is none, or it is of another line."""
    mark = marks.get(record["seq"])
    return mark.said if mark is not None and mark.hash == record["hash"] else None
