"""Measure streams: how much later text comes out than it is written, what that costs, and how decisions compare.

Text arrives on a virtual clock, one token at a time; checks take real time. It is compared with the same text screened
only when it has ended. Example: ``python -m benchmarks.streaming --data DIR --markdown docs/streaming.md``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from tokenizers import Tokenizer
from tqdm import tqdm

from benchmarks import hardware
from benchmarks.command import command
from benchmarks.data import load, sources
from benchmarks.latency import texts
from benchmarks.pages import fill_in, save_json
from benchmarks.report import table
from guardsdk import Guard
from guardsdk.engine.runner import Runner
from guardsdk.evaluation.statistics import percentile
from guardsdk.intervals import wilson
from guardsdk.streaming import Pace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.data import Row

RESULTS = Path("benchmarks/results/streaming.json")
PAGE = Path("docs/streaming.md")
RATES = (20, 50, 100)
"""Tokens per second, from a large hosted model to a small one on a local GPU."""
TOKENS = (60, 250, 1000)
LONG = Pace(shortest=120, longest=240)
"""Longer segments: fewer checks, later words."""
WAYS = {
    "stream": "stream",
    "long": f"stream, segments of {LONG.shortest} to {LONG.longest}",
    "at_the_end": "at the end",
}
SETS = ("beavertails_test",)


@dataclass(slots=True)
class Clock:
    """A clock of virtual arrivals and real work: seconds since the first token was asked for."""

    now: float = 0.0
    worked: float = 0.0
    _mark: float = field(default_factory=time.perf_counter)

    def work(self) -> float:
        """Add the real time that passed since the last call, and return the time."""
        mark = time.perf_counter()
        self.worked += mark - self._mark
        self.now += mark - self._mark
        self._mark = mark
        return self.now

    def wait_until(self, moment: float) -> None:
        """Skip to ``moment``, unless it has passed."""
        self.now = max(self.work(), moment)


@dataclass(frozen=True, slots=True)
class Read:
    """One text read to its end; times in seconds."""

    delays: list[float]
    """Per character: from its arrival until it came out."""
    working: float
    """Time spent screening."""
    runs: int
    """Runs of the model."""
    checks: int


@contextmanager
def counted_runs() -> Iterator[list[int]]:
    """Count how often the model is run."""
    runs = [0]
    run = Runner.run

    def counting(*arguments: Any, **options: Any) -> Any:
        runs[0] += 1
        return run(*arguments, **options)

    with mock.patch.object(Runner, "run", counting):
        yield runs


def streamed(guard: Guard, tokens: Sequence[str], prompt: str, rate: float, pace: Pace | None = None) -> Read:
    """Read a stream of ``tokens`` that arrive at ``rate`` a second."""
    clock = Clock()
    arrivals = [(place + 1) / rate for place in range(len(tokens))]

    def arriving() -> Iterator[str]:
        for token, moment in zip(tokens, arrivals, strict=True):
            clock.wait_until(moment)
            yield token

    with counted_runs() as runs:
        stream = guard.stream(arriving(), prompt=prompt, pace=pace)
        delays: list[float] = []
        for place, token in enumerate(stream):
            delays += [clock.work() - arrivals[place]] * len(token)
    return Read(delays, clock.worked, runs[0], stream.checks)


def at_the_end(guard: Guard, tokens: Sequence[str], prompt: str, rate: float) -> Read:
    """Collect the same text and check it when it has ended."""
    with counted_runs() as runs:
        start = time.perf_counter()
        guard.check("".join(tokens), stage="output", context=prompt)
        working = time.perf_counter() - start
    end = len(tokens) / rate + working
    delays = [end - (place + 1) / rate for place, token in enumerate(tokens) for _ in token]
    return Read(delays, working, runs[0], 1)


def timings(guard: Guard, tokenizer: Tokenizer, rounds: int) -> list[dict[str, Any]]:
    """Time every length at every rate, both ways in turn; medians over ``rounds`` different texts."""
    found = []
    prompt = "Tell me what happened in the village this week."
    for tokens in TOKENS:
        pool = [_cut(tokenizer, text) for text in texts(tokenizer, tokens)[:rounds]]
        for rate in tqdm(RATES, desc=f"{tokens} tokens", unit="rate"):
            reads = [
                (
                    streamed(guard, text, prompt, rate),
                    streamed(guard, text, prompt, rate, LONG),
                    at_the_end(guard, text, prompt, rate),
                )
                for text in pool
            ]
            ours, longer, ends = zip(*reads, strict=True)
            found.append(
                {
                    "tokens": tokens,
                    "rate": rate,
                    "characters": statistics.median(len("".join(text)) for text in pool),
                    "stream": _summary(ours),
                    "long": _summary(longer),
                    "at_the_end": _summary(ends),
                }
            )
    return found


def _cut(tokenizer: Tokenizer, text: str) -> list[str]:
    """Return ``text`` token by token, each with the white space before it, as models write."""
    ends = [end for _, end in tokenizer.encode(text, add_special_tokens=False).offsets]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _summary(reads: Sequence[Read]) -> dict[str, float]:
    return {
        "first_s": statistics.median(read.delays[0] for read in reads),
        "mean_s": statistics.median(statistics.fmean(read.delays) for read in reads),
        "p95_s": statistics.median(percentile(read.delays, 95) for read in reads),
        "last_s": statistics.median(read.delays[-1] for read in reads),
        "characters_per_s": statistics.median(len(read.delays) / read.working for read in reads),
        "runs_per_1000": statistics.median(1000 * read.runs / len(read.delays) for read in reads),
        "checks_per_1000": statistics.median(1000 * read.checks / len(read.delays) for read in reads),
    }


def decisions(guard: Guard, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Compare what a check of the whole and a stream hold back, per set and label."""
    found: dict[tuple[str, int], list[tuple[bool, bool, float]]] = {}
    for row in tqdm(rows, desc="decisions", unit="text"):
        if row.harm is None or row.stage != "output" or not row.text.strip():
            continue
        whole = not guard.check(row.text, stage="output", context=row.context).allowed
        out = 0
        stream = guard.stream([row.text], prompt=row.context, on_block="")
        for chunk in stream:
            out += len(chunk)
        held = stream.verdict is not None and not stream.verdict.allowed
        found.setdefault((row.source, row.harm), []).append((whole, held, out / len(row.text)))
    return [
        {
            "set": name,
            "harmful": bool(harm),
            "rows": len(seen),
            "check": sum(whole for whole, _, _ in seen),
            "stream": sum(held for _, held, _ in seen),
            "let_out": statistics.fmean([out for _, held, out in seen if held] or [0.0]),
        }
        for (name, harm), seen in found.items()
    ]


