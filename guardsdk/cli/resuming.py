"""Where a scan that was cut short left off, found in the rows it wrote."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guardsdk.cli.outcome import WORDS, Exit
from guardsdk.errors import InputError
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.guard import Guard
    from guardsdk.verdict import Stage

_OUTCOMES = {word: result for result, word in WORDS.items()}


@dataclass(slots=True)
class Done:
    """What is written already."""

    line: int = 0
    """The last line of the input that has a row."""
    counts: Counter[Exit] = field(default_factory=Counter)
    flagged: int = 0
    bad: int = 0


def done_before(path: Path, guard: Guard, stage: Stage) -> Done:
    """Read the rows at ``path`` and cut off a last one that was not written to its end. Holds one row at a time.

    Raises ``InputError`` where a row is none of a scan's, or was written with another model or policy than ``guard``
    has or on another stage than ``stage``: rows of both in one file could not be told apart.
    """
    done = Done()
    if not path.exists():
        return done
    refs = {"model": guard.info().model.model_dump(mode="json"), "policy": guard.policy.ref.model_dump(mode="json")}
    with path.open("r+b") as rows:
        whole = 0
        for number, raw in enumerate(rows, 1):
            if not raw.endswith(b"\n"):
                break
            _count(_row(raw, path, number), done, refs, stage, path)
            whole += len(raw)
        rows.truncate(whole)
    return done


def _row(raw: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(raw)
        if isinstance(row["line"], int) and row["outcome"] in _OUTCOMES:
            return dict(row)
    except (ValueError, TypeError, KeyError):
        pass
    msg = f"--resume: line {number} of {path} is no row of a scan"
    raise InputError(msg)


def _count(row: dict[str, Any], done: Done, refs: dict[str, Any], stage: Stage, path: Path) -> None:
    verdict: dict[str, Any] = row.get("verdict", {})
    for what, ref in refs.items():
        # A text without a visible character needs no model, and a failed check may have had none.
        if verdict.get(what) not in (None, ref):
            was = f"{verdict[what]['name']} {verdict[what]['version']}"
            msg = f"--resume: line {row['line']} in {path} was checked with another {what} ({was}); write to a new file"
            raise InputError(msg)
    if verdict and verdict.get("stage") != stage.value:
        msg = f"--resume: line {row['line']} in {path} was checked on stage {verdict.get('stage')}; write to a new file"
        raise InputError(msg)
    result = _OUTCOMES[row["outcome"]]
    done.line = row["line"]
    done.counts[result] += 1
    done.bad += not verdict
    done.flagged += result is Exit.ALLOWED and verdict.get("action") == Action.FLAG.value
