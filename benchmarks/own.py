"""Sets the project writes by hand: part of every run, measured whole, and there without any data folder."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.data import STAGES, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent / "cases"
HARD_BENIGN = "own_hard_benign"
OWN = {HARD_BENIGN: FOLDER / "hard_benign.toml"}
"""Name of a set to its file: a list of harmless texts for every stage."""


def own(name: str) -> list[Row]:
    """Read one set; nothing in it may be blocked. Raises ``ValueError`` naming a stage that does not exist."""
    raw: dict[str, list[str]] = tomllib.loads(OWN[name].read_text(encoding="utf-8"))
    if unknown := raw.keys() - set(STAGES.values()):
        msg = f"{OWN[name].name} names no stage: {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    return [
        Row(name, stage, text, context=None, attack=0, harm=0, refusal=None)
        for stage in STAGES.values()
        for text in raw.get(stage, ())
    ]


def chosen(wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """Cut the names asked for into those of a data folder and our own; nothing asked for means all of ours."""
    names = list(wanted)
    return [name for name in names if name not in OWN], [name for name in OWN if name in names or not names]
