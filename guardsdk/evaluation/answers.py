"""Answers kept for later runs: asked once, judged any number of times. The file has text, so it is opt-in.

It is an SQLite database: one file, which a killed process leaves intact.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import TYPE_CHECKING, Self

from guardsdk.errors import EvaluationError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from guardsdk.evaluation.targets import Question, Target

_TABLE = "CREATE TABLE IF NOT EXISTS answer (key BLOB PRIMARY KEY, text TEXT NOT NULL, seconds REAL) WITHOUT ROWID"


class Answers:
    """A target's answers, by target, parameters, conversation and seed. For one thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file at ``path``. Raises ``EvaluationError`` if it cannot be used."""
        self._path = path
        try:
            self._base = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.execute(_TABLE)
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def get(self, target: Target, question: Question) -> tuple[str, float | None] | None:
        """Return the answer and the seconds it took, or ``None`` if the target was not asked this."""
        try:
            found = self._base.execute(
                "SELECT text, seconds FROM answer WHERE key = ?", (_key(target, question),)
            ).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from None
        return None if found is None else (str(found[0]), found[1])

    def put(self, target: Target, question: Question, answer: str, seconds: float | None) -> None:
        """Store ``answer``."""
        try:
            self._base.execute(
                "INSERT OR REPLACE INTO answer VALUES (?, ?, ?)", (_key(target, question), answer, seconds)
            )
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _unusable(self, error: sqlite3.Error) -> EvaluationError:
        return EvaluationError(f"{self._path}: cannot be used for answers: {error}; give another --cache")


def _key(target: Target, question: Question) -> bytes:
    content = [target.ref.model_dump(mode="json"), target.origin, question.turns, question.seed]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
