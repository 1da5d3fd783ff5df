"""Tell whether a line of evaluation text was taken from the phrase banks the model is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_RUN = 6


def letters(text: str) -> str:
    """Letters and digits of ``text``, in lower case."""
    return "".join(filter(str.isalnum, text.casefold()))


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return the runs of six words of ``text``."""
    words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
    return frozenset(tuple(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1))


@dataclass(frozen=True, slots=True)
class Known:
    """What a body of text holds, in the forms that are compared."""

    letters: frozenset[str]
    shingles: frozenset[tuple[str, ...]]

    def holds(self, text: str) -> bool:
        """Whether ``text`` has the letters of a known line, or half of its runs of six words are known."""
        own = shingles(text)
        return letters(text) in self.letters or (bool(own) and 2 * len(own & self.shingles) >= len(own))


@cache
def banks() -> Known:
    """Every line of the phrase banks; a break written as ``\\n`` ends a line."""
    lines = [
        line
        for path in sorted((ROOT / "models" / "training" / "banks").glob("*.txt"))
        for line in path.read_text(encoding="utf-8").replace("\\n", "\n").splitlines()
        if line.strip()
    ]
    return Known(frozenset(map(letters, lines)), frozenset(run for line in lines for run in shingles(line)))
