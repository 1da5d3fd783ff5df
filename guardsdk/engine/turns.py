"""Scheduling of runs: many threads take turns at one model, and share a run where rows may (dynamic batching).

There is no scheduler thread. A caller who finds a free core runs at once, on several cores where enough are free and
the machine has no other work for them, so a lone caller never waits. Others queue. Whoever finishes hands each core to
the first in line, who takes along those behind with rows of about the same length. While callers queue, each run has
one core: runs on one core each get more done than runs that share cores, which wait for each other at every operator.
A text of many windows queues again for each run, so that it never holds up a short text for longer than one run.
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
    """Rows and the cores that their run may take."""


class Capacity(NamedTuple):
    """What may share one run. It changes where a GPU fails and the CPU takes over."""

    rows: int
    tokens: int
    """Tokens in one run, padding included."""


class _Waiting:
    """One caller in line."""

    __slots__ = ("alone", "answer", "batch", "called", "gone", "longest", "rows", "shortest")

    def __init__(self, rows: Sequence[Row], *, alone: bool) -> None:
        self.rows = rows
        lengths = [row.length for row in rows]
        self.shortest, self.longest = min(lengths), max(lengths)
        self.alone = alone
        """Never in one run with others: such a run has failed."""
        self.gone = False
        """Interrupted while it waited."""
        self.called = threading.Event()
        self.batch: list[_Waiting] = []
        """Whose rows to run, its own among them, once a core was handed over; the core then has to be left."""
        self.answer: Outputs | None = None
        """What another caller's run gave for its rows."""


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

        A run takes ``most`` of them, no more than ``cores``, where that many are free as its caller comes and the
        machine has no other work for them (``contention``); else one.
        """
        self._run = run
        self._capacity = capacity
        self._contention = contention or Contention()
        self._lock = threading.Lock()
        self._free = cores
        self.most = most
        """Cores that one caller takes."""
        self._line: list[_Waiting] = []

    @property
    def spare(self) -> int:
        """How many runs on a core each a caller could begin now, one of them in line at worst; ``most`` at best."""
        return 1 if self._line else max(1, min(self.most, self._free))

    def run(self, rows: Sequence[Row], limits: Limits, *, one_core: bool = False) -> Outputs | None:
        """Return what the model gives for ``rows``, which fit into one run; none where the time was up first.

        The run takes ``one_core`` only where its caller has others to run beside it.
        Raises ``OverloadedError`` at once where more callers wait already than ``limits`` allow, and what ``run``
        raises for these rows; what it raises for the rows of others is theirs alone.
        """
        cores = 0
        waiting: _Waiting | None = None
        try:
            with self._lock:
                if self._free and not self._line:
                    alone = self._free >= self.most > 1 and not one_core
                    taken = self.most if alone and not self._contention.contended else 1
                    self._free -= taken
                    cores = taken  # at once: whatever is raised from here on, Ctrl-C too, they are left again
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
                with self._lock:  # a run with others has failed, which may be their doing
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
        """How many callers are in line."""
        return len(self._line)

    def _line_up(self, rows: Sequence[Row], limits: Limits, *, alone: bool = False) -> _Waiting:
        """Add a caller to the line, first in it where it has waited before; the lock is held."""
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
        """Wait until ``waiting`` has its answer or a core; false where the time was up before either."""
        try:
            if waiting.called.wait(limits.left_s):
                return True
            with self._lock:
                if waiting in self._line:
                    self._line.remove(waiting)
                    return False
            waiting.called.wait()  # somebody has just taken it along
        except BaseException:  # interrupted: nobody may wait for a caller who is gone
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
        """Run the rows of a whole batch and hand out the answers; none where that failed."""
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
        """Put those who were taken along back to the front of the line, each to be run by itself."""
        with self._lock:
            others = [one for one in batch if one is not leader and not one.gone]
            for one in others:
                one.alone = True
            self._line[:0] = others

    def _leave(self, cores: int) -> None:
        """Leave each of ``cores`` to the first in line, with those that fit into one run with it."""
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
    """Return the rows from ``start`` to ``end`` as copies: a view would keep the rows of others alive."""
    return Outputs(
        outputs.logits[start:end].copy(),
        None if outputs.attention is None else outputs.attention[start:end].copy(),
        None if outputs.embedding is None else outputs.embedding[start:end].copy(),
        early=outputs.early,
    )
