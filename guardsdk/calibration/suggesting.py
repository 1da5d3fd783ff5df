"""Suggests threshold changes from decisions that people marked right or wrong, with their effect on past decisions."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from guardsdk.decisions.marks import Said

_PASSING: Final = ("allow", "flag")
_FEWEST: Final = 2
"""The least number of marked decisions that a change must correct: one is an anecdote."""
_DIGITS: Final = range(4, 17)
"""Possible numbers of decimals: no more than distinguish a threshold from the neighbouring scores."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One decision by one principle: the score and what was said of it."""

    value: float
    """The score."""
    fired: bool
    said: Said | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One threshold to change."""

    principle_id: str
    stage: str
    line: float
    """The current threshold."""
    moved: float
    """The suggested threshold, with as few decimals as express it: what is shown is what to write."""
    put_right: int
    """Marked decisions that would become right."""
    put_wrong: int
    """Marked decisions that would become wrong."""
    changed: int
    """Decisions in the whole log for which this principle would start or stop firing."""
    decisions: int
    """All decisions in which it was evaluated."""

    def __str__(self) -> str:
        """One sentence."""
        way = "raise" if self.moved > self.line else "lower"
        wrong = f" and {self.put_wrong} that were right wrong" if self.put_wrong else ""
        return (
            f"{way} {self.principle_id} on {self.stage} from {self.line:.4f} to {_written(self.moved)}: it puts "
            f"{self.put_right} marked decisions right{wrong}; it would have changed {self.changed} of the "
            f"{self.decisions} decisions in the log"
        )


def suggestions(records: Iterable[Mapping[str, Any]], said_of: Mapping[int, Said]) -> list[Suggestion]:
    """Return the suggestions, the most useful first; empty if no change corrects more than it breaks.

    ``records`` are decisions from the log, ``said_of`` people's marks by number. A stopped text marked wrong counts
    against every principle that fired. A text that passed, flagged or not, and is marked wrong counts against the
    principle that came closest to firing, which is a guess. Only decisions under a principle's newest threshold count.
    A text that was stopped only because its actor's thresholds were lowered says nothing about the principle's own.
    """
    seen: dict[tuple[str, str, float], list[Seen]] = defaultdict(list)
    lines: dict[tuple[str, str], float] = {}
    for record in records:
        said = said_of.get(record["seq"])
        let_pass = passed(record)
        missed = _closest(record) if said == "wrong" and let_pass else None
        for name, line in record["thresholds"].items():
            key = name, record["stage"]
            lines[key] = line
            fired = record["margins"][name] >= 0.0
            lowered = name in record["findings"] and not fired
            meant = said == "right" or name == missed or (fired and not let_pass)
            own = said if meant and not lowered else None
            # Each threshold separately: while a policy is rolled out, guards with the old and the new one alternate.
            seen[*key, line].append(Seen(line + record["margins"][name], fired, own))
    found = [one for key, line in lines.items() if (one := _suggestion(key, line, seen[*key, line])) is not None]
    return sorted(found, key=lambda one: (one.put_wrong - one.put_right, one.principle_id))


def passed(record: Mapping[str, Any]) -> bool:
    """Whether the policy let the text pass; in shadow mode, whether it would have."""
    return (record["would_action"] or record["action"]) in _PASSING


def _closest(record: Mapping[str, Any]) -> str | None:
    """Return the principle that came closest to firing."""
    margins = {name: margin for name, margin in record["margins"].items() if name not in record["findings"]}
    return max(margins, key=margins.__getitem__) if margins else None


def _suggestion(key: tuple[str, str], line: float, decisions: Sequence[Seen]) -> Suggestion | None:
    marked = [one for one in decisions if one.said is not None]
    # Half-way between two marked scores, as far from both as possible.
    values = sorted({one.value for one in marked} | {line, 1.0})
    places = [_below(values[0]), *(_between(low, high) for low, high in pairwise(values))]
    wrong, right = (_Turned([one for one in marked if one.said == said]) for said in ("wrong", "right"))
    best: tuple[int, float] | None = None
    for place in places:
        mended, shift = wrong.by(place), abs(place - line)
        gain = mended - right.by(place)
        if mended >= _FEWEST and gain > 0 and (best is None or (gain, -shift) > (best[0], -best[1])):
            best = gain, shift
            chosen = place
    if best is None:
        return None
    changed = _Turned(decisions).by(chosen)
    return Suggestion(key[0], key[1], line, chosen, wrong.by(chosen), right.by(chosen), changed, len(decisions))


def _below(value: float) -> float:
    """Return ``value``, or slightly less: a threshold that it reaches despite rounding."""
    for digits in _DIGITS:
        if (place := math.floor(value * 10.0**digits) / 10.0**digits) > 0.0:
            return min(place, value)
    return value


def _between(low: float, high: float) -> float:
    """Return the middle of two scores, with as few decimals as lie between them."""
    middle = (low + high) / 2.0
    return next((place for digits in _DIGITS if low < (place := round(middle, digits)) < high), middle)


def _written(place: float) -> str:
    """Return ``place`` with all its decimals, at least four."""
    exponent = Decimal(repr(place)).as_tuple().exponent
    return f"{place:.{max(_DIGITS[0], -int(exponent))}f}"


class _Turned:
    """Counts how many decisions another threshold changes: for thousands of marks, by look-up rather than counting."""

    def __init__(self, decisions: Iterable[Seen]) -> None:
        self._fired: list[float] = []
        self._passed: list[float] = []
        for one in decisions:
            (self._fired if one.fired else self._passed).append(one.value)
        self._fired.sort()
        self._passed.sort()

    def by(self, place: float) -> int:
        """Return how many fired and are below ``place``, or did not fire and reach it."""
        return bisect_left(self._fired, place) + len(self._passed) - bisect_left(self._passed, place)