def body(result: dict[str, Any]) -> str:
    """Write the figures as the part of the page between its markers."""
    about, model = result["machine"], result["model"]
    head = (
        f"{about['processor']}, {about['cores']} cores, model `{model['name']}` {model['version']} (digest "
        f"`{model['digest'][:16]}`), measured {result['date']} at a load of {result['load']:.0f}. Delays in seconds, "
        "of the first character, the mean and the 95th percentile of all, of the last.\n"
    )
    columns = ["tokens", "tokens/s", "way", "first", "mean", "p95", "last", "characters/s", "model runs per 1,000"]
    rows = []
    for entry in result["timings"]:
        for way, name in WAYS.items():
            times = entry[way]
            rows.append(
                [
                    str(entry["tokens"]),
                    str(entry["rate"]),
                    name,
                    *(f"{times[key]:.2f}" for key in ("first_s", "mean_s", "p95_s", "last_s")),
                    f"{times['characters_per_s']:,.0f}",
                    f"{times['runs_per_1000']:.1f}",
                ]
            )
    parts = [head, table(columns, rows, 3)]
    if result["decisions"]:
        parts.append(f"Held back of labelled answers, % [95 % interval], at most {result['limit']} of each label:\n")
        parts.append(_decisions_table(result["decisions"]))
    return "\n".join(parts)


def _decisions_table(found: Sequence[dict[str, Any]]) -> str:
    rows = []
    for entry in found:
        rates = [wilson(entry[way], entry["rows"]) for way in ("check", "stream")]
        shares = [f"{100 * rate.rate:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]" for rate in rates]
        label = "harmful" if entry["harmful"] else "harmless"
        rows.append([f"`{entry['set']}`", label, str(entry["rows"]), *shares, f"{100 * entry['let_out']:.0f}"])
    return table(["set", "label", "rows", "`check`", "stream", "released before, %"], rows, 2)


def parser() -> argparse.ArgumentParser:
    """Build the command line."""
    built = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    built.add_argument("--model", type=Path, help="model directory (default: the shipped one)")
    built.add_argument("--data", type=Path, help="folder of labelled sets, to compare decisions as well")
    built.add_argument("--sets", nargs="*", default=list(SETS), help="sets of it (default: %(default)s)")
    built.add_argument("--limit", type=int, default=150, help="rows of each label (default: %(default)s)")
    built.add_argument("--rounds", type=int, default=5, help="texts for each length (default: %(default)s)")
    built.add_argument("--out", type=Path, help=f"write the figures as JSON, usually to {RESULTS}")
    built.add_argument("--markdown", type=Path, help=f"fill the marked part of a page, usually of {PAGE}")
    return built


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything. Raises ``GuardError`` or ``OSError``."""
    with Guard(models=options.model, providers="cpu", cache=0) as guard:
        guard.warmup()
        model = guard.info().model
        tokenizer = Tokenizer.from_file(str(guard.info().directory / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        paths = sources(options.data, options.sets) if options.data else []
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": hardware.machine(),
            "model": model.model_dump(),
            "load": os.getloadavg()[0],
            "limit": options.limit,
            "timings": timings(guard, tokenizer, options.rounds),
            "decisions": decisions(guard, [row for path in paths for row in load(path, options.limit)]),
        }


@command(parser)
def main(options: argparse.Namespace) -> None:
    """Measure, write and print."""
    result = run(options)
    save_json(options.out, result)
    fill_in(options.markdown, "streaming", body(result))
    print(body(result))


if __name__ == "__main__":
    raise SystemExit(main())
