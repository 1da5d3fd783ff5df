"""Schedules runs: many threads take turns at one model, and share a run if rows may be batched (dynamic batching).

There is no scheduler thread. A caller that finds a free core runs at once, on several cores if enough are free and the
machine has no other work for them, so a lone caller never waits. Others queue. A caller that finishes hands each core
to the first in the queue, which also takes the rows of similar length behind it. While callers queue, each run has one
core, for a higher throughput than runs that share cores and synchronise at every operator. A text of many windows
queues again for each run, so it never delays a short text for longer than one run.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from guardsdk.engine.batches import fits
from guardsdk.engine.contention import Contention
from guardsdk.engine.session import Outputs
from guardsdk.errors import OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.engine.batches import Row
    from guardsdk.limits import Limits

    Run = Callable[[Sequence[Row], int], Outputs]
    """Takes rows and the number of cores their run may use."""


class Capacity(NamedTuple):
    """What may share one run. It changes if a GPU fails and the CPU takes over."""

    rows: int
    tokens: int
    """Tokens in one run, padding included."""


class _Waiting:
    """One queued caller."""

    __slots__ = ("alone", "answer", "batch", "called", "gone", "longest", "rows", "shortest")

    def __init__(self, rows: Sequence[Row], *, alone: bool) -> None:
        self.rows = rows
        lengths = [row.length for row in rows]
        self.shortest, self.longest = min(lengths), max(lengths)
        self.alone = alone
        """Must not share a run, as a shared run has failed."""
        self.gone = False
        """Interrupted while waiting."""
        self.called = threading.Event()
        self.batch: list[_Waiting] = []
        """Whose rows to run, including its own, once it was handed a core, which it must then release."""
        self.answer: Outputs | None = None
        """The outputs for its rows, from another caller's run."""


