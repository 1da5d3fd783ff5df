"""What a policy scored on many texts, counted in memory that does not grow with their number."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.verdict import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from guardsdk.parts.info import RuleInfo
    from guardsdk.verdict import Verdict

REACH: Final = 12.0
"""Log-odds on both sides of even within which scores are told apart."""
_STEPS: Final = 4800
EDGES: Final = 1.0 / (1.0 + np.exp(-np.linspace(-REACH, REACH, _STEPS + 1)))
"""[4801]: the lines that can be chosen, 0.005 apart in log-odds; how many scores reach one is counted exactly."""
KEPT: Final = 20_000
"""Texts whose scores are kept side by side, drawn evenly from all, to see how principles add up."""


class Sample:
    """The scores of texts of one kind on one stage, principle by principle. R principles, N texts."""

    def __init__(self, rules: Sequence[RuleInfo]) -> None:
        """Count for ``rules``, those of the stage."""
        self.rules = tuple(rules)
        self.texts = 0
        self.unchecked = 0
        self._counts = np.zeros((len(self.rules), _STEPS + 2), dtype=np.int64)
        self._kept = np.zeros((KEPT, len(self.rules)))
        self._chooser = random.Random(0)  # noqa: S311  a sample, no secret

    def add(self, verdicts: Sequence[Verdict]) -> None:
        """Count the scores of ``verdicts``; one that lacks any of them is counted as unchecked."""
        rows = [row for verdict in verdicts if (row := self._row(verdict)) is not None]
        self.unchecked += len(verdicts) - len(rows)
        if not rows:
            return
        values = np.array(rows)
        for column, places in enumerate(np.searchsorted(EDGES, values, side="right").T):
            self._counts[column] += np.bincount(places, minlength=_STEPS + 2)
        for row in values:
            # Reservoir sampling (Vitter 1985): whatever their number, every text is kept with the same chance.
            place = self.texts if self.texts < KEPT else self._chooser.randrange(self.texts + 1)
            if place < KEPT:
                self._kept[place] = row
            self.texts += 1

    def _row(self, verdict: Verdict) -> list[float] | None:
        if verdict.status is Status.FAILED or verdict.coverage < 1.0:
            return None
        found = {one.principle_id: one.score for one in verdict.evaluations}
        row = [found.get(rule.principle_id) for rule in self.rules]
        return None if None in row else [value for value in row if value is not None]

    def reaching(self, column: int) -> NDArray[np.int64]:
        """Return for each of ``EDGES`` how many texts score as much or more by principle ``column``."""
        above: NDArray[np.int64] = np.cumsum(self._counts[column, ::-1])[::-1][1:]
        return above

    def bins(self, column: int) -> NDArray[np.int64]:
        """Return how many scores lie between neighbouring ``EDGES``, [4800]; what lies outside counts at the ends."""
        counts: NDArray[np.int64] = self._counts[column, 1:-1].copy()
        counts[0] += self._counts[column, 0]
        counts[-1] += self._counts[column, -1]
        return counts

    def any_reaching(self, lines: Sequence[float]) -> tuple[int, int]:
        """Return how many of the texts kept reach any of ``lines`` [R], and how many are kept."""
        kept = self._kept[: min(self.texts, KEPT)]
        return int((kept >= np.array(lines)).any(axis=1).sum()), len(kept)
