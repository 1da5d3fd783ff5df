"""The wrapped model's own specification or system card: whether it was given, and which lines may be relevant.

This does not replace reading it: keywords are searched for, and their lines are listed for a person to read. A model
whose specification is missing, or has no such line, is listed as an untested control.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from guardsdk.dossier.facts import State
from guardsdk.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.dossier.facts import Facts

_PROHIBITS: Final = re.compile(
    r"\b(?:prohibit|disallow|forbid|not allowed|must not|should not|refus|never (?:help|assist|provide))", re.IGNORECASE
)
_TESTS: Final = re.compile(
    r"\b(?:evaluat|red.?team|benchmark|tested|test set|measured|pass rate|violation rate)", re.IGNORECASE
)
_SHOWN: Final = 5
"""The most lines listed of each kind."""
UNTESTED: Final = "untested control: what the wrapped model itself prohibits, and how that was tested, is not shown"


@dataclass(frozen=True, slots=True)
class Specification:
    """The specification that was given."""

    name: str
    digest: str | None
    """SHA-256 of the file; ``None`` if only a URL was given, which is never opened."""
    prohibits: tuple[int, ...]
    """Lines, from 1, with keywords about what is prohibited."""
    tests: tuple[int, ...]
    """Lines with keywords about how that is tested."""


def specification_facts(facts: Facts, file: Path | None, address: str | None) -> Specification | None:
    """Add the facts about the wrapped model's specification. Raises ``InputError`` if the file is not text."""
    if file is None:
        if address is None:
            return None
        facts.add("wrapped.specification", State.MISSING, f"{UNTESTED}: an address was named, not read", address)
        return Specification(address, None, (), ())
    try:
        content = file.read_bytes()
        # Split at line feeds only, as editors do: text extracted from a PDF has a form feed before each page.
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        msg = f"{file}: not UTF-8 text; give the specification as text or Markdown"
        raise InputError(msg) from None
    found = Specification(
        file.name, hashlib.sha256(content).hexdigest(), _lines(lines, _PROHIBITS), _lines(lines, _TESTS)
    )
    absent = [
        what
        for what, where in (("what is prohibited", found.prohibits), ("how that is tested", found.tests))
        if not where
    ]
    if absent:
        facts.add(
            "wrapped.specification", State.CONTRARY, f"{UNTESTED}: no line speaks of {' or '.join(absent)}", file.name
        )
    else:
        says = (
            f"by their words, lines {_told(found.prohibits)} speak of what is prohibited and lines "
            f"{_told(found.tests)} of tests: a person has to read them"
        )
        facts.add("wrapped.specification", State.PARTLY, says, file.name)
    return found


def _lines(lines: list[str], words: re.Pattern[str]) -> tuple[int, ...]:
    return tuple(number for number, line in enumerate(lines, 1) if words.search(line))


def _told(numbers: tuple[int, ...]) -> str:
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return ", ".join(map(str, numbers[:_SHOWN])) + more
