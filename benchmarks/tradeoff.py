"""Draw recall against false alarms for every group of labels, with the shipped thresholds marked.

Example: ``python -m benchmarks.tradeoff --data DIR --out docs/img/tradeoff.svg``. Rows that ``benchmarks.quality`` has
measured with the same model, ``--limit`` and ``--seed`` are taken from its store.

A curve moves the thresholds of its labels together, by the same step in log odds; the shipped ones are step 0. Every
set weighs the same, in recall as in false alarms, and a sampled row counts for the rows it stands for.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.command import command
from benchmarks.data import SPLITS, load, sources
from benchmarks.own import HARD_BENIGN, own
from benchmarks.pages import save
from benchmarks.quality import DATA, PICTURE, STORE
from benchmarks.scoring import GuardSystem, measure
from benchmarks.svg import Chart, Line, draw
from guardsdk import Guard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.data import Column, Row, StageName
    from benchmarks.scoring import Outcome
    from benchmarks.svg import Point

OUT = Path("docs") / PICTURE
_ORDINARY = ("alpaca_eval", "mt_bench_vicuna", "humaneval", "alpaca_instructions", "toxicchat")
_HARD = ("notinject", HARD_BENIGN)
_LEAST_ODDS = 1e-6
"""Scores are stored with six decimals; nearer to 0 or 1 there is nothing to tell apart."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what is to be caught, by which labels, and the harmless text that must not be."""

    title: str
    stage: StageName
    column: Column
    labels: tuple[str, ...]
    caught: tuple[str, ...]
    """Names of sets, with a reported part of one behind a colon."""
    ordinary: tuple[str, ...] = _ORDINARY
    hard: tuple[str, ...] = ()
    blocks: bool = True
    """Whether these labels hold a text back, rather than flag it."""


_ATTACK = ("prompt_injection", "jailbreak")
PANELS = (
    Panel(
        "Injection typed by a user",
        "input",
        "attack",
        _ATTACK,
        ("deepset_prompt_injections", "cyberseceval_prompt_injection:en", "piguard_valid"),
        hard=_HARD,
    ),
    Panel(
        "Injection in documents",
        "tool",
        "attack",
        ("prompt_injection",),
        ("bipia", "agentdojo"),
        ("aeslc_emails", "bipia", "agentdojo"),
        (HARD_BENIGN,),
    ),
    Panel(
        "Jailbreaks",
        "input",
        "attack",
        _ATTACK,
        ("wildjailbreak_eval", "jbb_attack_prompts", "satml_ctf_chats", "llm_past_tense"),
        hard=_HARD,
    ),
    Panel("Obfuscated attacks", "input", "attack", _ATTACK, ("vulcanforge_obf_heldout_seeds",), hard=_HARD),
    Panel(
        "Harmful requests",
        "input",
        "harm",
        ("harmful_request",),
        (
            "harmbench:without copyright",
            "jbb_behaviors",
            "simple_safety_tests",
            "malicious_instruct",
            "ailuminate_demo:en",
        ),
        hard=("xstest_prompts", "cyberseceval_frr:en", HARD_BENIGN),
    ),
    Panel(
        "Toxic language (flag)",
        "input",
        "harm",
        ("toxicity",),
        ("hatecheck", "openai_moderation", "toxicchat"),
        hard=("hatecheck", "openai_moderation"),
        blocks=False,
    ),
    Panel(
        "Harmful answers",
        "output",
        "harm",
        ("harmful_response",),
        ("beavertails_test", "safe_rlhf_mini", "jbb_responses"),
        ("beavertails_test", "safe_rlhf_mini", "jbb_responses"),
    ),
    Panel(
        "Refusals (flag)",
        "output",
        "refusal",
        ("refusal",),
        ("xstest_responses",),
        ("xstest_responses",),
        blocks=False,
    ),
)


@dataclass(frozen=True, slots=True)
class Pool:
    """Rows and their weights, which give every set the same share; the weights sum to 1."""

    rows: tuple[Row, ...] = field(repr=False)
    weights: tuple[float, ...] = field(repr=False)


def _harmless(row: Row, column: Column) -> bool:
    if column == "refusal":
        return row.refusal == 0
    return 1 not in {row.attack, row.harm} and 0 in {row.attack, row.harm}


def pool(rows: Iterable[Row], panel: Panel, names: Iterable[str], *, caught: bool) -> Pool:
    """Gather the rows of ``names`` that the panel wants caught, or the harmless ones; every set weighs the same."""
    wanted = dict(name.partition(":")[::2] for name in names)
    parts: dict[str, list[Row]] = {}
    for row in rows:
        part = wanted.get(row.source)
        if row.stage != panel.stage or part is None or (part and SPLITS[row.source](row) != part):
            continue
        if row.label(panel.column) == 1 if caught else _harmless(row, panel.column):
            parts.setdefault(row.source, []).append(row)
    kept = [row for part in parts.values() for row in part]
    sums = {source: math.fsum(row.weight for row in part) for source, part in parts.items()}
    return Pool(tuple(kept), tuple(row.weight / sums[row.source] / len(parts) for row in kept))


def step(scores: Mapping[str, float], labels: Iterable[str], thresholds: Mapping[str, float]) -> float:
    """How far the thresholds may rise, in log odds, before no label of ``labels`` fires: at least 0 where one does."""

    def odds(value: float) -> float:
        inside = min(max(value, _LEAST_ODDS), 1 - _LEAST_ODDS)
        return math.log(inside / (1 - inside))

    return max(odds(scores[label]) - odds(thresholds[label]) for label in labels)


