"""Tables from figures: ``docs/quality.md`` and the part of the README that quotes it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from benchmarks.floors import EXACT, FLOORS, floor_values
from benchmarks.own import CASUAL_ANSWERS, CASUAL_PROMPTS, HARD_BENIGN, SYSTEM_TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.figures import Figures
    from benchmarks.floors import Floor

NOTHING = "n/a"
COMMAND = "python -m benchmarks.quality --data DIR --peer-python PEER --markdown docs/quality.md"


_CURVES = """## What a threshold trades

Recall against the false positive rate, over ordinary and over hard benign text. How to read it:
[cases.md](cases.md#what-a-threshold-trades).

![Recall against false alarms for every group of labels]({picture})
"""


def percent(value: float | None) -> str:
    """Share as a percentage with one decimal."""
    return NOTHING if value is None or math.isnan(value) else f"{100 * value:.1f}"


def decimal(value: float | None) -> str:
    """Area or F1 with three decimals and no leading zero."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:.3f}".removeprefix("0")


def interval(found: dict[str, Any] | None) -> str:
    """Rate with its interval, all in percent."""
    if found is None or found["rate"] is None:
        return NOTHING
    return f"{percent(found['rate'])} [{percent(found['low'])}, {percent(found['high'])}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers_from: int) -> str:
    """Markdown table; columns from ``numbers_from`` on are right-aligned."""
    marks = ["---" if index < numbers_from else "---:" for index in range(len(head))]
    lines = [head, marks, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def _set_name(figure: Figures) -> str:
    name = f"`{figure['set']}`" if figure["set"] != "all" else "all sets"
    return f"{name} {figure['split']}" if figure.get("split") else name


def _size(figure: Figures) -> str:
    """Rows that were measured, and how many they stand for where that is more."""
    return f"{figure['rows']:,}" + (f" of {figure['of']:,}" if figure["of"] != figure["rows"] else "")


def rates_table(result: Figures) -> str:
    """Every group of every set, all systems side by side."""
    names = result["systems"]
    rows = (
        [
            _set_name(figure),
            figure["stage"],
            figure["label"],
            figure["measure"],
            _size(figure),
            *(interval(figure["systems"][name]) for name in names),
        ]
        for figure in result["rates"]
    )
    return table(["set", "stage", "label", "measure", "rows", *(f"{name}, %" for name in names)], rows, 4)


def ranking_table(result: Figures) -> str:
    """AUROC and AUPRC of the relevant score."""
    names = result["systems"]
    rows = []
    for figure in result["ranking"]:
        areas = [figure["systems"][name] or {"auroc": None, "auprc": None} for name in names]
        cells = [f"{decimal(area['auroc'])} / {decimal(area['auprc'])}" for area in areas]
        size = f"{figure['positives']:,} / {figure['negatives']:,}"
        rows.append([_set_name(figure), figure["stage"], figure["label"], figure["score"], size, *cells])
    return table(["set", "stage", "label", "our score", "positives / negatives", *names], rows, 4)


def flags_table(result: Figures) -> str:
    """Accuracy and F1 of decisions that are more than a block of the input."""
    rows = (
        [
            _set_name(figure),
            figure["label"],
            figure["decision"],
            _size(figure),
            interval({"rate": figure["accuracy"], "low": figure["low"], "high": figure["high"]}),
            *(decimal(figure[key]) for key in ("precision", "recall", "f1")),
        ]
        for figure in result["flags"]
    )
    return table(["set", "label", "decision", "rows", "accuracy, %", "precision", "recall", "F1"], rows, 3)


def slices_table(result: Figures) -> str:
    """Blocked share by slice, pooled over all sets."""
    names = result["systems"]
    rows = (
        [
            figure["slice"],
            figure["value"],
            figure["stage"],
            figure["measure"],
            f"{figure['rows']:,}",
            *(interval(figure["systems"][name]) for name in names),
        ]
        for figure in result["slices"]
    )
    return table(["slice", "value", "stage", "measure", "rows", *(f"{name}, %" for name in names)], rows, 4)


def agreement_table(result: Figures) -> str:
    """Decision agreement of two models, set by set."""
    rows = (
        [
            _set_name(figure),
            f"{figure['rows']:,}",
            interval(figure["block"]),
            interval(figure["principles"]),
            decimal(figure["mean_score_gap"]),
            decimal(figure["largest_score_gap"]),
        ]
        for figure in result["agreement"]
    )
    head = ["set", "distinct rows", "same block, %", "same principles, %", "mean score gap", "largest score gap"]
    return table(head, rows, 1)


def _exact(found: dict[str, Any] | None) -> str:
    """Area or F1 with its interval, where that was measured."""
    if found is None or found["rate"] is None:
        return NOTHING
    between = "" if found.get("low") is None else f" [{decimal(found['low'])}, {decimal(found['high'])}]"
    return decimal(found["rate"]) + between


def floors_table(result: Figures, floors: Iterable[Floor] = FLOORS) -> str:
    """The headline figures against what the model was asked to reach."""
    names = result["systems"]
    rows = []
    for floor in floors:
        values = floor_values(floor, result)
        ours: float | None = values[0]["rate"] if values[0] else None
        shown, bound = (_exact, decimal) if floor.kind in EXACT else (interval, percent)
        asked, reached = "report", ""
        if floor.bound is not None:
            asked = f"{'≤' if floor.upper else '≥'} {bound(floor.bound)}"
            reached = NOTHING if ours is None else ("yes" if floor.holds(ours) else "**no**")
        name = " ".join(part for part in (floor.title, f"`{floor.source}`", floor.split, floor.stage) if part)
        kind = EXACT.get(floor.kind, f"{floor.kind}, %")
        rows.append([name, kind, *map(shown, values), asked, reached])
    return table(["set", "measure", *names, "asked for", "reached"], rows, 2)


def _aimed(aimed: dict[str, Any] | None) -> list[str]:
    """Return lines on how prompts that come with a system text were checked, if there are any."""
    if not aimed or not aimed["rows"]:
        return []
    how = "are checked beside them" if aimed["read"] else "are checked by themselves: this model cannot read them"
    sets = ", ".join(f"`{name}`" for name in aimed["sets"])
    return [
        f"- {aimed['rows']:,} prompts that come with the instructions they are aimed at ({sets})",
        f"  {how}. The peer reads the text alone.",
    ]


def quality_page(result: Figures, picture: Path | None = None) -> str:
    """Build the whole of ``docs/quality.md``; ``picture`` is the path of the trade-off curves, seen from the page."""
    limit = (
        f"at most {result['limit']} rows of each stage and label (all of our own)" if result["limit"] else "all rows"
    )
    model, policy = result["model"], result["policy"]
    about = [
        f"Measured {result['date']} on {limit}, written by `{COMMAND}`; not edited by hand.",
        "No row was trained or calibrated on; `models/CHANGELOG.md` says what was known while a model was made.\n",
        f"- Model `{model['name']}` {model['version']}, digest `{model['digest'][:16]}`.",
        f"- Policy `{policy['name']}` {policy['version']} with its own thresholds: the decision is the shipped one.",
        "- Input or tool text counts as detected if any principle blocks it. It is a false block (a false positive) if",
        "  a principle blocks it and none of its labels is bad. Intervals are 95 %: Wilson's for shares, else by",
        "  bootstrap.",
        *_aimed(result.get("aimed")),
        "- Accuracy, precision, F1, areas and rates are those of the whole set with its own class balance. If rows",
        '  were sampled ("300 of 2,563"), each is weighted by the number it stands for, and the interval is for the',
        "  effective number of rows. Slices count the rows measured, each once.",
        f"- `{HARD_BENIGN}` was written by hand for this page (`benchmarks/cases`): harmless text that has the words",
        "  of attacks in it; a test keeps it apart from the training text. So were",
        f"  `{SYSTEM_TEXT}`: prompts beside the developer's instructions they are aimed at, and",
        f"  `{CASUAL_ANSWERS}`: small talk, names and values as answers, and abuse, and",
        f"  `{CASUAL_PROMPTS}`: the same texts typed by a user, for the flag for toxic prompts.",
        *([f"- Peer: {result['peer']}."] if result.get("peer") else []),
    ]
    parts = [
        "# Quality\n",
        "\n".join(about) + "\n",
        "## The headline figures\n",
        floors_table(result),
        *([_CURVES.format(picture=picture.as_posix())] if picture else []),
        "## Every set\n",
        rates_table(result),
        "## Ranking: AUROC / AUPRC of the relevant score\n",
        "Scores, not decisions: a high area says nothing about the shipped threshold.\n",
        ranking_table(result),
        "## Flags, refusals and harmful responses\n",
        flags_table(result),
        "## Slices, pooled over all sets\n",
        slices_table(result),
    ]
    if result.get("agreement"):
        parts += [f"## Agreement with {result['compared']}\n", agreement_table(result)]
    return "\n".join(parts)
