"""Where the time of a check goes besides the model: stage by stage, inside whole checks with the model's real runs.

Each stage is a wrapped function; the time of other stages that it calls is subtracted. The wrappers take part of the
time themselves (the second column gives the calls), so the figures are for finding what to save, not for reporting:
``benchmarks.overhead`` gives those. Times are wall time, as a clock of processor time would be a system call at each
stage; the median over the checks is not affected by the few that were interrupted.

Example: ``python -m benchmarks.stages --tokens 10 --checks 300``.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
from collections import defaultdict
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from tokenizers import Tokenizer

from benchmarks.latency import texts
from guardsdk import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STAGES: Final = (
    "guard:Guard.check",
    "pipeline:Pipeline.run",
    "pipeline:Pipeline._judge",
    "pipeline:Pipeline._score",
    "cache:Keys.key",
    "screens.panel:Panel.read",
    "screens.panel:_take",
    "screens.hidden:HiddenTextScreen.read",
    "screens.language:LanguageScreen.read",
    "screens.pattern_screen:PatternScreen.read",
    "screens.viewed:ViewedScreen.read_within",
    "screens.viewed:ViewedScreen._views",
    "screens.classifier:ClassifierScreen.read_within",
    "engine.classifier:Classifier.score",
    "engine.classifier:Classifier._laid_out",
    "engine.tokenizer:TextEncoder.encode",
    "engine.tokenizer:TextEncoder.legible",
    "engine.classifier:arrays",
    "engine.turns:Turns.run",
    "engine.runner:Runner.run",
    "engine.early:Halves.run",
    "engine.session:OnnxSession.run",
    "engine.heads:Heads.beside",
    "engine.reading:Tally.add",
    "engine.reading:Tally.scores",
    "policy.judge:judge",
    "pipeline:judge",
    "policy.judge:decide",
    "verdict:Verdict.taking",
    "pipeline:notify",
    "telemetry.observer:OpenTelemetryObserver.on_check",
    "monitor.monitor:Monitor.on_check",
    "monitor.monitor:glance",
    "monitor.traffic:Traffic.take",
)
RUNS: Final = "engine.session:OnnxSession.run"
MODEL: Final = Path("models/guard-minilm-l6")


class Stages:
    """Adds up the time of each stage, less that of the stages it calls."""

    def __init__(self) -> None:
        """Start with nothing measured."""
        self.own: dict[str, int] = defaultdict(int)
        self.calls: dict[str, int] = defaultdict(int)
        self._inside = [0]

    def wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``call``, timed under ``name``."""
        own, calls, inside = self.own, self.calls, self._inside

        @wraps(call)
        def timed(*arguments: Any, **options: Any) -> Any:
            inside.append(0)
            start = perf_counter_ns()
            try:
                return call(*arguments, **options)
            finally:
                whole = perf_counter_ns() - start
                own[name] += whole - inside.pop()
                calls[name] += 1
                inside[-1] += whole

        return timed

    def patched(self, names: Iterable[str]) -> ExitStack:
        """Return a context in which those functions of ``names`` that exist are timed."""
        stack = ExitStack()
        for name in names:
            module, _, path = name.partition(":")
            *owners, last = path.split(".")
            home: Any = importlib.import_module(f"guardsdk.{module}")
            for owner in owners:
                home = getattr(home, owner)
            if last in vars(home):
                stack.enter_context(patch.object(home, last, self.wrapped(name, vars(home)[last])))
        return stack

    def take(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return nanoseconds and calls by stage since the last call of this method."""
        found = dict(self.own), dict(self.calls)
        self.own.clear()
        self.calls.clear()
        return found


def measure(
    tokens: int, checks: int, options: dict[str, Any], *, repeat: bool = False
) -> list[tuple[str, float, float]]:
    """Return stage, median microseconds and mean calls of checks of ``tokens`` tokens, the longest first.

    ``repeat`` checks one text over and over, to time cached verdicts.
    """
    pool = texts(Tokenizer.from_file(str(MODEL / "tokenizer.json")), tokens)
    stages = Stages()
    rows: list[tuple[dict[str, int], dict[str, int]]] = []
    # A guard looks up once how its screens read, so it is made after they have been wrapped.
    with stages.patched(STAGES), Guard(providers="cpu", threads=1, early_exit=False, **options) as guard:
        guard.warmup()
        for at in range(-20, checks):
            guard.check(pool[0 if repeat else at % len(pool)])
            found = stages.take()
            if at >= 0:
                rows.append(found)
    names = {name for own, _ in rows for name in own}
    table = [
        (
            name,
            statistics.median(own.get(name, 0) for own, _ in rows) / 1e3,
            statistics.mean(calls.get(name, 0) for _, calls in rows),
        )
        for name in names
    ]
    return sorted(table, key=lambda row: -row[1])


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tokens", type=int, default=10)
    options.add_argument("--checks", type=int, default=300)
    options.add_argument("--cached", action="store_true", help="one text over and over, which is remembered")
    options.add_argument("--alone", action="store_true", help="without monitor and telemetry")
    given = options.parse_args()
    more: dict[str, Any] = {"monitor": False, "observers": ()} if given.alone else {}
    if not given.cached:
        more["cache"] = 0
    table = measure(given.tokens, given.checks, more, repeat=given.cached)
    for name, spent, calls in table:
        print(f"{spent:9.1f} us  {calls:4.1f}  {name}")
    print(f"{sum(spent for name, spent, _ in table if name != RUNS):9.1f} us besides the runs")


if __name__ == "__main__":
    main()
