"""What a check costs besides the model: CPU time of whole checks, minus that of the model runs inside them.

Measured in place, before and after a model run, which empties the CPU caches: the same code timed alone, in a loop,
looks several times faster than it is.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from guardsdk import Guard
from guardsdk.engine.session import OnnxSession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from guardsdk.engine.session import Feed, Outputs

_BLOCKS, _BLOCK = 60, 64
"""Blocks of cached checks, and checks of each: the monitor aggregates sixteen at once, so a single one says little."""
_VARIANTS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "without the monitor": {"monitor": False},
    "nobody told": {"monitor": False, "observers": ()},
}


class _Timed:
    """Adds up the processor time of the runs of the model."""

    def __init__(self) -> None:
        self.spent = 0.0
        self._run = OnnxSession.run

    def patched(self) -> Any:
        def run(session: OnnxSession, feed: Feed) -> Outputs:
            start = time.thread_time()
            outputs = self._run(session, feed)
            self.spent += time.thread_time() - start
            return outputs

        return patch.object(OnnxSession, "run", run)


def overhead(model: Path, pools: Mapping[int, Sequence[str]], rounds: int) -> list[dict[str, Any]]:
    """Medians for texts of each length, on one thread, cache off; the ways of observing take turns, check by check.

    All layers run on every text, so that what a run computes is known, whatever early exit would save.
    """
    guards = {
        name: Guard(models=model, providers="cpu", threads=1, cache=0, early_exit=False, **options)
        for name, options in _VARIANTS.items()
    }
    for guard in guards.values():
        guard.warmup()
    timed = _Timed()
    found = []
    with timed.patched():
        for tokens, pool in pools.items():
            besides: dict[str, list[float]] = {name: [] for name in guards}
            runs: list[float] = []
            for index in range(-len(guards), rounds):
                for name, guard in guards.items():
                    timed.spent, start = 0.0, time.thread_time()
                    guard.check(pool[index % len(pool)])
                    whole = time.thread_time() - start
                    if index >= 0:
                        besides[name].append(whole - timed.spent)
                        runs.append(timed.spent)
            run = statistics.median(runs)
            entry: dict[str, Any] = {"tokens": tokens, "run_us": 1e6 * run}
            entry["besides_us"] = {name: 1e6 * statistics.median(values) for name, values in besides.items()}
            found.append(entry)
    for guard in guards.values():
        guard.close()
    return found


def cached(model: Path, text: str) -> dict[str, float]:
    """Microseconds of processor time of a cached check, for each way of observing: the median of blocks."""
    found = {}
    for name, options in _VARIANTS.items():
        with Guard(models=model, providers="cpu", threads=1, **options) as guard:
            guard.check(text)
            blocks = []
            for _ in range(_BLOCKS):
                start = time.thread_time()
                for _ in range(_BLOCK):
                    guard.check(text)
                blocks.append((time.thread_time() - start) / _BLOCK)
        found[name] = 1e6 * statistics.median(blocks)
    return found
