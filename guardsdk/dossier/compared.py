"""Compares two runs of one suite, as ``guardsdk eval compare`` does."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from guardsdk.dossier.facts import State
from guardsdk.errors import EvaluationError
from guardsdk.evaluation.compare import compare
from guardsdk.evaluation.pairing import condensed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardsdk.dossier.facts import Facts
    from guardsdk.evaluation.compare import Change, Comparison


@dataclass(frozen=True, slots=True)
class DeltaLine:
    """One rate in two runs, in words."""

    measure: str
    before: str
    after: str
    difference: str
    """With a 95 % interval, in percentage points."""
    verdict: str


def delta_facts(facts: Facts, files: Sequence[Path]) -> list[DeltaLine]:
    """Compare the newest two comparable runs, add the facts they show, and return the comparison rate by rate.

    That is the newest run that is comparable with an earlier one, and the newest such earlier run, as runs of two
    suites may alternate.
    """
    runs = sorted(((condensed(file), file) for file in files), key=lambda one: one[0].head.created, reverse=True)
    reason = ""
    for (after, second), (before, first) in combinations(runs, 2):
        try:
            comparison = compare(before, after)
        except EvaluationError as error:
            reason = reason or str(error)
            continue
        _add(facts, comparison, f"{first.name}, {second.name}")
        return [_line(change) for change in comparison.overall.values() if change.pairs.total]
    if reason:
        facts.add("evaluation.delta", State.CONTRARY, f"no two of the runs can be held together: {reason}")
    return []


def _add(facts: Facts, found: Comparison, source: str) -> None:
    verdicts = {name: change.verdict() for name, change in found.overall.items() if change.pairs.total}
    worse = [name for name, verdict in verdicts.items() if verdict == "worse"]
    flips = sum(flip.worse for flip in found.flips)
    says = (
        f"of {found.cases} cases {flips} pass no more and {len(found.flips) - flips} pass now; clearly worse: "
        f"{', '.join(worse) or 'no rate'}"
    )
    facts.add("evaluation.delta", State.CONTRARY if worse else State.SHOWN, says, source, found.after.created)


def _line(change: Change) -> DeltaLine:
    rates = [change.rate(after=after) for after in (False, True)]
    gap = change.difference()
    return DeltaLine(
        measure=change.metric.title,
        before=f"{100 * rates[0].rate:.1f} % of {rates[0].total:g}",
        after=f"{100 * rates[1].rate:.1f} % of {rates[1].total:g}",
        difference=f"{100 * gap.value:+.1f} [{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]",
        verdict=change.verdict(),
    )
