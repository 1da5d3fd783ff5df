"""Whether an actor feels their way towards a threshold: variants of one text, whose scores rise. Pure.

Three things are weighed over an actor's last texts, each against what anybody might do:

- The order of the scores. Of ``n`` exchangeable scores the newest takes each place among them with probability ``1/n``
  (Renyi, 1962). Of somebody whose scores rise the places at the top are likelier, each half as likely as the one above
  it: Mallows' model (Non-null ranking models, Biometrika 1957) built up by insertion. One step back costs little.
- How many texts are variants of an earlier one, against the share of such texts among everybody.
- That the newest text is held back, or close below a threshold, against the share of such texts among everybody.

The product of the ratios is, for texts in no particular order, one on average wherever the series begins. Summed over
every beginning (Shiryaev-Roberts) it reaches ``c`` by chance after ``c`` texts on average or later.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LATELY: Final = 10
"""Texts of an actor that are looked at together."""
_STEP: Final = 0.5
"""How likely a place is, over the place above it."""


class Shares(NamedTuple):
    """How frequent something is, 0 to 1: among everybody, and in the texts of somebody who feels their way."""

    everybody: float
    suspect: float

    def odds(self, *, hit: bool) -> float:
        """Return how much likelier a text that is a ``hit`` or not is of the suspect."""
        return self.suspect / self.everybody if hit else (1.0 - self.suspect) / (1.0 - self.everybody)


class Step(NamedTuple):
    """One of an actor's last texts."""

    closeness: float
    """The score closest to its threshold: log-odds over the threshold's."""
    variant: bool | None
    """Whether it is a variant of one before it; none where texts cannot be compared."""


class Approach(NamedTuple):
    """What speaks for it."""

    total: float
    """Everything together: a logarithm."""
    climb: float
    """The most that the order of the scores says by itself, over all beginnings: a logarithm."""
    variants: int
    """Texts that are variants of an earlier one."""


def approach(steps: Sequence[Step], variants: Shares, reached: Shares) -> Approach:
    """Weigh the last texts of an actor, the oldest first, the newest of which came as far as few do.

    ``variants`` are shares of variants, ``reached`` those of texts that come as far.
    """
    total = climb = 0.0
    for begin in range(len(steps) - 1):
        rest = steps[begin:]
        order = rising([step.closeness for step in rest])
        climb = max(climb, order)
        for step in rest[1:]:
            if step.variant is not None:
                order *= variants.odds(hit=step.variant)
        total += order * reached.odds(hit=True)
    return Approach(_log(total), _log(climb), sum(step.variant is True for step in steps))


def _log(ratio: float) -> float:
    return math.log(ratio) if ratio > 1.0 else 0.0


def rising(scores: Sequence[float]) -> float:
    """Return how much likelier the order of ``scores`` is where they rise than where they come as they may."""
    ratio = 1.0
    for at in range(1, len(scores)):
        newest, places = scores[at], at + 1
        above = sum(one > newest for one in scores[:at])
        same = sum(one == newest for one in scores[:at])
        # Among equals it may have any of their places.
        likely = sum(_STEP ** (above + one) for one in range(same + 1)) / (same + 1)
        ratio *= places * likely * (1.0 - _STEP) / (1.0 - _STEP**places)
    return ratio
