"""Measure what early exit costs and saves: recall, false blocks and time on every set, and an attacker who adapts.

Example: ``python -m benchmarks.early_exit --data DIR --out benchmarks/results/early_exit.json --markdown
docs/early-exit.md``. Texts are checked one by one on one thread, with early exit and without, in turn.
"""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tqdm import tqdm

from benchmarks import figures, quality
from benchmarks.command import command
from benchmarks.early_attack import GOALS, Inside, attacked, attacks
from benchmarks.hardware import machine
from benchmarks.pages import fill_in, save_json
from benchmarks.report import interval, percent, table
from benchmarks.scoring import Measured, outcome
from guardsdk import Guard
from guardsdk.engine.pool import classifier
from guardsdk.errors import ModelError
from guardsdk.registry.lookup import load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.data import Row
    from benchmarks.scoring import Outcome
    from guardsdk import Verdict

ON, OFF = "early exit", "all layers"
MOST_LOST: Final = 0.005
"""Largest loss of recall that early exit may cost on any set: half a point."""
PAGE: Final = Path("docs/early-exit.md")
RESULTS: Final = Path("benchmarks/results/early_exit.json")


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.early_exit", description=__doc__)
    built.add_argument("--data", type=Path, default=quality.DATA, help="folder of bench/ and calib/")
    built.add_argument("--sets", nargs="*", default=(), help="only these sets")
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument("--limit", type=int, default=100, help="at most this many rows of each set, stage and label")
    built.add_argument("--attacks", type=int, default=200, help="attacks that are adapted (default: %(default)s)")
    built.add_argument("--budget", type=int, default=40, help="queries for each attack (default: %(default)s)")
    built.add_argument("--seed", type=int, default=0)
    built.add_argument("--out", type=Path, help=f"write the figures as JSON, usually to {RESULTS}")
    built.add_argument("--markdown", type=Path, help=f"fill the marked part of this page, usually {PAGE}")
    return built


class _Side:
    """One of the two ways: what was decided, by which tier, and the processor time it took."""

    def __init__(self, name: str, guard: Guard) -> None:
        self.name, self.guard = name, guard
        self.outcomes: dict[str, Outcome] = {}
        self.tiers: dict[str, str | None] = {}
        self.seconds: dict[str, float] = {}

    def check(self, row: Row) -> None:
        start = time.process_time()
        verdict: Verdict = self.guard.check(row.text, stage=row.stage, context=row.beside)
        self.seconds[row.key] = time.process_time() - start
        self.outcomes[row.key], self.tiers[row.key] = outcome(verdict), verdict.tier

    def measured(self) -> Measured:
        seconds = sum(self.seconds.values())
        return Measured(self.name, self.name, self.outcomes, new_rows=len(self.outcomes), seconds=seconds)


def compared(guard: Guard, whole: Guard, sets: Sequence[Sequence[Row]]) -> dict[str, Any]:
    """Check every row both ways; ``whole`` has early exit off. Raises ``GuardError`` where a check fails."""
    sides = [_Side(ON, guard), _Side(OFF, whole)]
    rows = {row.key: row for rows in sets for row in rows}
    for at, row in enumerate(tqdm(rows.values(), desc="texts")):
        for side in sides if at % 2 else sides[::-1]:  # so that neither always finds a warm processor
            side.check(row)
    measured = [side.measured() for side in sides]
    return {
        "rates": [_changed(one, sides, part) for part in sets for one in figures.rates(part, measured)],
        "sets": [_spared(part, sides) for part in sets if part],
        "all": _spared(list(rows.values()), sides),
    }


def _changed(rate: figures.Figures, sides: Sequence[_Side], rows: Sequence[Row]) -> figures.Figures:
    on, off = (rate["systems"][side.name]["rate"] for side in sides)
    here = {row.key for row in rows if row.stage == rate["stage"]}
    moved = sum(sides[0].outcomes[key].blocked is not sides[1].outcomes[key].blocked for key in here)
    return {**rate, "difference": on - off, "moved": moved}


def _spared(rows: Sequence[Row], sides: Sequence[_Side]) -> dict[str, Any]:
    keys = list(dict.fromkeys(row.key for row in rows))
    on, off = (sum(side.seconds[key] for key in keys) for side in sides)
    return {
        "set": rows[0].source,
        "texts": len(keys),
        "early": sum(sides[0].tiers[key] == "early" for key in keys) / len(keys),
        "saved": 1.0 - on / off,
    }


