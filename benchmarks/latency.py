"""Measure speed: checks of every length beside a peer, what they cost besides the model, many callers, cold start.

All of it in one command, in some six minutes on two cores; whatever is compared is timed in turn. Nothing else should
run meanwhile: waits and throughput are wall time.

Example: ``python -m benchmarks.latency --own-python OWN/bin/python --peer-python PEER/bin/python --markdown
docs/performance.md``.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer
from tqdm import tqdm

from benchmarks import hardware
from benchmarks.capacity import BUSY, RATE, Shape, fit, plan
from benchmarks.command import command
from benchmarks.deberta import Deberta
from benchmarks.fresh import growth, resident, starts
from benchmarks.load import load
from benchmarks.overhead import cached, overhead
from benchmarks.pages import save, save_json
from benchmarks.peers import DISTRIBUTION, Peer
from benchmarks.speed_report import PICTURE, page, picture
from benchmarks.volume import volume
from guardsdk import Guard
from guardsdk.evaluation.statistics import percentile
from guardsdk.registry.lookup import load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.registry.lookup import LoadedModel

RESULTS = Path("benchmarks/results/performance.json")
TOKENS = (10, 40, 130, 250, 500)
_SPECIAL_TOKENS = 3
"""``[CLS]``, the stage token and ``[SEP]`` of a window."""
_BURST = 5
_VARIANTS = 20
PHRASES = (
    ("The committee", "Our neighbour", "A young teacher", "The night nurse", "Every visitor", "The old captain"),
    ("compared", "painted", "looked for", "wrote about", "repaired", "described", "carried home"),
    ("the garden benches", "two train routes", "a kitchen wall", "the monthly report", "three lamps", "a small boat"),
    ("before lunch", "in the old library", "after a long walk", "near the station", "with some help", "on Thursday"),
)
"""Harmless phrases of the project's own. The words do not matter for speed, but no sentence may be
repeated, as a system may compute a repeated one only once."""


def sentences() -> list[str]:
    """Every sentence the phrases make."""
    return [" ".join(parts) + "." for parts in itertools.product(*PHRASES)]


def texts(tokenizer: Tokenizer, tokens: int) -> list[str]:
    """Distinct texts of ``tokens`` tokens each (special tokens apart), cut between tokens, no sentence twice in one."""
    ours = sentences()
    found = []
    for variant in range(_VARIANTS):
        words = " ".join(random.Random(variant).sample(ours, 4 + tokens // 6))
        encoding = tokenizer.encode(words, add_special_tokens=False)
        found.append(words[: encoding.offsets[tokens - 1][1]])
    return found


def _ours(guard: Guard, wanted: Sequence[str]) -> list[float]:
    seconds = []
    for text in wanted:
        start = time.perf_counter()
        guard.check(text)
        seconds.append(time.perf_counter() - start)
    return seconds


def _summary(seconds: Sequence[float]) -> dict[str, float]:
    return {"p50_ms": 1e3 * percentile(seconds, 50), "p95_ms": 1e3 * percentile(seconds, 95)}


def checks(
    guard: Guard, peer: Peer | None, tokenizer: Tokenizer, rounds: int, whole: Guard | None = None
) -> list[dict[str, Any]]:
    """Time single checks in short bursts, ours and the peer's in turn (ABBA), ``rounds`` bursts a side and length.

    ``whole``, if given, is the same guard without early exit: what a text costs that all layers look at.
    """
    samples: dict[tuple[int, str], list[list[float]]] = {}
    timers: dict[str, Callable[[Sequence[str]], list[float]]] = {"ours": partial(_ours, guard)}
    if whole is not None:
        timers["whole"] = partial(_ours, whole)
    if peer is not None:
        timers["peer"] = peer.time
    pools = {tokens: texts(tokenizer, tokens) for tokens in TOKENS}
    for index in tqdm(range(-1, rounds), desc="checks", unit="round"):
        for tokens, pool in pools.items():
            burst = [pool[(index * _BURST + offset) % len(pool)] for offset in range(_BURST)]
            for side in list(timers)[:: 1 if index % 2 else -1]:
                seconds = timers[side](burst)
                if index >= 0:  # the first round warms everything up
                    samples.setdefault((tokens, side), []).append(seconds)
    found = []
    for tokens in TOKENS:
        bursts = samples[tokens, "ours"]
        entry: dict[str, Any] = {"tokens": tokens, "characters": len(pools[tokens][0]), "samples": rounds * _BURST}
        entry["ours"] = _summary([value for burst in bursts for value in burst])
        if whole is not None:
            entry["whole"] = _summary([value for burst in samples[tokens, "whole"] for value in burst])
            entry["early"] = statistics.mean(guard.check(text).tier == "early" for text in pools[tokens])
        if peer is not None:
            others = samples[tokens, "peer"]
            entry["peer"] = _summary([value for burst in others for value in burst])
            ratios = [
                statistics.median(other) / statistics.median(ours) for other, ours in zip(others, bursts, strict=True)
            ]
            quarters = (percentile(ratios, 25), percentile(ratios, 75))
            entry["peer_over_ours"] = {"median": statistics.median(ratios), "quartiles": quarters}
        found.append(entry)
    return found


def against_scanner(guard: Guard, tokenizer: Tokenizer, threads: int, rounds: int) -> list[dict[str, Any]] | None:
    """Time our whole check and the bare model of LLM Guard's scanner in turn; None without the ``onnx`` package."""
    try:
        scanner = Deberta(threads)
    except ModuleNotFoundError:
        return None
    found = []
    with scanner:
        for tokens in TOKENS:
            pool = texts(tokenizer, tokens)
            scanner.seconds(tokens)
            pairs = [(_ours(guard, [pool[at]])[0], scanner.seconds(tokens)) for at in range(rounds)]
            entry: dict[str, Any] = {"tokens": tokens}
            entry["ms"] = 1e3 * statistics.median(other for _, other in pairs)
            entry["over_ours"] = statistics.median(other / own for own, other in pairs)
            found.append(entry)
    return found


