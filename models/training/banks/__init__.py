"""Phrase banks: plain text files with one phrase per line; ``#`` starts a comment, and blank lines are skipped.

Banks of whole texts keep their lines as they are; a line that holds only ``%%`` separates two texts.
"""

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


@cache
def newest(name: str) -> int:
    """Return how many phrases of ``<name>.txt`` are old; new ones follow the last comment that has phrases before it.

    All are old where no phrase follows such a comment. Raises as ``bank`` does.
    """
    before, passed = len(bank(name)), 0
    for line in filter(None, map(str.strip, (_HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines())):
        if not line.startswith("#"):
            passed += 1
        elif passed:
            before = passed
    return before


@cache
def passages(name: str) -> tuple[str, ...]:
    """Return the whole texts of ``<name>.txt``, in file order, with their line breaks.

    Raises ``FileNotFoundError`` for an unknown bank and ``ValueError`` for an empty text.
    """
    texts = tuple(text.strip("\n") for text in (_HERE / f"{name}.txt").read_text(encoding="utf-8").split("\n%%\n"))
    if not all(text.strip() for text in texts):
        msg = f"phrase bank {name!r} holds an empty text"
        raise ValueError(msg)
    return texts