def curve(
    caught: Sequence[float], caught_weights: Sequence[float], alarms: Sequence[float], alarm_weights: Sequence[float]
) -> tuple[Point, ...]:
    """Share of weight at or above every distinct step, as (false alarms, recall), strictest first; starts at (0, 0)."""
    steps = np.unique(np.concatenate((caught, alarms)))[::-1]

    def shares(values: Sequence[float], weights: Sequence[float]) -> list[float]:
        order = np.argsort(values)
        sums = np.concatenate((np.cumsum(np.asarray(weights)[order][::-1])[::-1], [0.0]))
        return [float(share) for share in sums[np.searchsorted(np.asarray(values)[order], steps, side="left")]]

    return ((0.0, 0.0), *zip(shares(alarms, alarm_weights), shares(caught, caught_weights), strict=True))


def _share(true: Iterable[bool], weights: Iterable[float]) -> float:
    return math.fsum(weight for yes, weight in zip(true, weights, strict=True) if yes)


def line(panel: Panel, good: Pool, bad: Pool, outcomes: Mapping[str, Outcome], thresholds: Mapping[str, float]) -> Line:
    """Build the curve of ``bad`` rows caught against ``good`` rows that raise an alarm, with both marks."""
    steps = [[step(outcomes[row.key].scores, panel.labels, thresholds) for row in side.rows] for side in (good, bad)]
    circle = tuple(
        _share([one >= 0 for one in found], side.weights) for found, side in zip(steps, (good, bad), strict=True)
    )
    whole = tuple(_share([outcomes[row.key].blocked for row in side.rows], side.weights) for side in (good, bad))
    points = curve(steps[1], bad.weights, steps[0], good.weights)
    return Line(points, (circle[0], circle[1]), (whole[0], whole[1]) if panel.blocks else None)


def charts(
    rows: Sequence[Row], outcomes: Mapping[str, Outcome], thresholds: Mapping[StageName, Mapping[str, float]]
) -> list[Chart]:
    """Build a chart for every panel that has rows to catch and ordinary rows; ``thresholds`` are by stage and label."""
    found = []
    for panel in PANELS:
        bad = pool(rows, panel, panel.caught, caught=True)
        goods = [pool(rows, panel, names, caught=False) for names in (panel.ordinary, panel.hard)]
        if not bad.rows or not goods[0].rows:
            continue
        lines = [line(panel, good, bad, outcomes, thresholds[panel.stage]) for good in goods if good.rows]
        sizes = " / ".join(f"{len(side.rows):,}" for side in (bad, *goods) if side.rows)
        found.append(Chart(panel.title, f"{' + '.join(panel.labels)}, {sizes} rows", tuple(lines)))
    return found


def names() -> list[str]:
    """Every set of a data folder that a panel reads."""
    read = [name.partition(":")[0] for panel in PANELS for name in (*panel.caught, *panel.ordinary, *panel.hard)]
    return [name for name in dict.fromkeys(read) if name != HARD_BENIGN]


def shipped_thresholds(guard: Guard) -> dict[StageName, dict[str, float]]:
    """Thresholds of the guard's policy by stage and label; the lowest where several principles name a label."""
    found: dict[StageName, dict[str, float]] = {}
    stages: tuple[StageName, ...] = ("input", "tool", "output")
    for stage in stages:
        for one in guard.check("hello", stage=stage).evaluations:
            at_stage = found.setdefault(stage, {})
            at_stage[one.label] = min(one.threshold, at_stage.get(one.label, 1.0))
    return found


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.tradeoff", description=__doc__)
    built.add_argument("--data", type=Path, default=DATA, help="folder that holds bench/ (default: %(default)s)")
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument(
        "--limit", type=int, default=300, help="rows of each set, stage and label (default: %(default)s)"
    )
    built.add_argument("--seed", type=int, default=0, help="seed of --limit")
    built.add_argument("--store", type=Path, default=STORE, help="outcomes are kept here, without texts")
    built.add_argument("--out", type=Path, default=OUT, help="the picture (default: %(default)s)")
    return built


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, draw and print the marked points."""
    bench = options.data / "bench" if (options.data / "bench").is_dir() else options.data
    rows = [row for path in sources(bench, names()) for row in load(path, options.limit, options.seed)]
    rows += own(HARD_BENIGN)
    with Guard(models=options.model, providers="cpu", cache=0, early_stop=False) as guard:
        system = GuardSystem(guard)
        outcomes = measure(system, rows, options.store).outcomes
        drawn = charts(rows, outcomes, shipped_thresholds(guard))
    ref = system.probe.model
    picture = draw(
        drawn,
        title=f"Recall against false alarms of {ref.name} {ref.version}" if ref else "Recall against false alarms",
        first="ordinary text",
        second="hard benign text",
        circle="these labels",
        diamond="whole policy",
    )
    save(options.out, picture)
    for chart in drawn:
        marks = "; ".join(f"{100 * one.circle[1]:.1f} % at {100 * one.circle[0]:.1f} %" for one in chart.lines)
        print(f"{chart.title}: {marks}")


if __name__ == "__main__":
    raise SystemExit(main())
