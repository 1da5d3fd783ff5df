"""What a person says of decisions in a log: right or wrong. Kept beside the log, line by line, and never in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Said = Literal["right", "wrong"]


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
    return log.with_name(log.name + ".marks")


def add_marks(log: Path, marks: Iterable[Mark]) -> None:
    """Write ``marks`` down behind those that are there. Raises ``DecisionLogError`` where that cannot be done."""
    path = marks_path(log)
    lines = "".join(json.dumps(asdict(mark), separators=(",", ":")) + "\n" for mark in marks)
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(lines)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise DecisionLogError(msg) from None


def marks_of(log: Path) -> dict[int, Mark]:
    """Return the last mark of every decision that has one, by its number; none where nothing was marked yet.

    Raises ``DecisionLogError`` that names the line where the file holds anything else.
    """
    path = marks_path(log)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
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
