"""Checks batches of lines, in order, in this process or in several."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Final

from guardsdk.cli.outcome import Exit
from guardsdk.errors import GuardError
from guardsdk.guard import Guard
from guardsdk.parts.many import check_each

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from concurrent.futures import Future

    from guardsdk.cli.lines import Line
    from guardsdk.settings import Providers
    from guardsdk.verdict import Verdict

    Batch = list[Line]

_AHEAD: Final = 3
"""Batches per process that are read ahead: enough to keep all busy, few enough to hold in memory."""


@dataclass(frozen=True, slots=True)
class How:
    """How to check a line; sent to every process."""

    stage: str
    policy: str | None
    model: str | None
    providers: Providers | None
    early_exit: bool = True
    taught: tuple[str, ...] = ()
    """Files of lessons."""


def verdicts_of(guard: Guard, stage: str, batch: Batch) -> list[Verdict]:
    """Return a verdict for every line of ``batch`` with a text."""
    lines = [line for line in batch if line.problem is None]
    return check_each(
        guard,
        [line.text for line in lines],
        stage=stage,
        contexts=[line.context for line in lines],
        systems=[line.system for line in lines],
    )


def checked(batches: Iterable[Batch], guard: Guard, how: How, processes: int) -> Generator[tuple[Batch, list[Verdict]]]:
    """Yield ``batches`` in order, each with the verdicts of its texts.

    With more than one of ``processes``, each loads its own model and runs it on one thread, as on CPU two single-core
    runs have a higher throughput than one run on two cores. Otherwise ``guard`` is used. Raises ``GuardError`` if a
    process dies.
    """
    if processes == 1:
        for batch in batches:
            yield batch, verdicts_of(guard, how.stage, batch)
        return
    # Spawned, as a forked child would inherit the locks of the runtime loaded in this process.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(how,))
    waiting: deque[tuple[Batch, Future[list[Verdict]]]] = deque()
    try:
        for batch in batches:
            waiting.append((batch, pool.submit(_check, batch)))
            if len(waiting) >= _AHEAD * processes:
                yield _next(waiting)
        while waiting:
            yield _next(waiting)
    except BrokenProcessPool as error:
        msg = "a process of the scan ended before its work was done; --resume goes on with what is missing"
        raise GuardError(msg) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[tuple[Batch, Future[list[Verdict]]]]) -> tuple[Batch, list[Verdict]]:
    batch, future = waiting.popleft()
    return batch, future.result()


class _Process:
    """What a worker process keeps between batches."""

    guard: Guard
    stage: str


def _begin(how: How) -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    _Process.guard = Guard(
        how.policy,
        models=how.model,
        providers=how.providers,
        threads=1,
        early_exit=how.early_exit,
        taught=how.taught,
    )
    _Process.stage = how.stage


def _end_with_parent() -> None:
    """Exit if the scan was killed: a worker holds both ends of its pipe, and would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(Exit.UNCHECKED)


def _check(batch: Batch) -> list[Verdict]:
    return verdicts_of(_Process.guard, _Process.stage, batch)
