"""Measure the shipped pipeline, and the peer beside it, on labelled sets.

Example: ``python -m benchmarks.quality --data DIR --peer-python PEER/bin/python --markdown docs/quality.md``.
Sets written by the project are always there: ``--sets own_hard_benign`` needs no data folder.
"""

from __future__ import annotations

import argparse
import math
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import figures, report
from benchmarks.command import command
from benchmarks.data import load, sources
from benchmarks.own import chosen, own
from benchmarks.pages import save, save_json
from benchmarks.peers import HOW, Peer
from benchmarks.scoring import GuardSystem, Measured, PeerSystem, measure
from guardsdk import Guard, Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.data import Row

DATA = Path("../shared/data")
RESULTS = Path("benchmarks/results/quality.json")
PICTURE = Path("img/tradeoff.svg")
"""What ``benchmarks.tradeoff`` draws, seen from the page."""
STORE = Path.home() / ".cache" / "guardsdk-benchmarks"


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    built.add_argument("--data", type=Path, default=DATA, help="folder that holds bench/ (default: %(default)s)")
    built.add_argument("--sets", nargs="*", default=(), help="only these sets")
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument("--compare", type=Path, help="second model directory: decision agreement, set by set")
    built.add_argument("--peer-python", type=Path, help="interpreter of a virtual environment that holds the peer")
    built.add_argument("--limit", type=int, help="at most this many rows of each set, stage and label")
    built.add_argument("--seed", type=int, default=0, help="seed of --limit")
    built.add_argument("--store", type=Path, default=STORE, help="outcomes are kept here, without texts")
    built.add_argument("--fresh", action="store_true", help="measure again what the store already holds")
    built.add_argument("--out", type=Path, help=f"write the figures as JSON, usually to {RESULTS}")
    built.add_argument("--markdown", type=Path, help="write the tables, usually to docs/quality.md")
    return built


def _finite(value: Any) -> Any:
    """Replace NaN by None, for which JSON has a word."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def aimed(rows: Sequence[Row], *, read: bool) -> dict[str, Any]:
    """Count the prompts that come with the instructions they are aimed at, and name their sets."""
    found = {row.key: row.source for row in rows if row.stage == "input" and row.beside}
    return {"rows": len(found), "sets": sorted(set(found.values())), "read": read}


def build(
    sets: Sequence[Sequence[Row]], systems: Sequence[Measured], compared: Measured | None, about: dict[str, Any]
) -> figures.Figures:
    """Compute every figure; ``systems`` has ours first, ``about`` is put in front."""
    everything = [row for rows in sets for row in rows]
    result = {
        **about,
        "systems": [measured.system for measured in systems],
        "rates": [figure for rows in sets for figure in figures.rates(rows, systems)],
        "ranking": [figure for rows in sets for figure in figures.ranking(rows, systems)],
        "flags": [figure for rows in sets for figure in figures.flags(rows, systems[0])],
        "slices": figures.slices(everything, systems, per_set=False),
        "slices_per_set": figures.slices(everything, systems, per_set=True),
        "agreement": [figures.agreement(rows, systems[0], compared) for rows in sets] if compared else [],
    }
    found: figures.Figures = _finite(result)
    return found


def write(result: figures.Figures, out: Path | None, markdown: Path | None) -> None:
    """Write the figures and the page where a path is given, making folders as needed."""
    # the picture has a command of its own, so the page shows it where there is one
    picture = PICTURE if markdown and (markdown.parent / PICTURE).exists() else None
    save_json(out, result)
    save(markdown, report.quality_page(result, picture))


def collect(options: argparse.Namespace) -> list[list[Row]]:
    """Read the sets asked for: a data folder's, sampled to the limit, and our own, whole. Raises ``OSError``."""
    bench = options.data / "bench" if (options.data / "bench").is_dir() else options.data
    given, ours = chosen(options.sets)
    # naming only sets of our own asks nothing of the folder; naming none asks for all it holds
    paths = sources(bench, given) if given or not options.sets else []
    return [*(load(path, options.limit, options.seed) for path in paths), *map(own, ours)]


def run(options: argparse.Namespace) -> figures.Figures:
    """Load, measure and compute. Raises ``GuardError``, ``PeerError`` or ``OSError``."""
    sets = collect(options)
    everything = [row for rows in sets for row in rows]
    with ExitStack() as stack:
        # no early stop: scores are ranked too, and a decision is the same with it
        ours = GuardSystem(stack.enter_context(Guard(models=options.model, providers="cpu", cache=0, early_stop=False)))
        systems = [measure(ours, everything, options.store, fresh=options.fresh)]
        about: dict[str, Any] = {
            "date": time.strftime("%Y-%m-%d"),
            "limit": options.limit,
            "seed": options.seed,
            "model": ours.probe.model and ours.probe.model.model_dump(),
            "policy": ours.probe.policy and ours.probe.policy.model_dump(),
            "aimed": aimed(everything, read=Stage.INPUT in ours.context_stages),
        }
        compared = None
        if options.compare:
            other = GuardSystem(
                stack.enter_context(Guard(models=options.compare, providers="cpu", cache=0, early_stop=False)),
                "guardsdk-compared",
            )
            compared = measure(other, everything, options.store, fresh=options.fresh)
            about["compared"] = f"the model of digest `{other.probe.model.digest[:16]}`" if other.probe.model else ""
        if options.peer_python:
            peer = stack.enter_context(Peer(options.peer_python))
            about["peer"] = f"`{PeerSystem(peer).name}`, {HOW}; onnxruntime {peer.info['versions']['onnxruntime']}"
            systems.append(measure(PeerSystem(peer), everything, options.store, fresh=options.fresh))
        return build(sets, systems, compared, about)


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write, and print the floors."""
    result = run(options)
    write(result, options.out, options.markdown)
    print(report.floors_table(result))


if __name__ == "__main__":
    raise SystemExit(main())