def ceiling(graph: Path, shape: Shape, found: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Share of a core's int8 peak that a whole check reaches, and the run alone; None without the ``onnx`` package.

    Both are in processor time on one thread, from the figures of ``overhead``, so other work hardly matters.
    """
    try:
        counted, peak = hardware.work(graph), hardware.int8_peak(1)
    except ModuleNotFoundError:
        return None
    shares, alone = {}, {}
    for entry in found:
        operations = 2 * sum(map(counted.multiply_adds, shape.rows(entry["tokens"])))
        run, besides = entry["run_us"] / 1e6, entry["besides_us"]["as it comes"] / 1e6
        shares[str(entry["tokens"])] = operations / (run + besides) / peak
        alone[str(entry["tokens"])] = operations / run / peak
    return {
        "peak_operations_per_s": peak,
        "threads": 1,
        "multiply_adds_per_token": counted.per_token,
        "share": shares,
        "share_of_run": alone,
    }


def shape_of(model: LoadedModel) -> Shape:
    """Return how ``model`` cuts texts."""
    return Shape(model.manifest.max_tokens, model.manifest.overlap_tokens, _SPECIAL_TOKENS)


def costs(found: list[dict[str, Any]], shape: Shape, resident_bytes: int) -> dict[str, Any]:
    """Fit the cost model to checks on one core as they come, and plan with it."""
    measured = {one["tokens"]: (one["run_us"] + one["besides_us"]["as it comes"]) / 1e6 for one in found}
    fitted = fit(measured, shape)
    lengths = (10, 130, 500, 2000)
    return {"model": asdict(fitted), "busy": BUSY, "rate": RATE, "plan": plan(fitted, shape, lengths, resident_bytes)}


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument("--peer-python", type=Path, help="interpreter of a virtual environment that holds the peer")
    built.add_argument(
        "--own-python",
        type=Path,
        help="interpreter of a virtual environment with guardsdk and no more, for cold starts (default: this one)",
    )
    built.add_argument("--rounds", type=int, default=40, help="bursts for each length and side (default: %(default)s)")
    built.add_argument("--repeats", type=int, default=7, help="fresh processes of each kind (default: %(default)s)")
    built.add_argument(
        "--growth", type=int, default=20_000, help="checks over which memory is watched (default: %(default)s)"
    )
    built.add_argument("--out", type=Path, help=f"write the figures as JSON, usually to {RESULTS}")
    built.add_argument(
        "--markdown",
        type=Path,
        help="write the tables, usually to docs/performance.md, and a picture beside it",
    )
    return built


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything. Raises ``GuardError``, ``PeerError``, ``OSError`` or ``subprocess.CalledProcessError``."""
    with ExitStack() as stack:
        guard = stack.enter_context(Guard(models=options.model, providers="cpu", cache=0))
        peer = stack.enter_context(Peer(options.peer_python)) if options.peer_python else None
        guard.warmup()
        single = stack.enter_context(Guard(models=options.model, providers="cpu", cache=0, threads=1))
        single.warmup()
        whole = None
        if guard.info().early_exit:
            whole = stack.enter_context(Guard(models=options.model, providers="cpu", cache=0, early_exit=False))
        model = guard.check("hello").model
        directory = guard.info().directory
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        pools = {tokens: texts(tokenizer, tokens) for tokens in TOKENS}
        about, shape = hardware.machine(), shape_of(load_manifest(directory))
        found = checks(guard, peer, tokenizer, options.rounds, whole)
        print("long texts, callers, overhead, the scanner's shape ...", file=sys.stderr)
        memory = resident(str(directory), list(itertools.chain.from_iterable(pools.values())))
        besides = overhead(directory, pools, 2 * options.rounds)
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": about,
            "model": model.model_dump() if model else None,
            "peer": f"{DISTRIBUTION} {peer.info['versions'][DISTRIBUTION]}" if peer else None,
            "checks": found,
            "ceiling": ceiling(directory / "model.onnx", shape, besides),
            "overhead": besides,
            "cached_us": cached(directory, pools[130][0]),
            "volume": volume(guard, peer, sentences()),
            "load": load(guard, single, pools[40], about["cores"]),
            "scanner": against_scanner(guard, tokenizer, about["cores"], max(3, options.rounds // 6)),
            "costs": costs(besides, shape, memory),
            "rss_bytes": memory,
            "peer_rss_bytes": peer.rss_bytes() if peer else None,
            "growth": growth(str(directory), sentences(), options.growth),
            "starts": starts(str(directory), options.own_python, options.peer_python, options.repeats),
        }


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write and print."""
    result = run(options)
    save_json(options.out, result)
    if options.markdown is not None:
        save(options.markdown, page(result))
        save(options.markdown.parent / PICTURE, picture(result))
    print(page(result))


if __name__ == "__main__":
    raise SystemExit(main())
