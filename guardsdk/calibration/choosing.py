"""Chooses the threshold at which a principle flags at most a given share of ordinary text, with its cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from guardsdk.calibration.sample import EDGES, Sample
from guardsdk.errors import reject_type
from guardsdk.intervals import Share, most_hits, needed, require_inside, upper_bound, wilson

if TYPE_CHECKING:
    from guardsdk.parts.info import RuleInfo

What = Literal["raised", "lowered", "kept", "refused"]


@dataclass(frozen=True, slots=True)
class Line:
    """A threshold and its effect on the two samples."""

    value: float
    flagged: Share
    """Share of the benign texts."""
    bound: float
    """Upper bound of the true share of benign texts flagged, at the given confidence, the higher of with and without
    copies."""
    found: Share | None
    """Share of the violating texts, if there are any."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The result for one principle."""

    rule: RuleInfo
    what: What
    before: Line
    after: Line
    why: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """The result for a policy on one stage."""

    choices: tuple[Choice, ...]
    fpr: float
    confidence: float
    texts: int
    different: int
    """The number of benign texts without duplicates."""
    unchecked: int
    violations: int
    flagged_before: Share
    """Benign texts that any principle flags, among those whose scores are kept."""
    flagged_after: Share
    found_before: Share | None
    """Violating texts that any principle finds."""
    found_after: Share | None

    @property
    def shown(self) -> bool:
        """Whether there are enough texts for the rate at all."""
        return all(choice.what != "refused" for choice in self.choices)


def tune(benign: Sample, violating: Sample | None, fpr: float, confidence: float) -> Tuning:
    """Choose a threshold for every principle of ``benign`` that flags at most the share ``fpr`` of ordinary text.

    The bound holds, with ``confidence``, for all ordinary text and not only for the sample (Clopper and Pearson 1934).
    It must hold both with and without duplicates: what is frequent is flagged often, but a text repeated a thousand
    times is no evidence about a thousand others. A threshold is raised where necessary, and lowered only where
    violating texts show that this finds more. If the sample cannot show the rate, or no threshold meets it, the choice
    is a refusal.

    Raises ``InputError`` if ``fpr`` or ``confidence`` is not between 0 and 1, ``InputTypeError`` for other types.
    """
    for name, sample in (("benign", benign), *([("violating", violating)] if violating is not None else [])):
        if not isinstance(sample, Sample):
            reject_type(name, "a Sample", sample)
    require_inside(fpr, "fpr")
    require_inside(confidence, "confidence")
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
    """Return how many texts reach ``value``: exact for one of ``EDGES``, else for the next one below."""
    place = max(0, int(np.searchsorted(EDGES, value, side="right")) - 1)
    return int(sample.reaching(column, once=once)[place])
