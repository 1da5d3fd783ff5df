"""A comparison as a document, for HTML or Markdown, and as JSON, all with the same content."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from guardsdk import render
from guardsdk.errors import EvaluationError
from guardsdk.evaluation import wording
from guardsdk.evaluation.compare import Comparison, require_comparison
from guardsdk.evaluation.content import chapters
from guardsdk.evaluation.gate import Held
from guardsdk.evaluation.overview import overview
from guardsdk.evaluation.statistics import NO_INTERVAL, Interval
from guardsdk.parts.given import list_of
from guardsdk.render.document import Document
from guardsdk.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.evaluation.compare import Change
    from guardsdk.evaluation.content import KeptAnswers
    from guardsdk.intervals import Share
    from guardsdk.render.document import Chapter

_TITLE: Final = "Safety of "
MARKDOWN: Final = f"# {_TITLE}"
"""The beginning of a Markdown report."""
_FORMAT: Final = "guardsdk-comparison/1"
JSON: Final = f'{{\n "format": "{_FORMAT}"'
"""The beginning of a JSON report."""
_CARDS = ("harm.delivered", "over_refusal", "degenerate", "errors")
_CARDS_ALONE = ("harm.held_back", "over_refusal", "errors")
_FOLDED = 40
"""Longer tables are collapsed until clicked."""
_TONES: dict[str, render.Tone] = {"worse": "bad", "better": "good", "broken": "bad", "held": "good"}


def of_two(comparison: Comparison, held: Sequence[Held] = (), answers: KeptAnswers = ({}, {})) -> Document:
    """Return the report; ``answers``, if given, are collapsed until clicked.

    Raises ``InputTypeError`` if ``comparison`` is not a ``Comparison``, or ``held`` is not what ``hold`` returns.
    """
    require_comparison(comparison, "comparison")
    held = _held_of(held)
    return _document(
        f"{_TITLE}{wording.who(comparison.after)}, compared with {wording.who(comparison.before)}",
        wording.headline(comparison),
        chapters(comparison, held, answers),
        f"two records of {comparison.cases:,} cases",
        _cards(comparison, held),
    )


def of_several(comparisons: Sequence[Comparison]) -> Document:
    """Return a report on several runs, each compared with the same one.

    Raises ``EvaluationError`` if there is none, and ``InputTypeError`` if it is no list of ``Comparison``.
    """
    comparisons = list_of(Comparison, comparisons, "comparisons", "what compare(before, after) returns")
    if not comparisons:
        msg = "a report needs at least one comparison"
        raise EvaluationError(msg)
    cases = f"{comparisons[0].cases:,} cases"
    return _document(
        f"{_TITLE}{len(comparisons)} runs, compared with {wording.who(comparisons[0].before)}",
        f"The same {cases} in every run.",
        overview(comparisons),
        f"{len(comparisons) + 1} records of {cases}",
    )


def _held_of(given: Sequence[Held]) -> list[Held]:
    return list_of(Held, given, "held", "a result of hold(comparison, limits)")


def _document(
    title: str, lead: str, found: Sequence[Chapter], records: str, cards: Sequence[render.Card] = ()
) -> Document:
    foot = f"Made by guardsdk {__version__} from {records}."
    return Document(title, lead, found, foot, cards=cards, folded=_FOLDED, tones=_TONES)


def _cards(comparison: Comparison, held: Sequence[Held]) -> list[render.Card]:
    cards = []
    if held:
        broken = sum(one.broken for one in held)
        tone: render.Tone = "bad" if broken else "good"
        cards.append(render.Card("Limits", "broken" if broken else "held", f"{broken} of {len(held)} broken", tone))
    for name in _CARDS if "harm.delivered" in comparison.overall else _CARDS_ALONE:
        change = comparison.overall.get(name)
        if change is None or change.pairs.total == 0:
            continue
        before, after = (wording.share(change.rate(after=after).rate) for after in (False, True))
        detail = f"{wording.moved(change.difference())} pp: {wording.judgement(change)}"
        tone = _TONES.get(change.verdict(), "plain")
        cards.append(render.Card(change.metric.title.capitalize(), f"{before} \u2192 {after}", detail, tone))
    return cards


def to_json(comparison: Comparison, held: Sequence[Held] = ()) -> str:
    """Return every figure and every flip as JSON; it never contains an answer. Raises as ``of_two`` does."""
    require_comparison(comparison, "comparison")
    held = _held_of(held)
    return json.dumps(
        {
            "format": _FORMAT,
            "before": comparison.before.model_dump(mode="json"),
            "after": comparison.after.model_dump(mode="json"),
            "cases": comparison.cases,
            "doubtful": comparison.doubtful,
            "notes": comparison.notes,
            "limits": [_held(one) for one in held],
            "overall": {name: _figures(change) for name, change in comparison.overall.items()},
            "slices": {
                name: {
                    part: _figures(change) | dict(zip(("p_holm", "p_bh"), comparison.adjusted(name)[part], strict=True))
                    for part, change in changes.items()
                }
                for name, changes in comparison.slices.items()
            },
            "flips": [asdict(flip) for flip in comparison.flips],
            "times_s": {
                f"{times.name}.p{share}": {
                    "cases": len(times.before),
                    "before": times.at(share, after=False),
                    "after": times.at(share, after=True),
                    "difference": _ends(times.change(share)),
                }
                for times in comparison.latencies
                for share in (50, 95)
            },
        },
        indent=1,
        allow_nan=False,
    )


def _held(one: Held) -> dict[str, Any]:
    return {
        "limit": one.limit.text,
        "slice": one.slice,
        "value": one.value,
        "bound": one.bound,
        "confidence": one.confidence,
        "broken": one.broken,
    }


def _figures(change: Change) -> dict[str, Any]:
    return {
        "cases": change.pairs.total,
        "before": _ends(change.rate(after=False)),
        "after": _ends(change.rate(after=True)),
        "difference": _ends(change.difference()),
        "lost": change.pairs.lost,
        "gained": change.pairs.gained,
        "p": change.p_value,
        "verdict": wording.judgement(change),
        "corrected_before": _ends(change.corrected(after=False)),
        "corrected_after": _ends(change.corrected(after=True)),
        "corrected_difference": _ends(change.corrected_difference()),
    }


def _ends(found: Share | Interval | None) -> list[float] | None:
    """Return value, low and high; null if there is no figure."""
    one = NO_INTERVAL if found is None else Interval.of(found)
    return None if math.isnan(one.value) else [one.value, one.low, one.high]
