"""Measure the screens that work by rule: what they find in harmless text, and their share of a check's time.

Example: ``python -m benchmarks.patterns --data DIR --markdown docs/patterns.md``. No text is printed.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer
from tqdm import tqdm

from benchmarks.command import command
from benchmarks.data import load, sources
from benchmarks.latency import texts
from benchmarks.pages import save, save_json
from guardsdk import Guard, Stage
from guardsdk.policy import default_policy
from guardsdk.screens.canary import CanaryScreen
from guardsdk.screens.leak import LeakScreen
from guardsdk.screens.pattern_screen import LABELS, PatternScreen, patterns
from guardsdk.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.data import Row
    from guardsdk.screens.base import Screen

DATA = Path("../shared/data")
RESULTS = Path("benchmarks/results/patterns.json")
PARTS = ("calib", "train", "bench")
TOKENS = 130
_MOST_NAMES = 20
_SYSTEM = " ".join(
    f"rule {number} of the house asks every guest to leave room {number} as it was" for number in range(20)
)


def harmless(row: Row) -> bool:
    """Whether no label calls a row an attack or harmful."""
    return row.attack != 1 and row.harm != 1


def counted(path: Path, limit: int | None) -> dict[str, Any] | None:
    """Count the harmless rows of one set that each label and each pattern finds something in; None without any."""
    rows = [row for row in load(path, limit) if harmless(row)]
    if not rows:
        return None
    hits: dict[str, int] = {}
    names: dict[str, Counter[str]] = {}
    for label in LABELS:
        found = [{match.name for match in patterns(label).find(row.text)} for row in rows]
        hits[label] = sum(map(bool, found))
        names[label] = Counter(name for one in found for name in one)
    return {"set": path.name.removesuffix(".jsonl.gz"), "rows": len(rows), "hits": hits, "names": names}


def screens() -> list[tuple[str, Screen, Surroundings]]:
    """Every screen that works by rule, with what it reads beside a text."""
    beside = Surroundings(system=_SYSTEM)
    found: list[tuple[str, Screen, Surroundings]] = [(label, PatternScreen(label), Surroundings()) for label in LABELS]
    return [*found, ("prompt_leak", LeakScreen(), beside), ("canary", CanaryScreen(), Surroundings())]


def shares(rounds: int) -> dict[str, float]:
    """Return the time of each screen on a text of 130 tokens over that of the classifier's check.

    Both are timed in turn, text by text, and the fastest of each counts: other work of the machine only adds time.
    The check is one of a policy with the classifier's labels only.
    """
    asked = screens()
    ruled = {name for name, *_ in asked}
    model = tuple(one for one in default_policy().principles if one.label not in ruled)
    policy = default_policy().model_copy(update={"principles": model})
    with Guard(policy, providers="cpu", cache=0, observers=()) as guard:
        guard.warmup()
        tokenizer = Tokenizer.from_file(str(guard.info().directory / "tokenizer.json"))
        pool = texts(tokenizer, TOKENS)
        taken: dict[str, list[float]] = {}
        for index in tqdm(range(-len(pool), rounds), desc="checks"):
            text = pool[index % len(pool)]
            once = dict(_seconds(guard, asked, text))
            if index >= 0:  # the first round warms up
                for name, seconds in once.items():
                    taken.setdefault(name, []).append(seconds)
    whole = min(taken.pop("check"))
    return {"check_ms": 1e3 * whole} | {name: min(seconds) / whole for name, seconds in taken.items()}


def _seconds(guard: Guard, asked: Sequence[tuple[str, Screen, Surroundings]], text: str) -> Iterator[tuple[str, float]]:
    start = time.perf_counter()
    guard.check(text, stage="output")
    yield "check", time.perf_counter() - start
    for name, screen, beside in asked:
        start = time.perf_counter()
        screen.read([text], Stage.OUTPUT, [beside])
        yield name, time.perf_counter() - start


def page(result: dict[str, Any]) -> str:
    """Return the figures as a page of Markdown."""
    lines = [
        "# Rule-based screens, measured",
        "",
        f"Measured {result['date']} with `python -m benchmarks.patterns`.",
        "",
    ]
    share = result["share"]
    lines += [
        f"Share of a check of {TOKENS} tokens ({share['check_ms']:.1f} ms with the classifier alone), fastest of each:",
        "",
        "| screen | share, % |",
        "| --- | ---: |",
        *(f"| `{name}` | {100 * value:.2f} |" for name, value in share.items() if name != "check_ms"),
        "",
    ]
    if result["sets"]:
        lines += [
            "Harmless rows in which something was found, per 1,000. Not all are false positives: mails hold addresses.",
            "",
            f"| set | rows | {' | '.join(f'`{label}`' for label in LABELS)} |",
            f"| --- | ---: |{' ---: |' * len(LABELS)}",
            *(_row(one) for one in result["sets"]),
            "",
        ]
    for label in LABELS:
        total: Counter[str] = Counter()
        for one in result["sets"]:
            total.update(one["names"][label])
        if total:
            most = ", ".join(f"{name} {count}" for name, count in total.most_common(_MOST_NAMES))
            lines += [f"Most frequent patterns of `{label}` in all sets (rows): {most}.", ""]
    return "\n".join(lines)


def _row(one: dict[str, Any]) -> str:
    rates = " | ".join(f"{1000 * one['hits'][label] / one['rows']:.1f}" for label in LABELS)
    return f"| `{one['part']}/{one['set']}` | {one['rows']:,} | {rates} |"


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.patterns", description=__doc__)
    built.add_argument("--data", type=Path, help=f"folder with {', '.join(PARTS)}; without it only time is measured")
    built.add_argument("--parts", nargs="*", default=PARTS, help="only these parts of it")
    built.add_argument("--limit", type=int, help="at most this many rows of each set, stage and label")
    built.add_argument("--rounds", type=int, default=200, help="checks timed (default: %(default)s)")
    built.add_argument("--out", type=Path, help=f"write the figures as JSON, usually to {RESULTS}")
    built.add_argument("--markdown", type=Path, help="write the tables, usually to docs/patterns.md")
    return built


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything. Raises ``GuardError`` or ``OSError``."""
    sets = []
    if options.data is not None:
        paths = [(part, path) for part in options.parts for path in sources(options.data / part)]
        for part, path in tqdm(paths, desc="sets"):
            if (one := counted(path, options.limit)) is not None:
                sets.append({"part": part, **one})
    return {"date": time.strftime("%Y-%m-%d"), "share": shares(options.rounds), "sets": sets}


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write and print."""
    result = run(options)
    save_json(options.out, result)
    save(options.markdown, page(result))
    print(page(result))


if __name__ == "__main__":
    raise SystemExit(main())
