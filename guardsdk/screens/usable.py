"""What is taken over from a screen: nothing that a bug in it could make look like a harmless text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from guardsdk.screens.base import Reading, Spans


def usable(reading: Reading, labels: Collection[str]) -> tuple[Reading, list[str]]:
    """Return ``reading`` without what cannot be used, and one problem per kind of thing left out.

    A score is used where its label is one of ``labels``, the ones the screen declared for the stage, and it is a number
    from 0 to 1. A coverage that is no share counts as none. Raises ``TypeError`` where the scores are no mapping.
    """
    problems: list[str] = []
    if not isinstance(reading.scores, Mapping):
        msg = f"scores are a {type(reading.scores).__name__}"
        raise TypeError(msg)
    scores = {label: number for label in labels if (number := _share(reading.scores.get(label))) is not None}
    # A reading that was cut off before it began has no scores on purpose.
    if lost := () if reading.late and not reading.scores else sorted(set(labels) - scores.keys()):
        problems.append(f"no usable score for {', '.join(lost)}")
    if stray := len(reading.scores.keys() - set(labels)):
        problems.append(f"{stray} scores of labels it did not declare")
    coverage = _share(reading.coverage)
    if coverage is None:
        problems.append("a coverage that is no share")
    elif coverage < 1.0 and not reading.settled:
        when = " when the time was up" if reading.late else ""
        problems.append(f"only {coverage:.1%} of the characters were scored{when}")
    return replace(reading, scores=scores, coverage=coverage or 0.0), problems


def flawless(reading: Reading, labels: Collection[str]) -> bool:
    """Whether ``reading`` is what nearly every one is: a plain number for each of the labels, of the whole text.

    Then there is nothing for ``usable`` to leave out.
    """
    scores, coverage = reading.scores, reading.coverage
    if type(scores) is not dict or len(scores) != len(labels) or type(coverage) is not float or coverage != 1.0:
        return False
    for label in labels:
        value = scores.get(label)
        if type(value) is not float or not 0.0 <= value <= 1.0:
            return False
    return not reading.problems


def _share(value: object) -> float | None:
    """Return ``value`` as a number from 0 to 1, or none where it is not one."""
    if isinstance(value, bool | str | bytes):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever a screen gave
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) and 0.0 <= number <= 1.0 else None


def usable_spans(spans: Spans, length: int) -> bool:
    """Whether ``spans`` are at least one non-empty passage of a text of ``length`` characters, in order and apart."""
    reached = 0
    for start, end in spans:
        whole = type(start) is int and type(end) is int
        if not whole or not reached <= start < end <= length:
            return False
        reached = end
    return bool(spans)
