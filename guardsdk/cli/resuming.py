"""Finds where an interrupted scan stopped, from the rows it wrote."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from guardsdk.cli.outcome import WORDS, Exit
from guardsdk.errors import InputError
from guardsdk.verdict import Action
from guardsdk.version import __version__

if TYPE_CHECKING:
    from argparse import Namespace

    from guardsdk.cli.lines import Layout
    from guardsdk.guard import Guard

    Record = dict[str, Any]

_OUTCOMES = {word: result for result, word in WORDS.items()}
_OPENING: Final = b'{"line": '
"""The beginning of the first row, even if that is all that was written."""
RECORD: Final = "scan"
"""The key in a file's first row under which the scan's parameters are stored."""
_NAMES: Final = {
    "guardsdk": "version of guardsdk",
    "file": "input file",
    "format": "--format",
    "field": "--field",
    "context_field": "--context-field",
    "system_field": "--system-field",
    "stage": "--stage",
    "with_text": "--with-text",
    "no_early_exit": "--no-early-exit",
    "policy": "policy",
    "taught": "--taught",
    "model": "model",
}


@dataclass(slots=True)
class Done:
    """What has already been written."""

    line: int = 0
    """The last line of the input that has a row."""
    counts: Counter[Exit] = field(default_factory=Counter)
    flagged: int = 0
    bad: int = 0
    first: Record = field(default_factory=dict)
    """Additional fields of the next row."""


def record_of(options: Namespace, layout: Layout, guard: Guard) -> Record:
    """Return everything that the rows of a scan depend on, except the content of the input file.

    Not the batch size, the processes and the provider: the first two have no effect, and every verdict names the last.
    """
    info = guard.info()
    return {
        "guardsdk": __version__,
        "file": Path(options.file).name,
        "format": layout.kind,
        "field": None if layout.kind == "txt" else layout.field,
        "context_field": layout.context_field,
        "system_field": layout.system_field,
        "stage": options.stage,
        "with_text": options.with_text,
        "no_early_exit": not options.early_exit,
        "policy": guard.policy.ref.model_dump(mode="json"),
        "taught": ", ".join(f"{name} {digest[:16]}" for name, digest in info.taught.items()) or None,
        "model": info.model.model_dump(mode="json"),
    }


def beginning(record: Record) -> Done:
    """Return the state of a scan that has written nothing."""
    return Done(first={RECORD: record})


def done_before(rows: IO[bytes], path: Path, record: Record) -> Done:
    """Read the ``rows`` at ``path`` and cut off an incomplete last one. Holds one row at a time.

    Raises ``InputError`` if a row is not from a scan, or was written with other parameters than ``record``: rows of
    both in one file would be indistinguishable.
    """
    done, whole = Done(), 0
    for number, raw in enumerate(rows, 1):
        if not raw.endswith(b"\n"):
            if number == 1 and not (raw.startswith(_OPENING) or _OPENING.startswith(raw)):
                raise _no_row(path, number)  # something else, which must not be overwritten
            break
        row = _row(raw, path, number)
        if number == 1 or RECORD in row:
            _require_same(row.get(RECORD), record, path)
        _count(row, done, record, path)
        whole += len(raw)
    rows.seek(whole)
    rows.truncate()
    return done if done.line else beginning(record)


def _row(raw: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(raw)
        if isinstance(row["line"], int) and row["outcome"] in _OUTCOMES and isinstance(row.get("verdict", {}), dict):
            return dict(row)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise _no_row(path, number)


def _no_row(path: Path, number: int) -> InputError:
    return InputError(f"--resume: line {number} of {path} is no row of a scan")


def _require_same(before: object, record: Record, path: Path) -> None:
    """Raise ``InputError`` that names every difference between ``before``, the record at ``path``, and ``record``."""
    if not isinstance(before, dict):
        msg = f"--resume: the first row of {path} does not say how it was made; write to a new file"
        raise InputError(msg)
    others = [name for name, value in record.items() if before.get(name) != value]
    if others:
        told = ", ".join(f"{_NAMES[name]} ({_told(before.get(name), record[name])})" for name in others)
        msg = f"--resume: the rows in {path} were made with another {told}; give what was given then, or a new --out"
        raise InputError(msg)


def _told(before: Any, now: Any) -> str:  # noqa: ANN401  any JSON value
    """Return the old and the new value of an entry."""
    if _short(before) == _short(now):
        return f"{_short(before)}, with other contents"
    return f"{_short(before)} then, {_short(now)} now"


def _short(value: Any) -> str:  # noqa: ANN401  any JSON value
    if isinstance(value, bool):
        return "given" if value else "not given"
    if isinstance(value, dict):
        return f"{value.get('name')} {value.get('version')}"
    return "none" if value is None else str(value)


def _count(row: dict[str, Any], done: Done, record: Record, path: Path) -> None:
    verdict: dict[str, Any] = row.get("verdict", {})
    for what in ("model", "policy", "stage"):  # rows of another file may have been appended by hand
        # A text without a visible character needs no model, and a failed check may not have had one.
        if verdict.get(what) not in (None, record[what]):
            was = _told(verdict[what], record[what])
            msg = f"--resume: line {row['line']} in {path} was checked with another {what} ({was}); give a new --out"
            raise InputError(msg)
    result = _OUTCOMES[row["outcome"]]
    done.line = row["line"]
    done.counts[result] += 1
    done.bad += not verdict
    done.flagged += result is Exit.ALLOWED and verdict.get("action") == Action.FLAG.value
