"""A comparison as a page, as Markdown and as JSON. All three say the same; only the page has pictures."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, assert_never

from guardsdk import render
from guardsdk.evaluation import wording
from guardsdk.evaluation.content import Listing, Picture, Table, Texts, Words, chapters
from guardsdk.evaluation.overview import overview
from guardsdk.render import markdown
from guardsdk.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from guardsdk.evaluation.compare import Change, Comparison
    from guardsdk.evaluation.content import Block, Chapter
    from guardsdk.evaluation.gate import Held
    from guardsdk.evaluation.statistics import Interval, Proportion

Answers = tuple["Mapping[str, str]", "Mapping[str, str]"]
_CARDS = ("harm.delivered", "over_refusal", "degenerate", "errors")
_CARDS_ALONE = ("harm.held_back", "over_refusal", "errors")
_FOLDED = 40
"""Longer tables are shown on a click."""
_TONES: dict[str, render.Tone] = {"worse": "bad", "better": "good"}


def title(comparison: Comparison) -> str:
    """Return what the report is called."""
    return f"Safety of {wording.who(comparison.after)}, compared with {wording.who(comparison.before)}"


def to_html(comparison: Comparison, held: Sequence[Held] = (), answers: Answers = ({}, {})) -> str:
    """Return a self-contained page; ``answers`` stand behind a click, and are nowhere in it where they are left out."""
    return _page(
        title(comparison),
        wording.headline(comparison),
        chapters(comparison, held, answers),
        f"two records of {comparison.cases:,} cases",
        [render.cards(_cards(comparison, held))],
    )


def overview_to_html(comparisons: Sequence[Comparison]) -> str:
    """Return a page on several runs, each compared with the same one."""
    records = f"{len(comparisons) + 1} records of {comparisons[0].cases:,} cases"
    return _page(_overview_title(comparisons), _overview_lead(comparisons), overview(comparisons), records)


def _page(name: str, lead: str, parts: Sequence[Chapter], records: str, opening: Sequence[render.Markup] = ()) -> str:
    return render.page(
        title=name,
        lead=lead,
        opening=opening,
        sections=[render.Section(part.title, [_markup(block) for block in part.blocks]) for part in parts],
        foot=f"Made by guardsdk {__version__} from {records}.",
    )


def _overview_title(comparisons: Sequence[Comparison]) -> str:
    return f"{len(comparisons)} runs compared with {wording.who(comparisons[0].before)}"


def _overview_lead(comparisons: Sequence[Comparison]) -> str:
    return f"The same {comparisons[0].cases:,} cases in every run."


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


def _markup(block: Block) -> render.Markup:
    match block:
        case Words(text):
            return render.paragraph(text)
        case Listing(items):
            return render.bullets(items)
        case Table(caption, header, rows, notes):
            table = render.table(caption, header, [_coloured(row) for row in rows], notes=notes)
            return render.hidden(f"{caption}: {len(rows)} rows", table) if len(rows) > _FOLDED else table
        case Picture(drawn, caption):
            return render.figure(drawn, caption)
        case Texts(name, answers):
            quotes = [part for when, text in answers for part in (render.heading(when), render.quoted(text))]
            return render.hidden(name, *quotes)
        case _:
            assert_never(block)


def _coloured(row: Sequence[str]) -> list[str]:
    tones: dict[str, render.Tone] = {**_TONES, "broken": "bad", "held": "good"}
    return [*row[:-1], render.toned(row[-1], tones[row[-1]]) if row[-1] in tones else row[-1]]


def to_markdown(comparison: Comparison, held: Sequence[Held] = (), answers: Answers = ({}, {})) -> str:
    """Return the report without its pictures, whose figures are in the tables."""
    return _marked(title(comparison), wording.headline(comparison), chapters(comparison, held, answers))


def overview_to_markdown(comparisons: Sequence[Comparison]) -> str:
    """Return the report on several runs without its pictures."""
    return _marked(_overview_title(comparisons), _overview_lead(comparisons), overview(comparisons))


def _marked(name: str, lead: str, found: Sequence[Chapter]) -> str:
    parts = [f"# {markdown.plain(name)}", markdown.plain(lead)]
    for chapter in found:
        parts.append(f"## {markdown.plain(chapter.title)}")
        parts += [text for block in chapter.blocks if (text := _marked_down(block))]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _marked_down(block: Block) -> str:
    match block:
        case Words(text):
            return markdown.plain(text)
        case Listing(items):
            return "\n".join(f"- {markdown.plain(item)}" for item in items)
        case Table(caption, header, rows, notes):
            cells = [[markdown.plain(cell) for cell in row] for row in (header, *rows)]
            told = "".join(f"\n{markdown.plain(note)}  " for note in notes)
            return f"{markdown.plain(caption)}:\n\n{markdown.table(cells[0], cells[1:])}{told}"
        case Picture():
            return ""
        case Texts(name, answers):
            said = "\n\n".join(f"{when}: {markdown.plain(text)}" for when, text in answers)
            return f"<details><summary>{markdown.plain(name)}</summary>\n\n{said}\n\n</details>"
        case _:
            assert_never(block)


def to_json(comparison: Comparison, held: Sequence[Held] = ()) -> str:
    """Return every figure and every flip, for programs; it never holds an answer."""
    return json.dumps(
        {
            "format": "guardsdk-comparison/1",
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


def _ends(found: Proportion | Interval | None) -> list[float] | None:
    """Return value, low and high; null where there is no figure."""
    if found is None:
        return None
    value = getattr(found, "rate", getattr(found, "value", math.nan))
    return None if math.isnan(value) else [value, found.low, found.high]
