"""The scores of a policy on many texts, counted in constant memory."""

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
"""Scores are resolved within this many log-odds on either side of even."""
_STEPS: Final = 4800
EDGES: Final = 1.0 / (1.0 + np.exp(-np.linspace(-REACH, REACH, _STEPS + 1)))
"""[4801]: the possible thresholds, 0.005 apart in log-odds; the number of scores that reach each is exact."""
KEPT: Final = 20_000
"""Texts whose scores are kept individually, sampled uniformly, to see how principles combine."""
_PLACES: Final = 1 << 26
"""Bits that record seen texts: among a million distinct ones, one in seventy is wrongly taken for a duplicate."""


class Known:
    """A set of seen texts in constant memory, with occasional false positives."""

    def __init__(self) -> None:
        """Begin with none."""
        self._marks = bytearray(_PLACES // 8)

    def again(self, text: str, context: str | None) -> bool:
        """Return whether ``text``, ignoring white space, was seen before with ``context``; from now on it was."""
        said = json.dumps([" ".join(text.split()), context])  # escaped, since not every string can be encoded
        byte, bit = divmod(int.from_bytes(hashlib.blake2b(said.encode(), digest_size=8).digest()) % _PLACES, 8)
        known = self._marks[byte] >> bit & 1
        self._marks[byte] |= 1 << bit
        return bool(known)


class Sample:
    """The scores of texts of one kind on one stage, per principle. R principles, N texts."""

    def __init__(self, rules: Sequence[RuleInfo]) -> None:
        """Count for ``rules``, those of the stage."""
        self.rules = tuple(rules)
        self.texts = 0
        self.different = 0
        """Texts not seen before: a duplicate counts towards how often something is flagged, and is no further
        evidence."""
        self.unchecked = 0
        self._counts = np.zeros((len(self.rules), _STEPS + 2), dtype=np.int64)
        self._once = self._counts.copy()
        self._kept = np.zeros((KEPT, len(self.rules)))
        self._chooser = random.Random(0)  # noqa: S311  for sampling; not a secret

    def add(self, verdicts: Sequence[Verdict], again: Sequence[bool] = ()) -> None:
        """Count the scores of ``verdicts``; a verdict that lacks any of them counts as unchecked.

        ``again``, as long as ``verdicts``, marks duplicates; by default there are none.
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
            # Reservoir sampling (Vitter 1985): every text is kept with the same probability, however many there are.
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
        """Return for each of ``EDGES`` how many texts score at least as much by principle ``column``.

        With ``once``, duplicates are not counted.
        """
        counts = self._once if once else self._counts
        above: NDArray[np.int64] = np.cumsum(counts[column, ::-1])[::-1][1:]
        return above

    def bins(self, column: int) -> NDArray[np.int64]:
        """Return how many scores lie between neighbouring ``EDGES``, [4800]; scores outside are counted at the ends."""
        counts: NDArray[np.int64] = self._counts[column, 1:-1].copy()
        counts[0] += self._counts[column, 0]
        counts[-1] += self._counts[column, -1]
        return counts

    def any_reaching(self, lines: Sequence[float]) -> tuple[int, int]:
        """Return how many of the kept texts reach any of ``lines`` [R], and how many are kept."""
        kept = self._kept[: min(self.texts, KEPT)]
        return int((kept >= np.array(lines)).any(axis=1).sum()), len(kept)
