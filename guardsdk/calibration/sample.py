"""What a policy scored on many texts, counted in memory that does not grow with their number."""

from __future__ import annotations

import hashlib
import json
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
_PLACES: Final = 1 << 26
"""Bits that tell which texts came before: of a million different ones, one in seventy is taken for another's copy."""


class Known:
    """Which texts came before, in memory that does not grow with their number; now and then one that did not."""

    def __init__(self) -> None:
        """Begin with none."""
        self._marks = bytearray(_PLACES // 8)

    def again(self, text: str, context: str | None) -> bool:
        """Return whether ``text``, however its words are spaced, came before beside ``context``; from now on it did."""
        said = json.dumps([" ".join(text.split()), context])  # escaped, since not every string has bytes
        byte, bit = divmod(int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest()) % _PLACES, 8)
        known = self._marks[byte] >> bit & 1
        self._marks[byte] |= 1 << bit
        return bool(known)


class Sample:
    """The scores of texts of one kind on one stage, principle by principle. R principles, N texts."""

    def __init__(self, rules: Sequence[RuleInfo]) -> None:
        """Count for ``rules``, those of the stage."""
        self.rules = tuple(rules)
        self.texts = 0
        self.different = 0
        """Texts that had not come before: a copy counts for how often something is flagged, and is no evidence."""
        self.unchecked = 0
        self._counts = np.zeros((len(self.rules), _STEPS + 2), dtype=np.int64)
        self._once = self._counts.copy()
        self._kept = np.zeros((KEPT, len(self.rules)))
        self._chooser = random.Random(0)  # noqa: S311  a sample, no secret

    def add(self, verdicts: Sequence[Verdict], again: Sequence[bool] = ()) -> None:
        """Count the scores of ``verdicts``; one that lacks any of them is counted as unchecked.

        ``again``, as long as ``verdicts``, says of which texts a copy came before; of none where it is left out.
        """
        rows: list[list[float]] = []
        first: list[bool] = []
        for verdict, copy in zip(verdicts, again or (False,) * len(verdicts), strict=True):
            if (row := self._row(verdict)) is None:
                self.unchecked += 1
            else:
                rows.append(row)
                first.append(not copy)
        if not rows:
            return
        values = np.array(rows)
        self.different += sum(first)
        for column, places in enumerate(np.searchsorted(EDGES, values, side="right").T):
            self._counts[column] += np.bincount(places, minlength=_STEPS + 2)
            self._once[column] += np.bincount(places[first], minlength=_STEPS + 2)
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

    def reaching(self, column: int, *, once: bool = False) -> NDArray[np.int64]:
        """Return for each of ``EDGES`` how many texts score as much or more by principle ``column``.

        With ``once`` copies of a text do not count.
        """
        counts = self._once if once else self._counts
        above: NDArray[np.int64] = np.cumsum(counts[column, ::-1])[::-1][1:]
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
