"""A tuning as an HTML page: what changes, what it costs, and the curve it was chosen on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from guardsdk.calibration.overlay import told, told_apart
from guardsdk.calibration.sample import EDGES
from guardsdk.render import Axis, Card, Section, Series, Spot, cards, figure, line_chart, page, paragraph, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from guardsdk.calibration.choosing import Choice, Line, Tuning
    from guardsdk.calibration.overlay import Source
    from guardsdk.calibration.sample import Sample
    from guardsdk.intervals import Share
    from guardsdk.policy.recalibrating import Recalibration
    from guardsdk.render import Markup

_MOST: Final = 6
"""The most lines in one picture."""
_POINTS: Final = 120


def as_json(
    tuning: Tuning,
    source: Source,
    meanings: Mapping[str, Sequence[tuple[float, float]]],
    scales: Sequence[Recalibration] = (),
) -> dict[str, Any]:
    """Return the same as plain JSON."""
    return {
        "made": source.made.isoformat(),
        "stage": source.stage.value,
        "policy": source.policy.model_dump(),
        "model": source.model.model_dump(),
        "benign": {
            "texts": tuning.texts,
            "different": tuning.different,
            "sha256": source.benign_sha256,
            "unchecked": tuning.unchecked,
        },
        "violating": {"texts": tuning.violations, "sha256": source.violating_sha256},
        "fpr": tuning.fpr,
        "confidence": tuning.confidence,
        "flagged_by_any": {"before": told(tuning.flagged_before), "after": told(tuning.flagged_after)},
        "recalibrate": [one.model_dump(mode="json", exclude_none=True) for one in scales],
        "principles": [
            {
                "id": choice.rule.principle_id,
                "label": choice.rule.label,
                "what": choice.what,
                "why": choice.why,
                "before": _line(choice.before),
                "after": _line(choice.after),
                "meaning": [list(point) for point in meanings.get(choice.rule.principle_id, ())],
            }
            for choice in tuning.choices
        ],
    }


def as_page(
    tuning: Tuning,
    source: Source,
    benign: Sample,
    violating: Sample | None,
    *,
    meanings: Mapping[str, Sequence[tuple[float, float]]],
    scales: Sequence[Recalibration] = (),
) -> str:
    """Return the page: self-contained HTML without any text of the samples."""
    moved = sum(choice.what in ("raised", "lowered") for choice in tuning.choices)
    unchecked = f"{tuning.unchecked} more could not be checked to their end" if tuning.unchecked else "all were checked"
    opening = [
        Card("benign texts", str(tuning.texts), unchecked),
        Card("thresholds moved", f"{moved} of {len(tuning.choices)}", "" if tuning.shown else "not all could be shown"),
        _card("benign flagged by any", tuning.flagged_before, tuning.flagged_after),
    ]
    if tuning.found_after is not None and tuning.found_before is not None:
        opening.append(_card("violating found by any", tuning.found_before, tuning.found_after))
    sections = [
        Section("Thresholds", [_table(tuning)]),
        Section("What a threshold trades", [_picture(tuning, benign, violating), _reading(violating)]),
    ]
    if meanings:
        sections.append(Section("What a score means here", [_meaning(meanings)]))
    if scales:
        sections.append(Section("What the overlay makes of scores", [_scales(scales)]))
    policy, model = source.policy, source.model
    return page(
        title=f"Thresholds of {policy.name} on your own text",
        lead=(
            f"Stage {source.stage.value}: each principle may flag at most {_percent(tuning.fpr)} of ordinary text, and "
            f"that is to hold with {_percent(tuning.confidence)} confidence."
        ),
        sections=sections,
        opening=[cards(opening)],
        foot=(
            f"Made {source.made.isoformat()} with policy {policy.name} {policy.version} (sha256 {policy.digest[:16]}) "
            f"and model {model.name} {model.version} (sha256 {model.digest[:16]}), from benign texts of sha256 "
            f"{source.benign_sha256[:16]}."
        ),
    )


def _line(line: Line) -> dict[str, Any]:
    found = None if line.found is None else told(line.found)
    return {"threshold": line.value, "flagged": told(line.flagged), "at_most": line.bound, "found": found}


def _card(label: str, before: Share, after: Share) -> Card:
    detail = f"{after.hits} of {after.total}; before {before.hits}, {_percent(before.rate)}"
    return Card(label, _percent(after.rate), detail)


def _percent(share: float) -> str:
    return f"{100 * share:.3g}\N{NO-BREAK SPACE}%"


def _counted(share: Share | None) -> str:
    """Return a share whose total is stated elsewhere on the page."""
    return "n/a" if share is None else f"{share.hits} ({_percent(share.rate)})"


def _table(tuning: Tuning) -> Markup:
    header = ["principle", "what", "line before", "after", "flagged before", "after", "of all, at most", "found"]
    rows = [
        [
            choice.rule.principle_id,
            choice.what,
            f"{choice.before.value:.4f}",
            f"{choice.after.value:.4f}",
            _counted(choice.before.flagged),
            _counted(choice.after.flagged),
            _percent(choice.after.bound),
            _counted(choice.after.found),
        ]
        for choice in tuning.choices
    ]
    found = f", found are of the {tuning.violations} violating ones" if tuning.violations else ""
    words = (
        f"Flagged are of the {told_apart(tuning)} benign texts{found}; at most that share of all ordinary text is "
        f"flagged by the new line, {_percent(tuning.confidence)} sure."
    )
    reasons = [words, *(f"{choice.rule.principle_id}: {choice.why}" for choice in tuning.choices)]
    return table("Every principle of the stage", header, rows, notes=reasons)


def _picture(tuning: Tuning, benign: Sample, violating: Sample | None) -> Markup:
    chosen = list(enumerate(tuning.choices))[:_MOST]
    if violating is None or not violating.texts:
        series = [Series(choice.rule.principle_id, _flagged(column, benign)) for column, choice in chosen]
        title, x = "Benign text flagged at each threshold", Axis("threshold", low=0.0, high=1.0)
        y = Axis("benign flagged", low=0.0, words="percent")
    else:
        series = [_traded(column, choice, benign, violating) for column, choice in chosen]
        title = "Violating text found for benign text flagged"
        x = Axis("benign flagged", low=1.0 / max(benign.texts, 2), high=1.0, scale="log", words="percent")
        y = Axis("violating found", low=0.0, high=1.0, words="percent")
    return figure(line_chart(title=title, description=title, series=series, x=x, y=y))


def _flagged(column: int, benign: Sample) -> list[tuple[float, float]]:
    shares = benign.reaching(column) / max(benign.texts, 1)
    places = np.linspace(0, len(EDGES) - 1, _POINTS).astype(np.intp)
    return [(float(EDGES[place]), float(shares[place])) for place in places]


def _traded(column: int, choice: Choice, benign: Sample, violating: Sample) -> Series:
    flagged = benign.reaching(column) / max(benign.texts, 1)
    found = violating.reaching(column) / violating.texts
    # Evenly spaced on a logarithmic axis: for each share, the threshold that flags no more and finds the most.
    shares = np.unique(np.geomspace(1.0 / max(benign.texts, 2), 1.0, _POINTS))
    places = np.unique(np.searchsorted(-flagged, -shares))
    points = [(float(flagged[place]), float(found[place])) for place in places[::-1] if place < len(flagged)]
    points = [point for point in points if point[0] > 0.0]
    marks = [
        Spot(line.flagged.rate, line.found.rate, f"{choice.rule.principle_id} {when}", radius)
        for line, when, radius in ((choice.before, "before", 3.0), (choice.after, "after", 5.0))
        if line.found is not None and line.flagged.hits
    ]
    return Series(choice.rule.principle_id, points, marks=marks)


def _reading(violating: Sample | None) -> Markup:
    words = (
        "Each line is one principle; the small dot is its threshold before, the large one after. One that flags no "
        "benign text has no place here."
    )
    if violating is None:
        words = "Each line is one principle. No violating texts were given, so nothing is known of what it finds."
    return paragraph(words, note=True)


def _scales(scales: Sequence[Recalibration]) -> Markup:
    rows = [[one.label, _formula(one)] for one in scales]
    words = (
        "Log-odds of a score times the slope, plus the intercept; or lines from point to point. Thresholds on this "
        "page are on the scale before; the overlay has them on the scale after, and decides the same."
    )
    return table("Recalibrated labels", ["label", "by"], rows, notes=[words])


def _formula(one: Recalibration) -> str:
    if one.points is None:
        return f"slope {one.slope:.3f}, intercept {one.intercept:+.3f}"
    (first, low), (last, high) = one.points[0], one.points[-1]
    return f"{len(one.points)} points, {first:.3g} is {low:.3g} to {last:.3g} is {high:.3g}"


def _meaning(meanings: Mapping[str, Sequence[tuple[float, float]]]) -> Markup:
    series = [Series(name, list(points)) for name, points in list(meanings.items())[:_MOST]]
    x, y = Axis("score", low=0.0, high=1.0), Axis("chance of a violation", low=0.0, high=1.0, words="percent")
    title = "Chance that a text with this score violates, were half of all texts violating"
    return figure(line_chart(title=title, description=title, series=series, x=x, y=y))
