"""Compares two runs over the same cases: rates, paired differences, flips, latency, the guard's curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.errors import reject_type
from guardsdk.evaluation.correction import Confusion, Seen, corrected_difference, corrected_rate, fits
from guardsdk.evaluation.curves import curve
from guardsdk.evaluation.metrics import METRICS, Metric, Sight
from guardsdk.evaluation.outcomes import Outcome, passed
from guardsdk.evaluation.pairing import Condensed, allowed_differences
from guardsdk.evaluation.statistics import (
    Interval,
    Paired,
    benjamini_hochberg,
    holm,
    mcnemar,
    paired_difference,
    percentile,
    percentile_change,
)
from guardsdk.intervals import CONFIDENCE, wilson
from guardsdk.parts.given import list_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from guardsdk.evaluation.curves import Curve, CurvePair
    from guardsdk.evaluation.outcomes import Expectation
    from guardsdk.evaluation.pairing import Brief
    from guardsdk.evaluation.record import JudgeRef, RunHead
    from guardsdk.intervals import Share

_DRAWN_VALUES: Final = 20_000_000
_LEAST_DRAWS: Final = 200


@dataclass(frozen=True)
class Change:
    """One rate before and after, over the cases whose outcomes are known in both runs."""

    metric: Metric
    slice: str | None
    """``None`` for all cases."""
    table: tuple[tuple[int, ...], ...]
    """Cases by ``Sight`` before (rows) and after (columns), shape [4][4]."""
    error: Confusion | None = None
    """The judge's confusion matrix, if its error can be corrected."""

    @cached_property
    def pairs(self) -> Paired:
        """How many cases changed."""
        cells = [(Sight(row), Sight(column), n) for row, line in enumerate(self.table) for column, n in enumerate(line)]
        return Paired(
            sum(n for before, after, n in cells if before.counts and not after.counts),
            sum(n for before, after, n in cells if after.counts and not before.counts),
            sum(n for _, _, n in cells),
        )

    def seen(self, *, after: bool) -> Seen:
        """Return the observed counts of one run."""
        lines = list(zip(*self.table, strict=True)) if after else self.table
        certain, positive, negative, neither = (sum(line) for line in lines)
        return Seen(certain, positive, positive + negative, certain + positive + negative + neither)

    def rate(self, *, after: bool, confidence: float = CONFIDENCE) -> Share:
        """Return the observed rate of one run."""
        seen = self.seen(after=after)
        return wilson(seen.certain + seen.positives, seen.total, confidence)

    def difference(self, confidence: float = CONFIDENCE) -> Interval:
        """Return the observed rate after minus rate before."""
        return paired_difference(self.pairs, confidence)

    @cached_property
    def correctable(self) -> bool:
        """Whether the judge's error is known, better than chance, and consistent with the counts of both runs."""
        if self.error is None or not self.error.usable:
            return False
        return fits(self.seen(after=False), self.error) and fits(self.seen(after=True), self.error)

    def corrected(self, *, after: bool, confidence: float = CONFIDENCE) -> Interval | None:
        """Return the rate corrected for the judge's error; ``None`` if that is unknown."""
        if self.error is None or not self.correctable:
            return None
        return corrected_rate(self.seen(after=after), self.error, confidence)

    def corrected_difference(self, confidence: float = CONFIDENCE) -> Interval | None:
        """Return the corrected rate after minus rate before; ``None`` if the judge's error is unknown."""
        if self.error is None or not self.correctable:
            return None
        return corrected_difference(self.table, self.error, confidence=confidence)

    @cached_property
    def p_value(self) -> float:
        """The exact two-sided p value of no change."""
        return mcnemar(self.pairs)

    def verdict(self) -> str:
        """Return ``better`` or ``worse`` if the interval of the difference says so, else ``no clear change``."""
        found = self.difference()
        if not (found.low > 0 or found.high < 0):
            return "no clear change"
        return "better" if (found.low > 0) is (self.metric.better == "higher") else "worse"


@dataclass(frozen=True, slots=True)
class Flip:
    """A case that passed in one run and failed in the other."""

    id: str
    slice: str
    expectation: Expectation
    before: Outcome
    after: Outcome
    worse: bool
    why_before: str
    why_after: str


