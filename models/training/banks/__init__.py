"""Phrase banks: plain text files, one phrase a line, ``#`` starts a comment, blank lines are skipped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


@cache
def bank(name: str) -> tuple[str, ...]:
    r"""Return the phrases of ``<name>.txt``, in file order; a literal ``\n`` in a line stands for a line break.

    Raises ``FileNotFoundError`` for an unknown bank and ``ValueError`` for an empty one.
    """
    lines = (_HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    phrases = tuple(
        line.strip().replace("\\n", "\n") for line in lines if line.strip() and not line.lstrip().startswith("#")
    )
    if not phrases:
        msg = f"phrase bank {name!r} holds no phrase"
        raise ValueError(msg)
    return phrases
