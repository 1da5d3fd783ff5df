"""Compares several runs with one: what each layer of a guard gains and costs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from guardsdk.evaluation import pictures, wording
from guardsdk.evaluation.statistics import holm
from guardsdk.render.document import Chapter, Listing, Picture, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.evaluation.compare import Comparison
    from guardsdk.evaluation.record import GuardRef

_RATES: Final = ("harm.delivered", "harm.held_back", "over_refusal", "passed")


def overview(comparisons: Sequence[Comparison]) -> list[Chapter]:
    """Return one chapter per rate, with a row for each run.

    Args:
        comparisons: Comparisons of different runs with the same run before.
    """
    first = comparisons[0]
    chapters = [_rate(name, comparisons) for name in _RATES if name in first.overall]
    if any(one.latencies for one in comparisons):
        chapters.append(_times(comparisons))
    notes = tuple(dict.fromkeys(note for one in comparisons for note in one.notes))
    adjusted = "p values are adjusted over the runs by Holm; every run is compared with the first one only."
    return [*chapters, Chapter("Method and limits", (Listing((*notes, adjusted, *wording.method(first))),))]


def names(comparisons: Sequence[Comparison]) -> list[str]:
    """Return distinct names for the runs, with no more detail than distinguishes them."""
    heads = [one.after for one in comparisons]
    one_model = len({head.target.model for head in heads}) == 1
    short = [_layer(head.guard) if one_model else wording.who(head) for head in heads]
    if len(set(short)) < len(short):
        policies = [head.guard.policy for head in heads]
        short = [
            f"{name}, {policy.name} {policy.version}" if policy else name
            for name, policy in zip(short, policies, strict=True)
        ]
    seen: Counter[str] = Counter()
    found = []
    for name in short:
        seen[name] += 1
        found.append(name if short.count(name) == 1 else f"{name} ({seen[name]})")
    return found


def _layer(ref: GuardRef) -> str:
    """Return what surrounds the model in few words, as a picture has little room."""
    sides = {"none": "no guard", "input": "input only", "output": "output only", "both": "both sides"}[ref.sides]
    without = f"without {', '.join(ref.without)}"
    return sides if not ref.without else without if ref.sides == "both" else f"{sides} {without}"


def _rate(name: str, comparisons: Sequence[Comparison]) -> Chapter:
    changes = dict(zip(names(comparisons), (one.overall[name] for one in comparisons), strict=True))
    base = comparisons[0].overall[name]
    title = base.metric.title
    adjusted = holm([change.p_value for change in changes.values()])
    rows = [
        (
            wording.who(comparisons[0].before) + " (the first)",
            wording.interval(base.rate(after=False)),
            "",
            "",
            "compared with",
        )
    ]
    rows += [
        (
            run,
            wording.interval(change.rate(after=True)),
            wording.moved(change.difference()),
            wording.chance(p_value),
            wording.judgement(change),
        )
        for (run, change), p_value in zip(changes.items(), adjusted, strict=True)
    ]
    header = ("run", "rate, %", "difference, pp", "p, Holm", "")
    return Chapter(
        title.capitalize(),
        (
            Picture(pictures.differences(title, changes), "Each run minus the first, with 95 % intervals."),
            Table(f"{title.capitalize()}, with 95 % intervals", header, tuple(rows), (base.metric.meaning,)),
        ),
    )


def _times(comparisons: Sequence[Comparison]) -> Chapter:
    rows = tuple(
        (
            name,
            times.name,
            wording.seconds(times.at(50, after=True)),
            wording.seconds(times.at(95, after=True)),
        )
        for name, one in zip(names(comparisons), comparisons, strict=True)
        for times in one.latencies
    )
    return Chapter("Time", (Table("Time of a case", ("run", "of", "p50", "p95"), rows),))
