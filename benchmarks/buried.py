"""Harmful requests buried in other text: recall on the whole text, and passage by passage.

    python -m benchmarks.buried --data DIR --out benchmarks/results/buried.json --markdown docs/coverage.md

Each request of the sets below is placed in the middle of harmless prose of ours, and harmless prompts likewise. Both
are checked with ``Guard(views=False)``, which reads the text as a whole, and with a default guard. Times are those of
harmless prose alone. No row is ever printed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from benchmarks.command import command
from benchmarks.data import load, sources
from benchmarks.filler import filler
from benchmarks.hardware import machine
from benchmarks.long_text import planted
from benchmarks.pages import fill_in, save_json
from guardsdk.guard import Guard
from guardsdk.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardsdk.intervals import Share

HARMFUL = ("simple_safety_tests", "malicious_instruct", "jbb_behaviors")
HARMLESS = ("mt_bench_vicuna", "alpaca_eval", "xstest_prompts")
LENGTHS = (0, 300, 1_000, 3_000)
"""Characters of prose around a request."""
LONGEST = 200
"""Characters of the longest request: longer ones contain much else themselves."""
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Stopped:
    """What was stopped of one set, with a given number of characters of prose around each text."""

    source: str
    characters: int
    bad: bool
    whole: Share
    """Stopped when the text is read as a whole."""
    closer: Share
    """Stopped by a default guard, which looks closer."""


def stopped(guards: Sequence[Guard], source: str, texts: Sequence[str], *, bad: bool) -> Iterator[Stopped]:
    """Yield what two ``guards``, one that reads texts as a whole and one that looks closer, stop of ``texts``."""
    for characters in tqdm(LENGTHS, desc=source, unit="length"):
        given = [planted(text, characters, 0.5, 2 * at) if characters else text for at, text in enumerate(texts)]
        whole, closer = (
            wilson(sum(not verdict for verdict in guard.check_many(given)), len(given)) for guard in guards
        )
        yield Stopped(source, characters, bad, whole, closer)


def times(guards: Sequence[Guard]) -> list[tuple[int, float, float]]:
    """Return, by characters of harmless prose, median processor milliseconds of a check by two guards in turn."""
    found = []
    for characters in LENGTHS[1:]:
        spent: tuple[list[float], list[float]] = ([], [])
        for seed in range(_ROUNDS):
            for guard, into in zip(guards, spent, strict=True):
                start = time.process_time()
                guard.check(filler(characters, seed))
                into.append(1e3 * (time.process_time() - start))
        found.append((characters, statistics.median(spent[0]), statistics.median(spent[1])))
    return found


def _percent(share: Share) -> str:
    return f"{100 * share.rate:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}]"


def markdown(found: Sequence[Stopped], spent: Sequence[tuple[int, float, float]], told: str) -> str:
    """Return all figures as two tables."""
    lines = [
        f"{told}. Texts stopped, in % with 95 % intervals, by characters of harmless prose around the request:",
        "read as a whole, and with the closer look that guards take by default.",
        "",
        "| set | rows | prose | texts | as a whole, % | closer, % |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{one.source}` | {'harmful' if one.bad else 'harmless'} | {one.characters:,} | {one.whole.total:g} "
        f"| {_percent(one.whole)} | {_percent(one.closer)} |"
        for one in found
    ]
    lines += ["", "| harmless prose alone | as a whole, ms | closer, ms |", "|---:|---:|---:|"]
    lines += [f"| {characters:,} | {whole:.1f} | {closer:.1f} |" for characters, whole, closer in spent]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """Return the command's options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.buried", description=__doc__.splitlines()[0])
    made.add_argument("--data", type=Path, required=True, help="folder with bench/")
    made.add_argument("--limit", type=int, default=100, help="texts of each set")
    made.add_argument("--out", type=Path, help="JSON file for the figures")
    made.add_argument("--markdown", type=Path, help="page whose part between the buried marks is filled")
    return made


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure and write down."""
    found: list[Stopped] = []
    with (
        Guard(cache=0, observers=(), providers="cpu", views=False) as whole,
        Guard(cache=0, observers=(), providers="cpu") as closer,
    ):
        guards = (whole, closer)
        closer.warmup()
        for names, bad in ((HARMFUL, True), (HARMLESS, False)):
            for path in sources(options.data / "bench", names):
                rows = [row for row in load(path) if row.stage == "input" and bool(row.harm or row.attack) is bad]
                texts = [row.text for row in rows if len(row.text) <= LONGEST and row.language in {None, "en"}]
                found += stopped(guards, path.name.split(".")[0], texts[: options.limit], bad=bad)
        spent = times(guards)
        model = closer.info().model
    facts = machine()
    table = markdown(found, spent, f"Model `{model.name}` {model.version}, {facts['processor']}")
    print(table)
    figures = {"machine": facts, "model": model.model_dump(), "stopped": [asdict(one) for one in found]}
    save_json(options.out, {**figures, "milliseconds": spent})
    fill_in(options.markdown, "buried", table + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
