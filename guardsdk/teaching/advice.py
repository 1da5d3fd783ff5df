"""What a lesson says about its examples: which confuse it, whether it may be used, and what to add. By places only."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.teaching.lesson import Confusing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guardsdk.intervals import Share

FEWEST_VIOLATING: Final = 5
FEWEST_ALLOWED: Final = 5
"""Allowed examples without which nobody can tell whether a subject was learned or a manner of writing."""
LEAST_CLOSER: Final = 0.02
"""How much closer to each other than to ordinary text violating examples must be, as cosines: less is the luck of which
ordinary texts are in the bank. Six orders about six things came to -0.03 and 0.01 with two banks, a subject to 0.09."""
LEAST_RECALL: Final = 0.5
"""What the whole interval must lie above: a screen that may well miss more than it finds is no screen."""
_NAMED: Final = 5
"""Confusing examples that the advice names; the lesson lists all."""
_GROUPS: Final = 3
"""Groups of examples that say nearly the same that the advice names, the largest first."""


def confusing(caught: NDArray[np.float64], flagged: NDArray[np.float64], threshold: float) -> tuple[Confusing, ...]:
    """Return the violating examples [N] below and the allowed ones [M] above ``threshold``, the farthest off first."""
    missed = np.flatnonzero(caught < threshold).tolist()
    wrong = np.flatnonzero(flagged >= threshold).tolist()
    found = [Confusing(kind="violates", place=at, score=float(caught[at])) for at in missed]
    found += [Confusing(kind="allowed", place=at, score=float(flagged[at])) for at in wrong]
    return tuple(sorted(found, key=lambda one: -abs(one.score - threshold)))


def refusals(recall: Share, differing: float, allowed: int, closer: float) -> tuple[str, ...]:
    """Return why a screen must not be armed; nothing where it may.

    Args:
        recall: Of its violating examples.
        differing: As how many of them count, since those that say nearly the same are one piece of evidence.
        allowed: How many allowed examples it has.
        closer: How much closer violating examples are to each other than to ordinary text: a cosine less another.
    """
    if recall.total < FEWEST_VIOLATING:
        return (f"{recall.total} violating examples are too few to test it on: give at least {FEWEST_VIOLATING}",)
    if differing < FEWEST_VIOLATING:
        few = f"of {recall.total} violating examples many say nearly the same, so they count as {differing:.1f}"
        return (f"{few}: give at least {FEWEST_VIOLATING} that differ",)
    found = []
    if recall.low <= LEAST_RECALL:
        found.append(
            f"in cross-validation it finds {recall.hits} of {recall.total} violating examples, which may mean as few "
            f"as {recall.low:.0%} of all: the interval must lie above {LEAST_RECALL:.0%}"
        )
    if closer < LEAST_CLOSER:
        found.append(
            "the violating examples have no subject in common: on average each is closer to some ordinary text than to "
            "any other of them; give more on one subject, and teach other subjects separately"
        )
    if allowed < FEWEST_ALLOWED:
        found.append(
            f"{allowed} allowed examples are too few: only allowed texts show whether it finds a subject or everything "
            f"that is written alike; give at least {FEWEST_ALLOWED}"
        )
    return tuple(found)


def advice(
    recall: Share,
    allowed: int,
    wrong: tuple[Confusing, ...],
    violates: NDArray[np.float64],
    near: NDArray[np.float64],
    *,
    alike: list[list[int]],
    torn: list[tuple[int, int]],
) -> tuple[str, ...]:
    """Return what to add, a sentence each.

    ``violates`` [N, H] and ``near`` [M, H] are the features, of unit length, of violating and of allowed examples;
    ``alike`` are the places of violating ones, those that say nearly the same together, ``torn`` pairs of a violating
    and an allowed one that do.
    """
    found = [
        f"violates[{one}] and allowed[{other}] say nearly the same, and nothing learned tells them apart: take out one"
        for one, other in torn[:_GROUPS]
    ]
    found += [
        f"{_places('violates', group)} say nearly the same and are left out together: add examples that differ"
        for group in sorted(alike, key=len, reverse=True)[:_GROUPS]
        if len(group) > 1
    ]
    missed = [one.place for one in wrong if one.kind == "violates"]
    flagged = [one.place for one in wrong if one.kind == "allowed"]
    if missed:
        found.append(f"add violating examples like {_places('violates', missed)}: nothing else given says the same")
    if flagged:
        found.append(f"add allowed examples like {_places('allowed', flagged)}, or make sure that they are allowed")
    found += [sentence for one in missed[:_NAMED] if (sentence := _contradicted(one, violates, near))]
    if allowed < FEWEST_ALLOWED:
        found.append(
            f"add {FEWEST_ALLOWED - allowed} or more allowed examples of the same subject: near misses teach most"
        )
    if recall.total < _for_certainty(recall):
        found.append(f"about {_for_certainty(recall)} violating examples would show whether it finds that many")
    return tuple(found)


def _contradicted(one: int, violates: NDArray[np.float64], near: NDArray[np.float64]) -> str | None:
    """Return that violating example ``one`` is most like an allowed one, where it is."""
    others = np.delete(violates, one, axis=0) @ violates[one]
    if not len(near) or not len(others):
        return None
    like = near @ violates[one]
    closest = int(np.argmax(like))
    if float(like[closest]) <= float(others.max()):
        return None
    return f"violates[{one}] is closer to allowed[{closest}] than to any violating example"


def _for_certainty(recall: Share) -> int:
    """Return how many examples, found at the rate seen, put the whole interval above ``LEAST_RECALL``; 0 if none do."""
    if not recall.total or recall.low > LEAST_RECALL or recall.rate <= LEAST_RECALL + 0.05:
        return 0
    # Wilson's lower end is L where n = z^2 L (1 - L) / (p - L)^2.
    return math.ceil(1.96**2 * LEAST_RECALL * (1.0 - LEAST_RECALL) / (recall.rate - LEAST_RECALL) ** 2) + 1


def _places(kind: str, places: list[int]) -> str:
    named = ", ".join(f"{kind}[{place}]" for place in places[:_NAMED])
    more = len(places) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