def accepted(result: Mapping[str, Any]) -> dict[str, bool]:
    """Whether recall holds on every set, and the attacker gets no further with early exit than without."""
    recalls = [one["difference"] for one in result["rates"] if one["measure"].startswith("recall")]
    return {
        "recall": min(recalls, default=0.0) >= -MOST_LOST,
        "attack": result["attack"]["more"]["value"] <= 0.0 or result["attack"]["more"]["p"] > 0.05,
    }


def body(result: Mapping[str, Any]) -> str:
    """Return the marked part of the page."""
    model, attack, held = result["model"], result["attack"], accepted(result)
    about = result["machine"]
    opening = (
        f"Model `{model['name']}` {model['version']} (digest `{model['digest'][:16]}`), measured {result['date']} "
        f"on {about['processor']}, at most {result['limit']} rows of each set, stage and label; default policy, one "
        f"thread.\n\nOf {result['all']['texts']:,} texts {percent(result['all']['early'])} % were answered early, "
        f"which saved {percent(result['all']['saved'])} % of the processor time of all checks.\n\n"
        f"- Recall on every set within half a point of that of all layers: {_said(held['recall'])}.\n"
        f"- The attacker gets no further with early exit than without: {_said(held['attack'])}."
    )
    parts = [
        opening,
        "### Decisions\n\nIn % [95 %]. *Moved* counts texts of the set and stage with another decision.\n\n"
        + table(
            ["set", "stage", "label", "measure", "all layers", "early exit", "difference, points", "moved"],
            [
                [
                    f"`{one['set']}` {one['split']}".strip(),
                    one["stage"],
                    one["label"],
                    one["measure"],
                    interval(one["systems"][OFF]),
                    interval(one["systems"][ON]),
                    f"{100 * one['difference']:+.2f}",
                    str(one["moved"]),
                ]
                for one in result["rates"]
            ],
            4,
        ),
        "### What is spared\n\n"
        + table(
            ["set", "texts", "answered early, %", "time saved, %"],
            [
                [f"`{one['set']}`", f"{one['texts']:,}", percent(one["early"]), percent(one["saved"])]
                for one in result["sets"]
            ],
            1,
        ),
        f"### An attacker who adapts\n\n{attack['texts']} attacks that the whole model blocks, "
        f"{attack['budget']} queries to the model for each attack and goal.\n\n"
        + table(
            ["goal", "reached", "% [95 %]"],
            [[GOALS[goal], str(found["count"]), interval(found)] for goal, found in attack["reached"].items()],
            1,
        )
        + f"\nDifference of the last two: {100 * attack['more']['value']:+.1f} points "
        f"[{100 * attack['more']['low']:+.1f}, {100 * attack['more']['high']:+.1f}], p = {attack['more']['p']:.2f}.",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _said(held: bool) -> str:  # noqa: FBT001  it is all there is to say
    return "yes" if held else "**no**"


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure. Raises ``GuardError`` or ``OSError``."""
    with ExitStack() as stack:
        guard, whole = (
            stack.enter_context(
                Guard(models=options.model, providers="cpu", threads=1, cache=0, observers=(), early_exit=early)
            )
            for early in (True, False)
        )
        info = guard.info()
        if not info.early_exit:
            msg = f"{info.directory} holds a model without early exit, so there is nothing to compare"
            raise ModelError(msg)
        guard.warmup()
        inside = Inside(classifier(load_manifest(info.directory), "cpu", 1), info.rules)
        rows = attacks(options.data / "calib", whole, inside, options.attacks, options.seed)
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "limit": options.limit,
            "seed": options.seed,
            "model": info.model.model_dump(),
            **compared(guard, whole, quality.collect(options)),
            "attack": attacked((guard, whole), inside, rows, budget=options.budget, seed=options.seed),
        }


@command(parser)
def main(options: argparse.Namespace) -> int:
    """Measure, write and print; return 1 where early exit is not accepted."""
    result = run(options)
    save_json(options.out, result)
    fill_in(options.markdown, "early_exit", body(result))
    print(body(result))
    return int(not all(accepted(result).values()))


if __name__ == "__main__":
    raise SystemExit(main())
