"""Many callers of one guard: what they get through together, and how long one of them waits."""

from __future__ import annotations

import asyncio
import heapq
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
_LONE = 60
_REPEATS = 3
"""Checks of a lone caller: at least so many, and of each text so many."""
_ARRIVALS = 400
_LOAD = 0.5
"""Of the throughput of all callers together, for the waits at ordinary load."""


def load(guard: Guard, single: Guard, pool: Sequence[str], cores: int) -> dict[str, Any]:
    """Measure ``guard``, whose cache is off, on texts of ``pool``; wall time, so on a machine with nothing else to do.

    The best throughput is that of ``check_many``, or of a thread per core with ``guard`` or ``single``.
    ``slowest_caller`` is the longest mean wait of a caller over the shortest: 1 is fair. At half load ``single``, the
    same guard with one thread a run, meets the same arrivals; ``queue`` says how long they take where nothing but the
    line makes a check wait.
    """
    texts = [text for text, _ in zip(itertools.cycle(pool), range(CALLERS * EACH), strict=False)]
    alone: dict[str, list[float]] = {}
    for text in texts[: max(_LONE, _REPEATS * len(pool))]:
        start = time.perf_counter()
        guard.check(text)
        alone.setdefault(text, []).append(time.perf_counter() - start)
    lone = [seconds for own in alone.values() for seconds in own]
    best = max(_many(guard, texts), _threads(guard, texts, cores), _threads(single, texts, cores))
    rate, waits = asyncio.run(_callers(guard, texts))
    gaps = _gaps(_LOAD * rate)
    services = [statistics.median(alone[text]) for text in itertools.islice(itertools.cycle(texts), _ARRIVALS)]
    median = statistics.median(lone)
    half = {
        "measured": asyncio.run(_open_loop(guard, texts, gaps)),
        "one_thread": asyncio.run(_open_loop(single, texts, gaps)),
        "one_line": queue(gaps, services, 1),
        "line_per_core": queue(gaps, services, cores),
    }
    means = [statistics.mean(own) for own in waits]
    return {
        "callers": CALLERS,
        "lone_p50_ms": 1e3 * median,
        "best_per_s": best,
        "callers_per_s": rate,
        "share_of_best": rate / best,
        "slowest_caller": max(means) / min(means),
        "half_load": {"per_s": _LOAD * rate} | {name: _waits(seconds, median) for name, seconds in half.items()},
    }


def queue(gaps: Sequence[float], services: Sequence[float], servers: int) -> list[float]:
    """Return the seconds that each arrival takes with ``servers`` that serve in order and do not slow each other.

    ``gaps`` are the seconds from one arrival to the next, ``services`` those each takes once it is served. With the
    times of lone callers and one server it is what a guard could reach whose every run takes all cores; with a server
    for each core, what it could if a run was as fast on one of them, which none is.
    """
    free = [0.0] * servers
    seconds = []
    for arrival, service in zip(itertools.accumulate(gaps), services, strict=True):
        done = max(arrival, free[0]) + service
        heapq.heapreplace(free, done)
        seconds.append(done - arrival)
    return seconds


def _gaps(per_s: float) -> list[float]:
    """Return the seconds between arrivals at random, ``per_s`` a second."""
    chance = random.Random(0)
    return [chance.expovariate(per_s) for _ in range(_ARRIVALS)]


def _waits(seconds: Sequence[float], lone: float) -> dict[str, float]:
    """Return the middle and the tail of ``seconds``, the tail over the seconds of a ``lone`` caller as well."""
    late = percentile(seconds, 99)
    return {"p50_ms": 1e3 * percentile(seconds, 50), "p99_ms": 1e3 * late, "p99_over_lone": late / lone}


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


async def _open_loop(guard: Guard, texts: Sequence[str], gaps: Sequence[float]) -> list[float]:
    """Return the seconds each check took that came ``gaps`` after the one before, whoever else waited."""
    seconds: list[float] = []

    async def check(text: str) -> None:
        start = time.perf_counter()
        await guard.acheck(text)
        seconds.append(time.perf_counter() - start)

    tasks = []
    due = time.perf_counter()
    for at, gap in enumerate(gaps):
        due += gap
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(check(texts[at % len(texts)])))
    await asyncio.gather(*tasks)
    return seconds
