"""Run the CUDA graph where there is a GPU: throughput, latency and agreement with the CPU's decisions.

Example: ``python -m benchmarks.gpu --out benchmarks/results/gpu.json``. It needs a GPU and the extra ``gpu``; without
them it says so and ends with status 2. No figures of a GPU have been published: the project had none when this was
written. ``--providers cpu`` tries the script itself out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer
from tqdm import tqdm

from benchmarks.command import command
from benchmarks.filler import filler
from benchmarks.hardware import machine
from benchmarks.latency import sentences, texts
from benchmarks.pages import save_json
from guardsdk import Guard
from guardsdk.evaluation.statistics import percentile
from guardsdk.policy.load import default_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.verdict import Verdict

RESULTS = Path("benchmarks/results/gpu.json")
TOKENS = (10, 40, 130, 250)
LEAST_AGREEMENT = 0.995
_CALLERS = 64


def probes(sentences_: Sequence[str]) -> list[str]:
    """Texts for the comparison of decisions: harmless ones, the default policy's examples, and these behind filler."""
    examples = [example.text for principle in default_policy().principles for example in principle.examples]
    behind = [f"{filler(1500, seed=at)}\n{text}" for at, text in enumerate(examples)]
    return [*sentences_, *examples, *behind]


def agreement(ours: Sequence[Verdict], reference: Sequence[Verdict]) -> dict[str, Any]:
    """Share of equal actions, the largest difference of a score, and the number of decisions compared."""
    equal = [one.action is other.action for one, other in zip(ours, reference, strict=True)]
    apart = [
        abs(score - other.scores[label])
        for one, other in zip(ours, reference, strict=True)
        for label, score in one.scores.items()
    ]
    return {"decisions": len(equal), "equal": sum(equal) / len(equal), "largest_difference": max(apart, default=0.0)}


def speed(guard: Guard, pool: Sequence[str]) -> dict[str, float]:
    """Time one check after the other, many callers at a time, and one batch."""
    alone = []
    for text in pool:
        start = time.perf_counter()
        guard.check(text)
        alone.append(time.perf_counter() - start)
    many = [f"{text} {at}" for at in range(8) for text in pool]
    start = time.perf_counter()
    with ThreadPoolExecutor(_CALLERS) as callers:
        list(callers.map(guard.check, many))
    together = time.perf_counter() - start
    start = time.perf_counter()
    guard.check_many([f"{text}, {at}" for at in range(32) for text in pool])
    batch = time.perf_counter() - start
    return {
        "p50_ms": 1e3 * statistics.median(alone),
        "p95_ms": 1e3 * percentile(alone, 95),
        "callers_per_s": len(many) / together,
        "batch_per_s": 32 * len(pool) / batch,
    }


def measure(model: Path | None, providers: str) -> dict[str, Any]:
    """Run everything. Raises ``GuardError`` where the model does not run on ``providers``."""
    chosen: Any = providers
    with (
        Guard(models=model, providers=chosen, cache=0) as guard,
        Guard(models=model, providers="cpu", cache=0) as reference,
    ):
        info = guard.info()
        tokenizer = Tokenizer.from_file(str(info.directory / "tokenizer.json"))
        checks = []
        for tokens in tqdm(TOKENS, desc="lengths"):
            pool = texts(tokenizer, tokens)
            guard.check_many(pool)  # a first run of each length plans its memory
            checks.append({"tokens": tokens, **speed(guard, pool)})
        asked = probes(sentences()[::10])
        found = agreement(guard.check_many(asked), reference.check_many(asked))
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "provider": guard.check("hello").provider_active,
            "model": info.model.model_dump(),
            "checks": checks,
            "agreement": found,
        }


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument(
        "--providers", choices=("cuda", "cpu"), default="cuda", help="where to run (default: %(default)s)"
    )
    built.add_argument("--out", type=Path, help=f"write the figures as JSON, usually to {RESULTS}")
    return built


@command(parser)
def main(options: argparse.Namespace) -> int:
    """Measure, write and print; return 1 where too few decisions agree."""
    result = measure(options.model, options.providers)
    save_json(options.out, result)
    print(json.dumps(result, indent=1))
    return int(result["agreement"]["equal"] < LEAST_AGREEMENT)


if __name__ == "__main__":
    raise SystemExit(main())
