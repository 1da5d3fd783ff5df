"""Validates a screen's reading, whose fields may contain anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, get_args

import numpy as np

from guardsdk.verdict import Tier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from guardsdk.screens.base import Reading, Spans

_TIERS: Final = frozenset(get_args(Tier))


def usable(reading: Reading, labels: Collection[str]) -> tuple[Reading, list[str]]:
    """Return ``reading`` without invalid values, and one problem per kind of value removed.

    A score is kept if its label is one of ``labels``, those the screen declared for the stage, and it is a number from
    0 to 1. An invalid coverage counts as none. Raises ``TypeError`` if the scores are not a mapping.
    """
    problems: list[str] = []
    if not isinstance(reading.scores, Mapping):
        msg = f"scores are a {type(reading.scores).__name__}"
        raise TypeError(msg)
    scores = {label: number for label in labels if (number := share(reading.scores.get(label))) is not None}
    coverage = share(reading.coverage)
    # A reading that was cut off before it began has no scores on purpose.
    unbegun = reading.late and not reading.scores and coverage != 1.0
    if lost := () if unbegun else sorted(set(labels) - scores.keys()):
        problems.append(f"no usable score for {', '.join(lost)}")
    if stray := len(reading.scores.keys() - set(labels)):
        problems.append(f"{stray} scores of labels it did not declare")
    if coverage is None:
        problems.append("a coverage that is no share")
    elif coverage < 1.0 and not reading.settled:
        when = " when the deadline passed" if reading.late else ""
        problems.append(f"only {coverage:.1%} of the characters were scored{when}")
    others: dict[str, Any] = {}
    for name, fits, none, problem in _OTHER_FIELDS:
        value = getattr(reading, name)
        if value is None or not fits(value):
            others[name] = none
            problems += [] if value is None else [problem]
    return replace(reading, scores=scores, coverage=coverage or 0.0, settled=bool(reading.settled), **others), problems


def flawless(reading: Reading, labels: Collection[str]) -> bool:
    """Whether ``reading`` has the usual form: a plain number for each of the labels, and full coverage.

    ``usable`` would then remove nothing, and nothing in the reading can raise.
    """
    scores, coverage, views, problems = reading.scores, reading.coverage, reading.views, reading.problems
    if type(scores) is not dict or len(scores) != len(labels) or type(coverage) is not float or coverage != 1.0:
        return False
    for label in labels:
        value = scores.get(label)
        if type(value) is not float or not 0.0 <= value <= 1.0:
            return False
    if type(views) is not dict or views or type(problems) is not tuple or problems or type(reading.settled) is not bool:
        return False
    embedding, tier = reading.embedding, reading.tier
    return (embedding is None or _is_vector(embedding)) and (tier is None or _is_tier(tier))


def _are_names(views: object) -> bool:
    if not isinstance(views, Mapping):
        return False
    return all(isinstance(label, str) and isinstance(name, str) for label, name in views.items())


def _are_pairs(problems: object) -> bool:
    return isinstance(problems, tuple | list) and all(
        isinstance(one, tuple | list) and len(one) == len(_PAIR) and all(isinstance(part, str) for part in one)
        for one in problems
    )


def _is_vector(embedding: object) -> bool:
    return isinstance(embedding, np.ndarray) and embedding.ndim == 1 and embedding.dtype.kind == "f"


def _is_tier(tier: object) -> bool:
    return isinstance(tier, str) and tier in _TIERS


_PAIR: Final = ("layer", "what went wrong")
_OTHER_FIELDS: tuple[tuple[str, Callable[[object], bool], object, str], ...] = (
    ("views", _are_names, {}, "views that are no names"),
    ("problems", _are_pairs, (), f"problems that are no pairs of {' and '.join(_PAIR)}"),
    ("embedding", _is_vector, None, "an embedding that is no vector of floats"),
    ("tier", _is_tier, None, "a tier that there is not"),
)
"""Fields besides scores and coverage: name, validity test, replacement for an invalid value, and the problem."""


def share(value: object) -> float | None:
    """Return ``value`` as a number from 0 to 1, or none where it is not one."""
    if isinstance(value, bool | str | bytes):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever the screen returned
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) and 0.0 <= number <= 1.0 else None


def usable_spans(spans: Spans, length: int) -> bool:
    """Whether ``spans`` are valid: at least one, non-empty, in order, not overlapping, within ``length`` characters."""
    reached = 0
    for start, end in spans:
        whole = type(start) is int and type(end) is int
        if not whole or not reached <= start < end <= length:
            return False
        reached = end
    return bool(spans)
