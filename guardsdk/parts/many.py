"""Checks many texts of one stage, each with its own system prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.guard import Guard
    from guardsdk.verdict import Stage, Verdict


def check_each(
    guard: Guard,
    texts: Sequence[str],
    *,
    stage: Stage | str,
    contexts: Sequence[str | None],
    systems: Sequence[str | None],
) -> list[Verdict]:
    """Return a verdict for each of ``texts``, in order; texts with the same system prompt are checked together.

    Raises as ``Guard.check_many`` does.
    """
    by_system: dict[str | None, list[int]] = {}
    for place, system in enumerate(systems):
        by_system.setdefault(system, []).append(place)
    found: dict[int, Verdict] = {}
    for system, places in by_system.items():
        verdicts = guard.check_many(
            [texts[place] for place in places],
            stage=stage,
            contexts=[contexts[place] for place in places],
            system=system,
        )
        found.update(zip(places, verdicts, strict=True))
    return [found[place] for place in range(len(texts))]
