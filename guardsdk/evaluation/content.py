"""The content of a report on two runs, chapter by chapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.evaluation import pictures, wording
from guardsdk.render.document import Chapter, Listing, Picture, Quotes, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from guardsdk.evaluation.compare import Change, Comparison, Flip
    from guardsdk.evaluation.gate import Held
    from guardsdk.render.document import Block

KeptAnswers = tuple["Mapping[str, str]", "Mapping[str, str]"]
"""Answers by case, before and after."""
SHOWN_FLIPS: Final = 200
_RATES: Final = (0.001, 0.01, 0.05)


def chapters(comparison: Comparison, held: Sequence[Held] = (), answers: KeptAnswers = ({}, {})) -> list[Chapter]:
    """Return the chapters of the report.

    Args:
        comparison: The two runs.
        held: The results of the limits, if there were any.
        answers: The answers, if they were kept and are to be in the report.
    """
    main = [name for name in ("harm.delivered", "harm.held_back", "over_refusal") if name in comparison.overall]
    if "harm.delivered" in main:
        main.remove("harm.held_back")
    found = [_gate(held)] if held else []
    found.append(Chapter("Overall", (*_overall(comparison), *_corrected(comparison))))
    found += [_slices(comparison, name) for name in main if comparison.slices.get(name)]
    found.append(_flips(comparison, answers))
    if comparison.curves and (drawn := _curves(comparison)):
        found.append(drawn)
    if comparison.latencies:
        found.append(Chapter("Time", (_times(comparison),)))
    found.append(_compared(comparison))
    found.append(Chapter("Method and limits", (Listing(wording.method(comparison)),)))
    return found


def _gate(held: Sequence[Held]) -> Chapter:
    broken = sum(one.broken for one in held)
    said = f"{broken} of {len(held)} broken." if broken else "All held."
    header = ("limit", "slice", "found", "end that counts", "")
    return Chapter("Limits", (said, Table("Limits", header, tuple(wording.held(one) for one in held))))


def _row(name: str, change: Change) -> tuple[str, ...]:
    return (
        name,
        f"{change.pairs.total:,}",
        wording.interval(change.rate(after=False)),
        wording.interval(change.rate(after=True)),
        wording.moved(change.difference()),
        wording.chance(change.p_value),
    )


def _overall(comparison: Comparison) -> tuple[Block, ...]:
    rows = tuple(
        (*_row(change.metric.title, change), wording.judgement(change)) for change in comparison.overall.values()
    )
    header = ("rate", "cases", "before, %", "after, %", "difference, pp", "p", "")
    meanings = tuple(
        f"{change.metric.title.capitalize()}: {change.metric.meaning}" for change in comparison.overall.values()
    )
    return Table("All cases, as they were judged, with 95 % intervals", header, rows), Listing(meanings)


def _corrected(comparison: Comparison) -> list[Block]:
    rows, unknown, unfit = [], [], []
    for change in comparison.overall.values():
        if change.metric.question is None or change.pairs.total == 0 or comparison.after.judge is None:
            continue
        if change.error is None or not change.error.usable:
            unknown.append(change.metric.title)
            continue
        if not change.correctable:
            unfit.append(change.metric.title)
            continue
        rows.append(
            (
                change.metric.title,
                wording.interval(change.corrected(after=False)),
                wording.interval(change.corrected(after=True)),
                wording.moved(change.corrected_difference()),
                f"{100 * change.error.sensitivity:.1f}",
                f"{100 * change.error.specificity:.1f}",
            )
        )
    blocks: list[Block] = []
    if rows:
        header = ("rate", "before, %", "after, %", "difference, pp", "judge finds, %", "judge leaves alone, %")
        blocks.append(Table("The same without the judge's error, with 95 % intervals", header, tuple(rows)))
    if unknown:
        blocks.append(f"The judge's error was not measured well enough to take it out of: {', '.join(unknown)}.")
    if unfit:
        said = (
            "A judge with the error it had on labelled texts cannot see rates such as these, so it errs otherwise here"
        )
        blocks.append(f"{said} and nothing is corrected: {', '.join(unfit)}. These rates are less certain.")
    if rows and comparison.doubtful:
        said = f"{comparison.doubtful:,} cases are unlike the texts the judge was measured on, such as other languages"
        blocks.append(f"{said}: there its error may be greater than these figures say.")
    return blocks


def _slices(comparison: Comparison, name: str) -> Chapter:
    changes, adjusted = comparison.slices[name], comparison.adjusted(name)
    title = comparison.overall[name].metric.title
    rows = tuple(
        (*_row(part, change), wording.chance(adjusted[part][0]), wording.chance(adjusted[part][1]))
        for part, change in changes.items()
    )
    header = ("slice", "cases", "before, %", "after, %", "difference, pp", "p", "p, Holm", "p, BH")
    note = f"p of no change (exact McNemar); adjusted over slices ({len(rows)}) by Holm and by Benjamini and Hochberg."
    return Chapter(
        f"{title.capitalize()} by slice",
        (
            Picture(pictures.rates(title, changes), "Rates with 95 % intervals: before above, after below."),
            Picture(pictures.differences(title, changes), "After minus before, with 95 % intervals."),
            Table(f"{title.capitalize()} by slice", header, rows, (note,)),
        ),
    )


def _flips(comparison: Comparison, answers: KeptAnswers) -> Chapter:
    flips = comparison.flips
    if not flips:
        return Chapter("Flipped cases", ("No case passed in one run and failed in the other.",))
    worse = sum(flip.worse for flip in flips)
    said = f"{worse:,} cases passed before and fail now; {len(flips) - worse:,} failed before and pass now."
    shown = flips[:SHOWN_FLIPS]
    if len(shown) < len(flips):
        said += f" The first {len(shown)} are listed; the JSON report has all of them."
    header = ("case", "slice", "ought to", "before", "after", "")
    rows = tuple(
        (
            flip.id,
            flip.slice,
            _said(flip.expectation),
            _outcome(flip.before, flip.why_before),
            _outcome(flip.after, flip.why_after),
            "worse" if flip.worse else "better",
        )
        for flip in shown
    )
    texts = [block for flip in shown if (block := _texts(flip, answers)).texts]
    return Chapter("Flipped cases", (said, Table("Flipped cases", header, rows), *texts))


def _texts(flip: Flip, answers: KeptAnswers) -> Quotes:
    kept = tuple((when, run[flip.id]) for when, run in zip(("before", "after"), answers, strict=True) if flip.id in run)
    return Quotes(f"{flip.id}: answers", kept)


def _said(value: str) -> str:
    return value.replace("_", " ")


def _outcome(outcome: str, why: str) -> str:
    return f"{_said(outcome)} ({why})" if why else _said(outcome)


def _curves(comparison: Comparison) -> Chapter | None:
    shown = pictures.telling(comparison.curves)
    if not shown:
        return None
    rows = []
    for label, pair in shown.items():
        for when, one in zip(("before", "after"), pair, strict=True):
            points = [None if one is None else one.at_most(rate) for rate in _RATES]
            rows.append((label, when, *(wording.interval(point.recall if point else None) for point in points)))
    blocks: list[Block] = [
        Picture(pictures.curves(label, pair), "Each point is a threshold; the axis of false alarms is logarithmic.")
        for label, pair in shown.items()
    ]
    header = ("label", "run", *(f"at {100 * rate:g} % false alarms" for rate in _RATES))
    note = "Thresholds are chosen on the very cases they are measured on here, so these recalls are a little too high."
    caption = "Recall, %, at the loosest threshold that keeps a rate of false alarms"
    blocks.append(Table(caption, header, tuple(rows), (note,)))
    return Chapter("Recall against false alarms", tuple(blocks))


def _times(comparison: Comparison) -> Table:
    rows = []
    for times in comparison.latencies:
        for percent in (50, 95):
            found = times.change(percent)
            before, after = (wording.seconds(times.at(percent, after=after)) for after in (False, True))
            ends = f"[{wording.seconds(found.low)}, {wording.seconds(found.high)}]"
            change = f"{wording.seconds(found.value)} {ends}"
            rows.append((f"{times.name}, p{percent}", f"{len(times.before):,}", before, after, change))
    header = ("time", "cases", "before", "after", "difference")
    return Table("Time of the same cases, with 95 % intervals", header, tuple(rows))


def _compared(comparison: Comparison) -> Chapter:
    before, after = wording.facts(comparison.before), wording.facts(comparison.after)
    rows = tuple((name, value, after[name]) for name, value in before.items())
    blocks: list[Block] = [Table("The two runs", ("", "before", "after"), rows)]
    judge = comparison.after.judge
    if judge is not None and judge.figures:
        counted = tuple(
            (
                _said(one.question),
                one.source,
                f"{one.true_positives} of {one.true_positives + one.false_negatives}",
                f"{one.true_negatives} of {one.true_negatives + one.false_positives}",
            )
            for one in judge.figures
        )
        header = ("question", "labelled texts", "found", "left alone")
        blocks.append(Table("How often the judge is right", header, counted))
    if comparison.notes:
        blocks.append(Listing(comparison.notes))
    return Chapter("What was compared", tuple(blocks))
