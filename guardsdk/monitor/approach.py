"""Detects an actor who probes a threshold with variants of one text whose scores rise. Pure.

Three things are tested over an actor's last texts, each against what any actor might do:

- The order of the scores. Among ``n`` exchangeable scores the newest takes each rank with probability ``1/n`` (Renyi,
  1962). For rising scores the top ranks are likelier, each rank half as likely as the one above it: Mallows' model
  (Non-null ranking models, Biometrika 1957) built up by insertion. One step back costs little.
- How many texts are variants of an earlier one, compared with that share among all actors.
- Whether the newest text is blocked, or close below a threshold, compared with that share among all actors.

For texts in random order, the product of the ratios has mean one wherever the series starts. Summed over all starts
(Shiryaev-Roberts), it reaches ``c`` by chance after ``c`` texts on average or later.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

LATELY: Final = 10
"""The number of an actor's texts evaluated together."""
_STEP: Final = 0.5
"""Likelihood of a rank relative to the rank above it."""


class Shares(NamedTuple):
    """The frequency of something, 0 to 1: among all actors, and among those who probe."""

    everybody: float
    suspect: float

    def odds(self, *, hit: bool) -> float:
        """Return the likelihood ratio, suspect over everybody, of a text that is a ``hit`` or not."""
        return self.suspect / self.everybody if hit else (1.0 - self.suspect) / (1.0 - self.everybody)


class Step(NamedTuple):
    """One of an actor's last texts."""

    closeness: float
    """The score closest to its threshold: the difference in log-odds."""
    variant: bool | None
    """Whether it is a variant of an earlier text; ``None`` if texts cannot be compared."""


class Approach(NamedTuple):
    """The evidence of probing."""

    total: float
    """Log of all evidence combined."""
    climb: float
    """Log of the largest evidence from the order of the scores alone, over all starts."""
    variants: int
    """The number of texts that are variants of an earlier one."""


def approach(steps: Sequence[Step], variants: Shares, reached: Shares) -> Approach:
    """Evaluate the last texts of an actor, the oldest first, the newest being among the few that come so close.

    ``variants`` are the shares of variants, ``reached`` the shares of texts that come as close.
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
    """Return the likelihood ratio of the order of ``scores``: rising over random."""
    ratio = 1.0
    for at in range(1, len(scores)):
        newest, places = scores[at], at + 1
        above = sum(one > newest for one in scores[:at])
        same = sum(one == newest for one in scores[:at])
        # Among ties it may have any of their ranks.
        likely = sum(_STEP ** (above + one) for one in range(same + 1)) / (same + 1)
        ratio *= places * likely * (1.0 - _STEP) / (1.0 - _STEP**places)
    return ratio
