"""Many callers of one guard: what they get through together, and how long one of them waits."""

from __future__ import annotations

import asyncio
import itertools
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from guardsdk.evaluation.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk import Guard

CALLERS = 64
EACH = 6
"""Checks of every caller, one after the other."""
_ARRIVALS = 400
_LOAD = 0.5
"""Of the throughput of all callers together, for the waits at ordinary load."""


def load(guard: Guard, pool: Sequence[str], cores: int) -> dict[str, Any]:
    """Measure ``guard``, whose cache is off, on texts of ``pool``; wall time, so on a machine with nothing else to do.

    The best throughput is the better one of ``check_many`` and a thread per core. ``slowest_caller`` is the longest
    mean wait of a caller over the shortest: 1 is fair.
    """
    texts = [text for text, _ in zip(itertools.cycle(pool), range(CALLERS * EACH), strict=False)]
    lone = []
    for text in texts[:60]:
        start = time.perf_counter()
        guard.check(text)
        lone.append(time.perf_counter() - start)
    best = max(_many(guard, texts), _threads(guard, texts, cores))
    rate, waits = asyncio.run(_callers(guard, texts))
    arrivals = asyncio.run(_open_loop(guard, texts, _LOAD * rate))
    means = [statistics.mean(own) for own in waits]
    median = statistics.median(lone)
    return {
        "callers": CALLERS,
        "lone_p50_ms": 1e3 * median,
        "best_per_s": best,
        "callers_per_s": rate,
        "share_of_best": rate / best,
        "slowest_caller": max(means) / min(means),
        "half_load": {
            "per_s": _LOAD * rate,
            "p50_ms": 1e3 * percentile(arrivals, 50),
            "p99_ms": 1e3 * percentile(arrivals, 99),
            "p99_over_lone": percentile(arrivals, 99) / median,
        },
    }


def _many(guard: Guard, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    guard.check_many(texts)
    return len(set(texts)) / (time.perf_counter() - start)  # equal texts of one call are scored once


def _threads(guard: Guard, texts: Sequence[str], cores: int) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(guard.check, texts))
    return len(texts) / (time.perf_counter() - start)


async def _callers(guard: Guard, texts: Sequence[str]) -> tuple[float, list[list[float]]]:
    """Return checks a second of all callers together, and the seconds each of them waited each time."""
    waits: list[list[float]] = [[] for _ in range(CALLERS)]

    async def caller(number: int) -> None:
        for text in texts[number * EACH : (number + 1) * EACH]:
            start = time.perf_counter()
            await guard.acheck(text)
            waits[number].append(time.perf_counter() - start)

    start = time.perf_counter()
    await asyncio.gather(*map(caller, range(CALLERS)))
    return len(texts) / (time.perf_counter() - start), waits


async def _open_loop(guard: Guard, texts: Sequence[str], per_s: float) -> list[float]:
    """Return the seconds each check took that came at random times, ``per_s`` a second, whoever else waited."""
    seconds: list[float] = []
    gaps = random.Random(0)

    async def check(text: str) -> None:
        start = time.perf_counter()
        await guard.acheck(text)
        seconds.append(time.perf_counter() - start)

    tasks = []
    due = time.perf_counter()
    for at in range(_ARRIVALS):
        due += gaps.expovariate(per_s)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(check(texts[at % len(texts)])))
    await asyncio.gather(*tasks)
    return seconds
