"""The framework rows of a dossier, and how facts determine their status.

Pure, except for reading the packaged table.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import Field, TypeAdapter, field_validator

from guardsdk.dossier.facts import WANTED, State
from guardsdk.frozen import Frozen

if TYPE_CHECKING:
    from guardsdk.dossier.facts import Fact, Facts

FILE: Final = Path(__file__).with_name("rows.toml")
_THERE: Final = (State.SHOWN, State.PARTLY)


class RowStatus(StrEnum):
    """The status of a row. It is about the evidence named in the row, never about compliance."""

    COVERED = "covered"
    """All of the evidence was given and shows what it should."""
    PARTLY = "partly"
    """Some of it was; or all of it, where evidence of this kind cannot show the whole."""
    NOT_COVERED = "not covered"


class Row(Frozen):
    """One entry of a framework."""

    ref: str
    title: str
    asks: str
    """What it asks for, in our words."""
    evidence: tuple[str, ...]
    """Names of facts; empty if guardsdk has nothing to show."""
    needs: tuple[str, ...] = ()
    """Those that nothing else can replace: without one of them, the row is not covered at all."""
    most: RowStatus = RowStatus.COVERED
    beyond: str
    """What none of this evidence shows."""

    @field_validator("evidence", "needs")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in names if name not in WANTED]:
            msg = f"unknown facts {', '.join(unknown)}"
            raise ValueError(msg)
        return names


class Framework(Frozen):
    """A catalogue of duties, risks or attacks."""

    name: str
    source: str
    """What was read; second-hand sources are marked as such."""
    rows: tuple[Row, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Held:
    """One row with the evidence found for it."""

    row: Row
    status: RowStatus
    facts: tuple[Fact, ...]


@cache
def frameworks() -> tuple[Framework, ...]:
    """Return every framework with its rows."""
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(TypeAdapter(list[Framework]).validate_python(content["framework"]))


def held(row: Row, facts: Facts) -> Held:
    """Return ``row`` with its evidence among ``facts``; missing or contrary facts never count."""
    found = tuple(facts.get(name) for name in row.evidence)
    shown = [fact.state is State.SHOWN for fact in found]
    some = any(fact.state in _THERE for fact in found) and all(facts.get(name).state in _THERE for name in row.needs)
    status = row.most if found and all(shown) else RowStatus.PARTLY if some else RowStatus.NOT_COVERED
    return Held(row, status, found)
