"""Many callers of one guard: their joint throughput, and how long each of them waits."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from operator import truediv
from typing import TYPE_CHECKING, Any

from guardsdk.evaluation.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk import Guard

CALLERS = 64
EACH = 6
"""Checks of every caller, in sequence."""
_ROUNDS = 5
"""Rounds in which everything compared is measured in turn, so that a slow second affects all of it."""
_LONE = 60
"""Checks of a lone caller in one round; each text is used several times in all."""
_ARRIVALS = 400
_LOAD = 0.5
"""Share of the throughput of all callers together, for waiting times at ordinary load."""

_Seconds = dict[str, list[float]]
"""Text to the seconds that each check of it by a lone caller took."""


def load(guard: Guard, single: Guard, pool: Sequence[str], cores: int) -> dict[str, Any]:
    """Measure ``guard``, whose cache is off, on texts of ``pool``; wall time, so on a machine with nothing else to do.

    Figures are medians of rounds, and ratios are of what was measured in the same round. The best throughput is that
    of ``check_many``, or of a thread per core with ``guard`` or ``single``, whichever has the best median.
    ``slowest_caller`` is the longest mean wait of a caller over the shortest: 1 is fair. At half load ``single``, the
    same guard with one thread a run, meets the same arrivals; ``queue`` computes how long they take if a check waits
    for nothing but its turn, and ``lone`` shows how late a check is where there are no other callers.
    """
    texts = [text for text, _ in zip(itertools.cycle(pool), range(CALLERS * EACH), strict=False)]
    _threads(guard, texts[: 2 * cores], cores)  # what serves many callers is only opened once there are some
    ways: dict[str, Callable[[], float]] = {
        "batch": lambda: _many(guard, texts),
        "threads": lambda: _threads(guard, texts, cores),
        "one_thread": lambda: _threads(single, texts, cores),
    }
    rates: dict[str, list[float]] = {}
    fair: list[float] = []

    def together() -> float:
        rate, waits = asyncio.run(_callers(guard, texts))
        means = [statistics.mean(own) for own in waits]
        fair.append(max(means) / min(means))
        return rate

    measured = {**ways, "callers": together}
    for at in range(_ROUNDS):
        for name in list(measured)[:: -1 if at % 2 else 1]:
            rates.setdefault(name, []).append(measured[name]())
    middle = {name: statistics.median(found) for name, found in rates.items()}
    best = max(ways, key=middle.__getitem__)
    lone, half = _half_load(guard, single, texts, cores, _LOAD * middle["callers"])
    return {
        "callers": CALLERS,
        "rounds": _ROUNDS,
        "lone_p50_ms": 1e3 * lone,
        "best_per_s": middle[best],
        "callers_per_s": middle["callers"],
        "share_of_best": statistics.median(map(truediv, rates["callers"], rates[best])),
        "slowest_caller": statistics.median(fair),
        "half_load": half,
    }


def _half_load(
    guard: Guard, single: Guard, texts: Sequence[str], cores: int, per_s: float
) -> tuple[float, dict[str, Any]]:
    """Return the median seconds of a lone caller, and the waits where ``per_s`` checks come at random."""
    gaps = _gaps(per_s)
    alone: _Seconds = {}
    middles: list[float] = []
    waits: dict[str, list[dict[str, float]]] = {}
    order = itertools.cycle(texts)
    for _ in range(_ROUNDS):
        middle = statistics.median(_lone(guard, list(itertools.islice(order, _LONE)), alone))
        middles.append(middle)
        for name, one in (("measured", guard), ("one_thread", single)):
            waits.setdefault(name, []).append(_waits(asyncio.run(_open_loop(one, texts, gaps)), middle))
    overall = statistics.median(middles)
    known = {text: statistics.median(own) for text, own in alone.items()}
    services = [known[text] for text in itertools.islice(itertools.cycle(known), _ARRIVALS)]
    half: dict[str, Any] = {"per_s": per_s} | {name: _middle(found) for name, found in waits.items()}
    half["lone"] = _waits(list(itertools.chain.from_iterable(alone.values())), overall)
    half["one_line"] = _waits(queue(gaps, services, 1), overall)
    half["line_per_core"] = _waits(queue(gaps, services, cores), overall)
    return overall, half


def _lone(guard: Guard, texts: Sequence[str], alone: _Seconds) -> list[float]:
    """Return the seconds of checks one after the other, noted for each text in ``alone`` as well."""
    found = []
    for text in texts:
        start = time.perf_counter()
        guard.check(text)
        found.append(time.perf_counter() - start)
        alone.setdefault(text, []).append(found[-1])
    return found


def _middle(found: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the median of each figure over rounds."""
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def queue(gaps: Sequence[float], services: Sequence[float], servers: int) -> list[float]:
    """Return the seconds that each arrival takes with ``servers`` that serve in order and do not slow each other.

    ``gaps`` are the seconds from one arrival to the next, ``services`` those each takes once it is served. With the
    times of lone callers and one server, the result is what a guard could reach whose every run takes all cores; with a
    server for each core, what it could reach if a run were as fast on a single core, which none is.
    """
    free = [0.0] * servers
    seconds = []
    for arrival, service in zip(itertools.accumulate(gaps), services, strict=True):
        done = max(arrival, free[0]) + service
        heapq.heapreplace(free, done)
        seconds.append(done - arrival)
    return seconds


def _gaps(per_s: float) -> list[float]:
    """Return the seconds between random arrivals, ``per_s`` a second."""
    chance = random.Random(0)
    return [chance.expovariate(per_s) for _ in range(_ARRIVALS)]


def _waits(seconds: Sequence[float], lone: float) -> dict[str, float]:
    """Return the median and the 99th percentile of ``seconds``, the latter also over ``lone``, a lone caller's."""
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
    """Return checks a second of all callers together, and the seconds that each check took, caller by caller."""
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
    """Return the seconds of each check; they arrive ``gaps`` apart, no matter how many are still waiting."""
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