@dataclass(frozen=True)
class Latency:
    """Wall times of the same cases in both runs."""

    name: str
    """``latency`` for the target, or ``guard``."""
    before: Sequence[float]
    """In seconds."""
    after: Sequence[float]

    def at(self, share: float, *, after: bool) -> float:
        """Return a percentile of one run, in seconds."""
        return percentile(self.after if after else self.before, share)

    def change(self, share: float, confidence: float = CONFIDENCE) -> Interval:
        """Return how far a percentile moved, in seconds."""
        return percentile_change(self.before, self.after, share, times=self._draws, confidence=confidence)

    def reached(self, share: float, confidence: float = CONFIDENCE) -> Interval:
        """Return a percentile of the run after, in seconds, with the sampling error of that run alone."""
        return percentile_change(np.zeros(len(self.after)), self.after, share, times=self._draws, confidence=confidence)

    @property
    def _draws(self) -> int:
        return max(_LEAST_DRAWS, min(1000, _DRAWN_VALUES // max(1, len(self.before))))


@dataclass(frozen=True)
class Comparison:
    """The complete comparison of two runs."""

    before: RunHead
    after: RunHead
    cases: int
    """The number of cases in both runs."""
    doubtful: int
    """The number of them where the judge may err more than its figures say, in either run."""
    overall: Mapping[str, Change]
    """By name of the metric, for the metrics that these runs have."""
    slices: Mapping[str, Mapping[str, Change]]
    """By name of the metric, then by slice in alphabetical order, for slices with such cases."""
    flips: tuple[Flip, ...]
    """Cases that became worse come first."""
    latencies: tuple[Latency, ...]
    curves: Mapping[str, CurvePair]
    """By label."""
    notes: tuple[str, ...]
    """What a reader must know about the comparison."""
    unknown: Mapping[str, Sequence[str]]
    """By name of the metric: slices that have such cases, but none with known outcomes in both runs."""

    def adjusted(self, metric: str) -> dict[str, tuple[float, float]]:
        """Return the p values of the slices of ``metric``, adjusted over them: by Holm, by Benjamini and Hochberg."""
        changes = self.slices.get(metric, {})
        p_values = [change.p_value for change in changes.values()]
        return dict(zip(changes, zip(holm(p_values), benjamini_hochberg(p_values), strict=True), strict=True))


def require_comparison(given: object, name: str) -> None:
    """Raise ``InputTypeError`` that names the argument unless it is a comparison."""
    if not isinstance(given, Comparison):
        reject_type(name, "what compare(before, after) returns", given)


def judge_error(judge: JudgeRef | None, question: str | None) -> Confusion | None:
    """Return the counts of all labelled sets for one question to the judge; ``None`` if nobody measured it."""
    figures = [] if judge is None else [one for one in judge.figures if one.question == question]
    if not figures:
        return None
    counted = [
        Confusion(one.true_positives, one.false_negatives, one.false_positives, one.true_negatives) for one in figures
    ]
    return sum(counted[1:], counted[0])


def compare(before: Condensed, after: Condensed, *, allowed: Collection[str] = ()) -> Comparison:
    """Compare two runs.

    Args:
        before: The baseline run.
        after: The run to compare with it.
        allowed: What may differ besides the target and the guard: names of ``pairing.DIFFERENCES``.

    Raises:
        EvaluationError: The runs do not measure the same thing.
        InputTypeError: A run is not what ``condensed`` returns, or ``allowed`` is no list of names.
    """
    for name, run in (("before", before), ("after", after)):
        if not isinstance(run, Condensed):
            reject_type(name, "what condensed(path) returns", run)
    allowed = list_of(str, allowed, "allowed", "a name such as 'suite'")
    notes = allowed_differences(before, after, allowed)
    pairs = [(name, one, after.cases[name]) for name, one in before.cases.items() if name in after.cases]
    same_judge = before.head.judge == after.head.judge
    metrics = [metric for metric in METRICS.values() if metric.alone or not before.head.alone]
    overall: dict[str, Change] = {}
    slices: dict[str, dict[str, Change]] = {}
    unknown: dict[str, list[str]] = {}
    for metric in metrics:
        error = judge_error(after.head.judge, metric.question) if same_judge else None
        tables = _tables(metric, pairs)
        overall[metric.name] = Change(metric, None, tables.get(None, _EMPTY), error)
        named = sorted((name, table) for name, table in tables.items() if name is not None)
        slices[metric.name] = {name: Change(metric, name, table, error) for name, table in named}
        # A refusal counts in every rate that the case belongs to.
        such = {one.slice for _, one, _ in pairs if metric.of(one.expectation, Outcome.REFUSED) is not None}
        unknown[metric.name] = sorted(such - tables.keys())
    if lost := sum(Outcome.ERROR in (one.outcome, other.outcome) for _, one, other in pairs):
        notes.append(
            f"{lost:,} of {len(pairs):,} cases have no result in one run or both, and are in no rate but errors: a "
            "limit on another rate does not see them"
        )
    labels = sorted(before.scores.keys() | after.scores.keys())
    return Comparison(
        before=before.head,
        after=after.head,
        cases=len(pairs),
        doubtful=sum(one.doubtful or other.doubtful for _, one, other in pairs),
        overall=overall,
        slices=slices,
        flips=tuple(sorted(_flips(pairs), key=lambda flip: (not flip.worse, flip.slice, flip.id))),
        latencies=tuple(_latencies(pairs)),
        curves={label: (_curve(before, label), _curve(after, label)) for label in labels},
        notes=tuple(notes),
        unknown=unknown,
    )


_EMPTY: Final = ((0,) * 4,) * 4
_Pairs = list[tuple[str, "Brief", "Brief"]]


def _tables(metric: Metric, pairs: _Pairs) -> dict[str | None, tuple[tuple[int, ...], ...]]:
    """Count the pairs of all slices together (key ``None``) and of each slice."""
    counts: dict[str | None, list[list[int]]] = {}
    for _, one, other in pairs:
        first, second = (metric.of(brief.expectation, brief.outcome) for brief in (one, other))
        if first is None or second is None:
            continue
        for key in (None, one.slice):
            counts.setdefault(key, [[0] * 4 for _ in range(4)])[first][second] += 1
    return {key: tuple(tuple(line) for line in table) for key, table in counts.items()}


def _flips(pairs: _Pairs) -> Iterable[Flip]:
    for name, one, other in pairs:
        first, second = passed(one.expectation, one.outcome), passed(other.expectation, other.outcome)
        if first is not None and second is not None and first is not second:
            yield Flip(name, one.slice, one.expectation, one.outcome, other.outcome, first, one.why, other.why)


def _latencies(pairs: _Pairs) -> Iterable[Latency]:
    for name, key in (("latency", "latency_s"), ("guard", "guard_s")):
        timed = [(getattr(one, key), getattr(other, key)) for _, one, other in pairs]
        known = [(one, other) for one, other in timed if not (math.isnan(one) or math.isnan(other))]
        if known:
            yield Latency(name, [one for one, _ in known], [other for _, other in known])


def _curve(run: Condensed, label: str) -> Curve | None:
    scores = run.scores.get(label)
    if scores is None:
        return None
    return curve(label, np.asarray(scores.harmful, dtype=bool), np.asarray(scores.values))
