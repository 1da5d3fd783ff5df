"""What a lesson reports about its examples, by index only: which are confusing, whether to arm it, what to add."""

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
"""Fewer allowed examples cannot show whether a subject was learned or only a style of writing."""
LEAST_CLOSER: Final = 0.02
"""How much closer, in cosine, violating examples must be to each other than to ordinary text; less may be chance, due
to the texts in the bank. Six orders about six things gave -0.03 and 0.01 with two banks, a single subject 0.09."""
LEAST_RECALL: Final = 0.5
"""The lower end of the interval must exceed this: a screen that may miss more than it finds is useless."""
_NAMED: Final = 5
"""Confusing examples that the advice names; the lesson lists all."""
_GROUPS: Final = 3
"""Groups of near-duplicate examples that the advice names, the largest first."""


def confusing(caught: NDArray[np.float64], flagged: NDArray[np.float64], threshold: float) -> tuple[Confusing, ...]:
    """Return the violating examples [N] below and the allowed ones [M] above ``threshold``, the worst first."""
    missed = np.flatnonzero(caught < threshold).tolist()
    wrong = np.flatnonzero(flagged >= threshold).tolist()
    found = [Confusing(kind="violates", place=at, score=float(caught[at])) for at in missed]
    found += [Confusing(kind="allowed", place=at, score=float(flagged[at])) for at in wrong]
    return tuple(sorted(found, key=lambda one: -abs(one.score - threshold)))


def refusals(recall: Share, differing: float, allowed: int, closer: float) -> tuple[str, ...]:
    """Return why a screen must not be armed; empty if it may be.

    Args:
        recall: Recall on its violating examples.
        differing: The effective number of them, as near-duplicates are one piece of evidence.
        allowed: The number of allowed examples.
        closer: How much closer violating examples are to each other than to ordinary text: a difference of cosines.
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
    """Return what to add, one sentence each.

    ``violates`` [N, H] and ``near`` [M, H] are the unit-length features of violating and allowed examples. ``alike``
    are the indices of violating examples, grouped by near-duplicates, and ``torn`` the pairs of a violating and an
    allowed example that are near-duplicates.
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
    """Return a sentence if violating example ``one`` is most similar to an allowed one."""
    others = np.delete(violates, one, axis=0) @ violates[one]
    if not len(near) or not len(others):
        return None
    like = near @ violates[one]
    closest = int(np.argmax(like))
    if float(like[closest]) <= float(others.max()):
        return None
    return f"violates[{one}] is closer to allowed[{closest}] than to any violating example"


def _for_certainty(recall: Share) -> int:
    """Return how many examples, at the observed recall, put the interval above ``LEAST_RECALL``; 0 if none would."""
    if not recall.total or recall.low > LEAST_RECALL or recall.rate <= LEAST_RECALL + 0.05:
        return 0
    # Wilson's lower end is L where n = z^2 L (1 - L) / (p - L)^2.
    return math.ceil(1.96**2 * LEAST_RECALL * (1.0 - LEAST_RECALL) / (recall.rate - LEAST_RECALL) ** 2) + 1


def _places(kind: str, places: list[int]) -> str:
    named = ", ".join(f"{kind}[{place}]" for place in places[:_NAMED])
    more = len(places) - _NAMED
    return f"{named} and {more} more" if more > 0 else named