class Turns:
    """Runs rows for many threads. Thread-safe; not for use across a fork."""

    def __init__(
        self,
        run: Run,
        cores: int,
        capacity: Callable[[], Capacity],
        most: int = 1,
        contention: Contention | None = None,
    ) -> None:
        """Run with ``run``, which is called from the callers' threads, on at most ``cores`` at a time.

        A run uses ``most`` of them, no more than ``cores``, if that many are free when its caller arrives and the
        machine has no other work for them (``contention``); otherwise one.
        """
        self._run = run
        self._capacity = capacity
        self._contention = contention or Contention()
        self._lock = threading.Lock()
        self._free = cores
        self.most = most
        """Cores that one caller may use."""
        self._line: list[_Waiting] = []

    @property
    def spare(self) -> int:
        """How many single-core runs a caller could start now, at worst with one of them queued; ``most`` at best."""
        return 1 if self._line else max(1, min(self.most, self._free))

    def run(self, rows: Sequence[Row], limits: Limits, *, one_core: bool = False) -> Outputs | None:
        """Return the outputs for ``rows``, which fit into one run; ``None`` if the deadline passed first.

        The run takes ``one_core`` only if its caller has others to run in parallel. Raises ``OverloadedError`` at once
        if more callers are waiting than ``limits`` allow, and what ``run`` raises for these rows; errors about other
        callers' rows are raised to those callers only.
        """
        cores = 0
        waiting: _Waiting | None = None
        try:
            with self._lock:
                if self._free and not self._line:
                    alone = self._free >= self.most > 1 and not one_core
                    taken = self.most if alone and not self._contention.contended else 1
                    self._free -= taken
                    cores = taken  # at once, so that they are released whatever is raised from here on, Ctrl-C included
                else:
                    waiting = self._line_up(rows, limits)
            while waiting is not None:
                if not self._called(waiting, limits):
                    return None
                if waiting.answer is not None:
                    return waiting.answer
                if len(waiting.batch) == 1:
                    cores = 1
                    break
                answer = self._run_together(waiting)
                if answer is not None:
                    return answer
                with self._lock:  # a shared run has failed, which may be due to the others
                    waiting = self._line_up(rows, limits, alone=True)
            began = self._contention.begin() if cores > 1 else None
            try:
                return self._run(rows, cores)
            finally:
                if began is not None:
                    self._contention.end(began)
        finally:
            if cores:
                self._leave(cores)

    @property
    def waiting(self) -> int:
        """The number of queued callers."""
        return len(self._line)

    def _line_up(self, rows: Sequence[Row], limits: Limits, *, alone: bool = False) -> _Waiting:
        """Queue a caller, at the front if it has waited before; the lock is held."""
        waiting = _Waiting(rows, alone=alone)
        if alone and self._free:
            self._free -= 1
            waiting.batch = [waiting]
            waiting.called.set()
        elif alone:
            self._line.insert(0, waiting)
        elif limits.most_waiting is not None and len(self._line) >= limits.most_waiting:
            msg = f"{len(self._line)} callers wait for the model already, as many as this guard lets (max_waiting)"
            raise OverloadedError(msg)
        else:
            self._line.append(waiting)
        return waiting

    def _called(self, waiting: _Waiting, limits: Limits) -> bool:
        """Wait until ``waiting`` has its outputs or a core; false if the deadline passed first."""
        try:
            if waiting.called.wait(limits.left_s):
                return True
            with self._lock:
                if waiting in self._line:
                    self._line.remove(waiting)
                    return False
            waiting.called.wait()  # somebody has just taken it along
        except BaseException:  # interrupted: nobody may wait for a caller that is gone
            self._give_up(waiting)
            raise
        return True

    def _give_up(self, waiting: _Waiting) -> None:
        with self._lock:
            waiting.gone = True
            if waiting in self._line:
                self._line.remove(waiting)
                return
            batch, waiting.batch = waiting.batch, []
        if batch:
            self._send_back(batch, waiting)
            self._leave(1)

    def _run_together(self, leader: _Waiting) -> Outputs | None:
        """Run the rows of a whole batch and distribute the outputs; ``None`` if the run failed."""
        batch = leader.batch
        try:
            outputs = self._run([row for one in batch for row in one.rows], 1)
        except BaseException as error:
            self._send_back(batch, leader)
            if not isinstance(error, Exception):
                raise
            return None
        finally:
            self._leave(1)
        start = 0
        for one in batch:
            one.answer = _part(outputs, start, start + len(one.rows))
            start += len(one.rows)
            one.called.set()
        return leader.answer

    def _send_back(self, batch: Sequence[_Waiting], leader: _Waiting) -> None:
        """Put the callers that were taken along back to the front of the queue, each to be run alone."""
        with self._lock:
            others = [one for one in batch if one is not leader and not one.gone]
            for one in others:
                one.alone = True
            self._line[:0] = others

    def _leave(self, cores: int) -> None:
        """Hand each of ``cores`` to the first in the queue, with those that fit into a run with it."""
        with self._lock:
            self._free += cores
            while self._free and self._line:
                self._free -= 1
                first = self._line.pop(0)
                first.batch = [first, *self._mates(first)]
                taken = set(map(id, first.batch))
                self._line = [one for one in self._line if id(one) not in taken]
                first.called.set()

    def _mates(self, first: _Waiting) -> list[_Waiting]:
        found: list[_Waiting] = []
        most = self._capacity()
        rows, shortest, longest = len(first.rows), first.shortest, first.longest
        for one in () if first.alone or most.rows == 1 else self._line:
            count, low, high = rows + len(one.rows), min(shortest, one.shortest), max(longest, one.longest)
            if not one.alone and count <= most.rows and fits(low, high, count, most.tokens):
                found.append(one)
                rows, shortest, longest = count, low, high
        return found


def _part(outputs: Outputs, start: int, end: int) -> Outputs:
    """Return the rows from ``start`` to ``end`` as copies: a view would keep the other rows alive."""
    return Outputs(
        outputs.logits[start:end].copy(),
        None if outputs.attention is None else outputs.attention[start:end].copy(),
        None if outputs.embedding is None else outputs.embedding[start:end].copy(),
        early=outputs.early,
    )
