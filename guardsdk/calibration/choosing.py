"""Where a principle's line has to be so that it flags no more of ordinary text than asked for, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from guardsdk.calibration.sample import EDGES, Sample
from guardsdk.intervals import Share, most_hits, needed, upper_bound, wilson

if TYPE_CHECKING:
    from guardsdk.parts.info import RuleInfo

What = Literal["raised", "lowered", "kept", "refused"]


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold and what it does to the two samples."""

    value: float
    flagged: Share
    """Of the benign texts."""
    bound: float
    """What the true share of benign texts flagged lies under, with the confidence asked for, copies counted or not."""
    found: Share | None
    """Of the violating texts, where there are any."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of one principle."""

    rule: RuleInfo
    what: What
    before: Line
    after: Line
    why: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """What becomes of a policy on one stage."""

    choices: tuple[Choice, ...]
    fpr: float
    confidence: float
    texts: int
    different: int
    """Benign texts without the copies among them."""
    unchecked: int
    violations: int
    flagged_before: Share
    """Benign texts that any principle flags, of those kept side by side."""
    flagged_after: Share
    found_before: Share | None
    """Violating texts that any principle finds."""
    found_after: Share | None

    @property
    def shown(self) -> bool:
        """Whether the texts are enough for the rate at all."""
        return all(choice.what != "refused" for choice in self.choices)


def tune(benign: Sample, violating: Sample | None, fpr: float, confidence: float) -> Tuning:
    """Return a line for every principle of ``benign`` that flags at most the share ``fpr`` of ordinary text.

    That is said of all ordinary text, with ``confidence``, and not only of the sample (Clopper and Pearson 1934):
    the sample has to show less, with copies of a text and without them: what comes often is flagged often, but a
    text that was copied a thousand times says nothing of a thousand others. A line is raised where it has to be. It
    is lowered only where violating texts show that this finds more. Where the sample cannot show the rate, or no
    line keeps it, the choice is a refusal.
    """
    choices = tuple(_choose(column, benign, violating, fpr, confidence) for column in range(len(benign.rules)))
    before, after = ([getattr(choice, when).value for choice in choices] for when in ("before", "after"))
    return Tuning(
        choices=choices,
        fpr=fpr,
        confidence=confidence,
        texts=benign.texts,
        different=benign.different,
        unchecked=benign.unchecked + (0 if violating is None else violating.unchecked),
        violations=0 if violating is None else violating.texts,
        flagged_before=wilson(*benign.any_reaching(before)),
        flagged_after=wilson(*benign.any_reaching(after)),
        found_before=None if violating is None else wilson(*violating.any_reaching(before)),
        found_after=None if violating is None else wilson(*violating.any_reaching(after)),
    )


def _choose(column: int, benign: Sample, violating: Sample | None, fpr: float, confidence: float) -> Choice:
    rule = benign.rules[column]

    def line(value: float) -> Line:
        hits, once = _reaching(benign, column, value), _reaching(benign, column, value, once=True)
        found = None if violating is None else wilson(_reaching(violating, column, value), violating.texts)
        bound = max(upper_bound(hits, benign.texts, confidence), upper_bound(once, benign.different, confidence))
        return Line(value, wilson(hits, benign.texts), bound, found)

    before, copies = line(rule.threshold), benign.different < benign.texts
    most, most_once = (most_hits(texts, fpr, confidence) for texts in (benign.texts, benign.different))
    if most is None or most_once is None:
        texts = f"{benign.texts} texts of which {benign.different} differ" if copies else f"{benign.texts} texts"
        enough = f"{needed(fpr, confidence)}{' that differ' if copies else ''}"
        why = f"{texts} cannot show {fpr:g}: it takes {enough} without a hit"
        return Choice(rule, "refused", before, before, why)
    once = benign.reaching(column, once=True)
    fitting = np.flatnonzero((benign.reaching(column) <= most) & (once <= most_once))
    if not len(fitting):
        return Choice(rule, "refused", before, before, f"more than {most} texts score as high as a score can be")
    lowest = float(EDGES[fitting[0]])
    if lowest > rule.threshold:
        why = f"{before.flagged.hits} flagged, at most {most} may be"
        if before.flagged.hits <= most:
            differ = _reaching(benign, column, rule.threshold, once=True)
            why = f"{differ} that differ are flagged, at most {most_once} may be"
        return Choice(rule, "raised", before, line(lowest), why)
    lower = line(min(lowest, rule.threshold))
    if before.found is not None and lower.found is not None and lower.found.hits > before.found.hits:
        return Choice(rule, "lowered", before, lower, f"up to {most} may be flagged")
    return Choice(rule, "kept", before, before, f"{before.flagged.hits} flagged, up to {most} may be")


def _reaching(sample: Sample, column: int, value: float, *, once: bool = False) -> int:
    """Return how many texts reach ``value``: exactly for one of ``EDGES``, else for the next one below."""
    place = max(0, int(np.searchsorted(EDGES, value, side="right")) - 1)
    return int(sample.reaching(column, once=once)[place])
