"""The pictures of a report: slices, differences, curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.evaluation import wording
from guardsdk.render import Axis, Bar, Limit, Series, Spot, interval_chart, line_chart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardsdk.evaluation.compare import Change
    from guardsdk.evaluation.curves import CurvePair
    from guardsdk.render import Markup

_TONES: Final = {"worse": "bad", "better": "good"}
_MOST_CURVES: Final = 4
_LEAST_RATE: Final = 0.001
_AT: Final = 0.01


def rates(title: str, changes: Mapping[str, Change]) -> Markup:
    """Draw the rate of each slice, before above after."""
    bars = []
    for name, change in changes.items():
        for after in (False, True):
            found = change.rate(after=after)
            label, tone = ("\u21b3 after", "c2") if after else (name, "c1")
            bars.append(Bar(label, found.rate, found.low, found.high, wording.interval(found), tone))  # type: ignore[arg-type]
    return interval_chart(
        title=f"{title.capitalize()} by slice",
        description=". ".join(
            f"{name}: {wording.interval(change.rate(after=False))} per cent before, "
            f"{wording.interval(change.rate(after=True))} after"
            for name, change in changes.items()
        ),
        bars=bars,
        axis=Axis("share of cases; blue before, orange after", 0.0, words="percent"),
    )


def differences(title: str, changes: Mapping[str, Change]) -> Markup:
    """Draw how far the rate of each slice moved."""
    bars = []
    for name, change in changes.items():
        found = change.difference()
        tone = _TONES.get(change.verdict(), "plain")
        bars.append(Bar(name, found.value, found.low, found.high, wording.moved(found), tone))  # type: ignore[arg-type]
    return interval_chart(
        title=f"{title.capitalize()}: after minus before",
        description=". ".join(f"{bar.label}: {bar.note} percentage points" for bar in bars),
        bars=bars,
        axis=Axis("percentage points; green better, red worse, grey no clear change", words="points"),
        reference=Limit(0.0, "no change"),
        filled=False,
    )


def telling(curves: Mapping[str, CurvePair]) -> dict[str, CurvePair]:
    """Return the few labels with the highest recall at 1 % false alarms, without those that find nothing."""

    def best(pair: CurvePair) -> float:
        points = [one.at_most(_AT) for one in pair if one is not None]
        return max((point.recall.rate for point in points if point is not None), default=0.0)

    ranked = sorted(curves, key=lambda label: (-best(curves[label]), label))
    return {label: curves[label] for label in ranked[:_MOST_CURVES] if best(curves[label]) > 0.0}


def curves(label: str, pair: CurvePair) -> Markup:
    """Draw recall against false alarms of one label, before and after."""
    series, said = [], []
    for when, one in zip(("before", "after"), pair, strict=True):
        if one is None:
            continue
        points = [(max(point.false_alarms.rate, _LEAST_RATE), point.recall.rate) for point in one.points]
        band = [(max(p.false_alarms.rate, _LEAST_RATE), p.recall.low, p.recall.high) for p in one.points]
        at = one.at_most(_AT)
        text = f"{when}: recall {wording.interval(at.recall)} per cent at 1 per cent false alarms" if at else ""
        mark = (Spot(max(at.false_alarms.rate, _LEAST_RATE), at.recall.rate, text),) if at else ()
        series.append(Series(when, points, band, mark))
        said.append(text or f"{when}: no threshold keeps 1 per cent false alarms")
    return line_chart(
        title=label,
        description=". ".join(said),
        series=series,
        x=Axis("false alarms", _LEAST_RATE, 1.0, "log", "percent"),
        y=Axis("recall", 0.0, 1.0, words="percent"),
    )
