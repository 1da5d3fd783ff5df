"""A sequential test, after every number, of whether a series still has the same distribution.

Each number is ranked among all earlier numbers of its series. As long as nothing changes, that is, the numbers are
exchangeable, the randomised ranks are independent and uniform on (0, 1), whatever the distribution of the numbers
(Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2nd ed. 2022, ch. 8). A gambler bets on the next
rank, at odds that are fair for uniform ranks, according to the distribution of recent ranks: a conformal test
martingale. The Shiryaev-Roberts sum of its stakes, ``r = (r + 1) * odds``, minus the number of ranks is again a
martingale, so ``r`` reaches a limit ``c`` by chance after ``c`` ranks on average or later, however often one looks
(Vovk et al., Retrain or not retrain: conformal test martingales for change-point detection, COPA 2021; for e-processes
in general Shin, Ramdas and Rinaldo, E-detectors, 2023). No reference sample is needed and none is used up.
"""

# ruff: noqa: SLF001  class methods work on several instances

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from guardsdk.monitor.histograms import psi

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_RANK_EDGES: Final = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Bounds of the bins that ranks are bet on: narrow at the highest scores, because violations are rare."""
_WIDTHS: Final = tuple(high - low for low, high in zip((0.0, *_RANK_EDGES), (*_RANK_EDGES, 1.0), strict=True))
_CAUTION: Final = 50.0
"""Uniformly distributed ranks that the gambler has seen before the first one: a prior."""
_ONE_OF: Final = 1.0 / _CAUTION
_RARITY: Final = tuple(1.0 / (_CAUTION * width) for width in _WIDTHS)
"""One rank in a bin, divided by the prior number of ranks there."""
_FEW: Final = 12
"""Bins from the lowest for which summing the counts below is faster than summing those above."""
_MOST: Final = 1e100
_PARTS: Final = 4
"""The number of parts that hold the recent numbers; the oldest part is dropped as a whole."""


class Series:
    """One series: histograms of all and of the recent numbers, and the evidence of a change."""

    __slots__ = (
        "_bets",
        "_fixed",
        "_growth",
        "_marks",
        "_part",
        "_staked",
        "_total",
        "_turn",
        "counts",
        "edges",
        "evidence",
        "window",
    )

    def __init__(self, edges: Sequence[float], window: int, reference: Sequence[float] | None = None) -> None:
        """Count in the bins between ``edges``; the last ``window`` numbers are recent.

        With ``reference``, the share of each of the ``len(edges) + 1`` bins, numbers are ranked by it in place of the
        series' own past. It is then taken to be exact.
        """
        self.edges = tuple(edges)
        self.window = window
        self._part = window // _PARTS
        self.evidence = 0.0
        """The Shiryaev-Roberts sum: by chance it reaches ``c`` after ``c`` numbers on average or later."""
        self._fixed: list[float] | None = None
        if reference is not None:
            self.hold_against(reference)
        self._forget()
        self._restart()

    def hold_against(self, reference: Sequence[float]) -> None:
        """From now on rank by ``reference``, the share of each bin."""
        self._fixed = _with_floor(reference)

    def followed(self) -> Series:
        """Return a successor series: all numbers of this one are its past, and none is recent.

        As long as the new numbers have the same distribution, their ranks among both are uniform, however few there
        were.
        """
        made = Series(self.edges, self.window)
        made.counts = self.counts.copy()
        made._remember([[0.0] * len(made.counts)], 0.0)
        return made

    @property
    def full(self) -> bool:
        """Whether the recent numbers are at their maximum: the next one turns a quarter of them into earlier ones."""
        return len(self._marks) == _PARTS and self._total >= self._turn

    def _forget(self) -> None:
        self.counts = [0.0] * (len(self.edges) + 1)
        """The histogram of all numbers since the series began or was restarted."""
        self._marks = [self.counts.copy()]
        """Copies of ``counts`` from when each part of the recent numbers began, at most four; the last part is being
        filled. The recent numbers are the difference, so that each number is stored only once."""
        self._total = 0.0
        self._turn = float(self._part)
        """The total at which the next part begins."""

    def _restart(self) -> None:
        self.evidence = 0.0
        self._bets = [0.0] * len(_WIDTHS)
        """The stake on each bin, relative to a uniform bet before the first rank."""
        self._staked = 0.0
        self._growth = 1.0

    def add(self, value: float, chance: float) -> float:
        """Add ``value`` and return the evidence; ``chance``, uniform on (0, 1), breaks ties."""
        Series.take_in([(self, bisect_right(self.edges, value))], chance)
        return self.evidence

    @staticmethod
    def take_in(numbers: Iterable[tuple[Series, int]], chance: float, limit: float = _MOST) -> list[Series]:
        """Add one number to each of several series, given as its bin; return those whose evidence reaches ``limit``.

        ``chance``, uniform on (0, 1) and new for every call, breaks ties in all of them; for each single series this is
        equivalent to a chance of its own. A limit above 1e100 is treated as 1e100.
        """
        # A single loop without calls, as it runs a dozen times per check.
        reached = []
        limit, rest, find = min(limit, _MOST), 1.0 - chance, bisect_right
        edges, rarity, few, one_of = _RANK_EDGES, _RARITY, _FEW, _ONE_OF
        for series, place in numbers:
            total = series._total
            if total >= series._turn:
                series._begin_part()
            series._total = total = total + 1.0
            counts = series.counts
            counts[place] = here = counts[place] + 1.0
            if series._fixed is not None:
                fixed = series._fixed
                rank = sum(fixed[place + 1 :]) + chance * fixed[place]
            elif not place:
                rank = (total - rest * here) / total
            elif place < few:  # most scores are low, and counts are whole numbers: the sums are exact either way
                rank = (total - sum(counts[:place]) - rest * here) / total
            else:
                rank = (sum(counts[place + 1 :]) + chance * here) / total
            # Newer ranks weigh more: instead of decaying every bin, the next stake is slightly larger.
            bin_ = find(edges, rank)
            growth, bets, staked = series._growth, series._bets, series._staked
            bet = bets[bin_]
            series.evidence = evidence = (series.evidence + 1.0) * ((bet + growth) / (staked + growth))
            bets[bin_] = bet + growth * rarity[bin_]
            series._staked = staked + growth * one_of
            series._growth = growth + growth / series.window
            if evidence >= limit:
                series.evidence = min(evidence, _MOST)
                reached.append(series)
        return reached

    def _begin_part(self) -> None:
        self._marks.append(self.counts.copy())
        del self._marks[:-_PARTS]
        self._turn = self._total + self._part
        if self._growth > _MOST:  # soon enough: within a part it grows by less than a third
            self._scale()

    def _scale(self) -> None:
        """Scale down stakes and growth together: only their ratio matters."""
        self._bets = [bet / self._growth for bet in self._bets]
        self._staked /= self._growth
        self._growth = 1.0

    @property
    def recent(self) -> list[list[float]]:
        """The histograms of the recent numbers, in at most four parts of a quarter of the window, the oldest first."""
        bounds = pairwise([*self._marks, self.counts])
        return [[late - early for early, late in zip(*both, strict=True)] for both in bounds]

    def _remember(self, recent: Sequence[Sequence[float]], tail: float) -> None:
        """Set the recent numbers within ``counts`` to ``recent``; the last part holds ``tail`` numbers."""
        mark, marks = self.counts, []
        for part in reversed(recent):
            mark = [late - one for late, one in zip(mark, part, strict=True)]
            marks.append(mark)
        self._marks = marks[::-1]
        self._total = sum(self.counts)
        self._turn = self._total + self._part - tail

    @property
    def _tail(self) -> float:
        return self._total + self._part - self._turn

    @property
    def recent_counts(self) -> list[float]:
        """The histogram of the recent numbers."""
        return [late - early for early, late in zip(self._marks[0], self.counts, strict=True)]

    @property
    def earlier_counts(self) -> list[float]:
        """The histogram that recent numbers are compared with: all before them, or the reference."""
        if self._fixed is not None:
            return [share * self.window for share in self._fixed]
        return [max(count, 0.0) for count in self._marks[0]]

    @property
    def psi(self) -> float:
        """The population stability index of recent against earlier numbers; 0 if there are too few of either."""
        recent, earlier = self.recent_counts, self.earlier_counts
        least = self.window / 2
        if sum(recent) < least or sum(earlier) < least:
            return 0.0
        return psi(earlier, recent)

    def begin_anew(self) -> None:
        """Discard the past and learn what is usual from now on, so that a change is reported once."""
        if self._fixed is None:
            self._forget()
        self._restart()

    def merge(self, other: Series) -> None:
        """Add what ``other``, a series with the same bins in another process, has seen.

        Summed Shiryaev-Roberts sums keep the bound, in terms of the numbers in all processes together. The recent
        numbers of both are kept, so each process counts its own window as recent.
        """
        both = max(len(self._marks), len(other._marks))
        empty = [0.0] * len(self.counts)
        mine, theirs = ([empty] * (both - len(one.recent)) + one.recent for one in (self, other))
        tail = max(self._tail, other._tail)
        self.counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        self._remember(
            [[one + two for one, two in zip(*pair, strict=True)] for pair in zip(mine, theirs, strict=True)], tail
        )
        self.evidence = min(self.evidence + other.evidence, _MOST)
        self._scale()
        their = other._growth
        self._bets = [one + two / their for one, two in zip(self._bets, other._bets, strict=True)]
        self._staked += other._staked / their

    def state(self) -> dict[str, Any]:
        """Return the series as JSON values."""
        return {
            "counts": self.counts.copy(),
            "recent": self.recent,
            "tail": self._tail,
            "evidence": self.evidence,
            "bets": [bet / self._growth for bet in self._bets],
            "staked": self._staked / self._growth,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what ``state`` returned.

        Raises ``ValueError`` if it has other bins, ``KeyError`` or ``TypeError`` if it is not a valid state.
        """
        counts = [float(count) for count in state["counts"]]
        recent = [[float(count) for count in part] for part in state["recent"]]
        bets = [float(bet) for bet in state["bets"]]
        if {len(counts), *map(len, recent)} != {len(self.counts)} or len(bets) != len(_WIDTHS) or not recent:
            msg = f"a series has {len(counts)} bins in place of {len(self.counts)}"
            raise ValueError(msg)
        tail, evidence, staked = float(state["tail"]), float(state["evidence"]), float(state["staked"])
        numbers = (*counts, *bets, *(count for part in recent for count in part), tail, evidence, staked)
        # A number that is not finite would silence the series for good.
        if not all(math.isfinite(number) and number >= 0.0 for number in numbers):
            msg = "a series holds numbers that count nothing"
            raise ValueError(msg)
        self.counts, self._bets = counts, bets
        self._remember(recent[-_PARTS:], tail)
        self.evidence, self._staked, self._growth = evidence, staked, 1.0


def _with_floor(reference: Sequence[float]) -> list[float]:
    """Return ``reference`` without empty bins: what a small sample did not show can still happen."""
    floor = 1e-4
    total = sum(reference) + floor * len(reference)
    return [(share + floor) / total for share in reference]
