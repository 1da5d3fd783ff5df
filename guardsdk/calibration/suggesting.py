"""From decisions that people marked right or wrong: which threshold to move, and what that would have changed."""

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
"""Marked decisions that a move has to put right: one is an anecdote."""
_DIGITS: Final = range(4, 17)
"""Decimals that a suggested line may have: no more than tell it from the scores beside it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One decision by one principle: where the text stood and what was said of it."""

    value: float
    """The score."""
    fired: bool
    said: Said | None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One threshold to move."""

    principle_id: str
    stage: str
    line: float
    """Where it is."""
    moved: float
    """Where it would be better, in as few decimals as say it: what is shown is what to write."""
    put_right: int
    """Marked decisions that would have been right and were not."""
    put_wrong: int
    """Marked decisions that were right and would not have been."""
    changed: int
    """Decisions of the whole log in which this principle would have fired or not fired otherwise."""
    decisions: int
    """All decisions of texts that it was compared with."""

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
    """Return what to move, the most useful first; nothing where no move puts more right than wrong.

    ``records`` are decisions as the log has them, ``said_of`` what people said, by number. A text that was stopped and
    is marked wrong speaks against every principle that fired; one that passed, flagged or not, and is marked wrong
    speaks against that principle of those that did not fire whose line it came closest to, which is a guess. Only
    decisions by the newest threshold of a principle count: older ones were taken at another line. A text that was
    stopped because its actor met a lowered threshold for a while says nothing of the principle's own.
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
            # Each line apart: while a policy is rolled out, guards with the old one and the new write in turns.
            seen[*key, line].append(Seen(line + record["margins"][name], fired, own))
    found = [one for key, line in lines.items() if (one := _suggestion(key, line, seen[*key, line])) is not None]
    return sorted(found, key=lambda one: (one.put_wrong - one.put_right, one.principle_id))


def passed(record: Mapping[str, Any]) -> bool:
    """Whether the policy let the text of a decision pass; in shadow mode whether it would have."""
    return (record["would_action"] or record["action"]) in _PASSING


def _closest(record: Mapping[str, Any]) -> str | None:
    """Return which of the principles that did not fire was nearest to it."""
    margins = {name: margin for name, margin in record["margins"].items() if name not in record["findings"]}
    return max(margins, key=margins.__getitem__) if margins else None


def _suggestion(key: tuple[str, str], line: float, decisions: Sequence[Seen]) -> Suggestion | None:
    marked = [one for one in decisions if one.said is not None]
    # Half-way between two scores that were marked: as far from both as can be.
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
    """Return ``value``, or little less: a line that it reaches whatever its last digit."""
    for digits in _DIGITS:
        if (place := math.floor(value * 10.0**digits) / 10.0**digits) > 0.0:
            return min(place, value)
    return value


def _between(low: float, high: float) -> float:
    """Return the middle of two scores, in as few decimals as lie between them."""
    middle = (low + high) / 2.0
    return next((place for digits in _DIGITS if low < (place := round(middle, digits)) < high), middle)


def _written(place: float) -> str:
    """Return ``place`` with all its decimals, and four at least."""
    exponent = Decimal(repr(place)).as_tuple().exponent
    return f"{place:.{max(_DIGITS[0], -int(exponent))}f}"


class _Turned:
    """How many of some decisions another line turns: of thousands of marks each place is looked up, not counted."""

    def __init__(self, decisions: Iterable[Seen]) -> None:
        self._fired: list[float] = []
        self._passed: list[float] = []
        for one in decisions:
            (self._fired if one.fired else self._passed).append(one.value)
        self._fired.sort()
        self._passed.sort()

    def by(self, place: float) -> int:
        """Return how many fired and lie below ``place``, or did not fire and reach it."""
        return bisect_left(self._fired, place) + len(self._passed) - bisect_left(self._passed, place)
