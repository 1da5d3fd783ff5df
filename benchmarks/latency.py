"""Measure speed: one check at several lengths, cold start, import and memory; the peer interleaved in the same run.

Example: ``python -m benchmarks.latency --peer-python PEER/bin/python --markdown docs/performance.md``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer
from tqdm import tqdm

from benchmarks import hardware
from benchmarks.peers import DISTRIBUTION, Peer, PeerError
from benchmarks.speed_report import DEPENDENCIES_IMPORT, page
from guardsdk import Guard, GuardError
from guardsdk.evaluation.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path("benchmarks/results/performance.json")
TOKENS = (10, 40, 130, 500)
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
"""Harmless phrases of the project's own. The words do not matter for speed; that no sentence returns does, since a
system may well compute a repeated sentence only once."""

_OUR_START = (
    "from guardsdk import Guard; Guard(models={model!r}, providers='cpu').check('What is the capital of France?')"
)
_OUR_MEMORY = """
import json, sys
from guardsdk import Guard
from benchmarks.peers import resident_bytes
guard = Guard(models={model!r}, providers="cpu", cache=0)
for text in json.load(sys.stdin):
    guard.check(text)
print(resident_bytes())
"""
_PEER_START = (
    "from stackone_defender import create_prompt_defense as make; "
    "make(block_high_risk=True).defend_tool_result('What is the capital of France?', 'get_content')"
)
_OUR_IMPORT = "import guardsdk"
_PEER_IMPORT = "import stackone_defender"


def texts(tokenizer: Tokenizer, tokens: int) -> list[str]:
    """Distinct texts of ``tokens`` tokens each (special tokens apart), cut between tokens, no sentence twice in one."""
    sentences = [" ".join(parts) + "." for parts in itertools.product(*PHRASES)]
    found = []
    for variant in range(_VARIANTS):
        words = " ".join(random.Random(variant).sample(sentences, 4 + tokens // 6))
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


def checks(guard: Guard, peer: Peer | None, tokenizer: Tokenizer, rounds: int) -> list[dict[str, Any]]:
    """Time single checks in short bursts, ours and the peer's in turn (ABBA), ``rounds`` bursts a side and length."""
    samples: dict[tuple[int, str], list[list[float]]] = {}
    pools = {tokens: texts(tokenizer, tokens) for tokens in TOKENS}
    for index in tqdm(range(-1, rounds), desc="checks", unit="round"):
        for tokens, pool in pools.items():
            burst = [pool[(index * _BURST + offset) % len(pool)] for offset in range(_BURST)]
            sides = ["ours", "peer"] if index % 2 else ["peer", "ours"]
            for side in sides:
                if side == "ours":
                    seconds = _ours(guard, burst)
                elif peer is not None:
                    seconds = peer.time(burst)
                else:
                    continue
                if index >= 0:  # the first round warms both up
                    samples.setdefault((tokens, side), []).append(seconds)
    found = []
    for tokens in TOKENS:
        bursts = samples[tokens, "ours"]
        entry: dict[str, Any] = {"tokens": tokens, "characters": len(pools[tokens][0]), "samples": rounds * _BURST}
        entry["ours"] = _summary([value for burst in bursts for value in burst])
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


def fresh(python: Path, code: str) -> tuple[float, float]:
    """Run ``code`` in a fresh process: seconds inside it, and wall seconds with the interpreter's own start and end.

    Raises ``subprocess.CalledProcessError`` where it fails.
    """
    timed = f"import time; t = time.perf_counter()\n{code}\nprint(time.perf_counter() - t)"
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603  our own interpreter or the one the operator names
        [str(python), "-c", timed], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1]), time.perf_counter() - start


def resident(model: str, wanted: Sequence[str]) -> int:
    """Resident bytes of a fresh process that has checked every text once."""
    done = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", _OUR_MEMORY.format(model=model)],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])


def starts(model: str, peer_python: Path | None, repeats: int) -> dict[str, Any]:
    """Cold start to the first verdict and import times, each in fresh processes taken in turn; medians."""
    ours = Path(sys.executable)
    tasks = {
        "first_verdict": (ours, _OUR_START.format(model=model)),
        "import": (ours, _OUR_IMPORT),
        "import_of_dependencies": (ours, DEPENDENCIES_IMPORT),
    }
    if peer_python:
        tasks |= {"peer_first_verdict": (peer_python, _PEER_START), "peer_import": (peer_python, _PEER_IMPORT)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for index in tqdm(range(-1, repeats), desc="fresh processes", unit="round"):
        for name, (python, code) in tasks.items():
            seconds = fresh(python, code)
            if index >= 0:  # the first round fills the file cache
                taken[name].append(seconds)
    return {
        name: {
            "inside_ms": 1e3 * statistics.median(inside for inside, _ in found),
            "wall_ms": 1e3 * statistics.median(wall for _, wall in found),
        }
        for name, found in taken.items()
    }


def ceiling(graph: Path, found: Sequence[dict[str, Any]], threads: int) -> dict[str, Any] | None:
    """Share of the machine's int8 peak that a whole check reaches; None without the ``onnx`` package."""
    try:
        counted, peak = hardware.work(graph), hardware.int8_peak(threads)
    except ModuleNotFoundError:
        return None
    shares = {}
    for entry in found:
        operations = 2 * counted.multiply_adds(entry["tokens"] + _SPECIAL_TOKENS)
        shares[str(entry["tokens"])] = operations / (entry["ours"]["p50_ms"] / 1e3) / peak
    return {
        "peak_operations_per_s": peak,
        "threads": threads,
        "multiply_adds_per_token": counted.per_token,
        "share": shares,
    }


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument("--peer-python", type=Path, help="interpreter of a virtual environment that holds the peer")
    built.add_argument("--rounds", type=int, default=60, help="bursts for each length and side (default: %(default)s)")
    built.add_argument("--repeats", type=int, default=9, help="fresh processes of each kind (default: %(default)s)")
    built.add_argument("--out", type=Path, help=f"write the figures as JSON, usually to {RESULTS}")
    built.add_argument("--markdown", type=Path, help="write the tables, usually to docs/performance.md")
    return built


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything. Raises ``GuardError``, ``PeerError``, ``OSError`` or ``subprocess.CalledProcessError``."""
    with ExitStack() as stack:
        guard = stack.enter_context(Guard(models=options.model, providers="cpu", cache=0))
        peer = stack.enter_context(Peer(options.peer_python)) if options.peer_python else None
        guard.warmup()
        model = guard.check("hello").model
        directory = guard.info().directory
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        found = checks(guard, peer, tokenizer, options.rounds)
        about = hardware.machine()
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": about,
            "model": model.model_dump() if model else None,
            "peer": f"{DISTRIBUTION} {peer.info['versions'][DISTRIBUTION]}" if peer else None,
            "checks": found,
            "ceiling": ceiling(directory / "model.onnx", found, about["cores"]),
            "rss_bytes": resident(str(directory), [text for tokens in TOKENS for text in texts(tokenizer, tokens)]),
            "peer_rss_bytes": peer.rss_bytes() if peer else None,
            "starts": starts(str(directory), options.peer_python, options.repeats),
        }


def main(argv: Sequence[str] | None = None) -> int:
    """Run and return an exit status: 0, or 2 where something is missing."""
    options = parser().parse_args(argv)
    try:
        result = run(options)
    except (GuardError, PeerError, OSError, subprocess.CalledProcessError) as error:
        print(f"latency: {error}", file=sys.stderr)
        return 2
    for path, text in ((options.out, json.dumps(result, indent=1) + "\n"), (options.markdown, page(result))):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    print(page(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
