"""Schedules the runs of one call: in parallel on one core each, or one after another on all cores, whichever is faster.

A run on all cores synchronises them at every operator, so two runs on one core each have a higher throughput than two
that share both. But each takes longer by itself, and an idle core is wasted.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from guardsdk.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from guardsdk.engine.batches import Row
    from guardsdk.engine.session import Outputs
    from guardsdk.engine.turns import Turns
    from guardsdk.limits import Limits

    Batch = list[Row]

_FRAME = 24
"""Fixed cost of a run in tokens, which more cores do not reduce."""
_SHARED = 0.75
"""``cores ** _SHARED`` is the speed-up of one run on several cores over one core."""


class _Round(NamedTuple):
    """Batches that run in parallel; the next round starts when all of them are done."""

    batches: list[Batch]
    shares: list[list[int]]
    """The indices of the batches of each core."""
    end: int
    """Where the plan continues after this round."""


class ParallelRuns:
    """Runs the batches of one call. Thread-safe."""

    def __init__(self, turns: Turns, worth: Callable[[int], bool], longest: int) -> None:
        """Run through ``turns``. ``worth`` is given the tokens of a run and says whether to run it in parallel.

        ``longest`` is the most tokens a row has; each core gets about as many per round.
        """
        self._turns = turns
        self._worth = worth
        self._longest = longest

    def run(
        self, plan: Sequence[Batch], limits: Limits, wanted: Callable[[Row], bool]
    ) -> Iterator[tuple[Batch, Outputs]]:
        """Yield every batch of ``plan``, in order, with the model's outputs, until the deadline.

        Rows that are no longer ``wanted`` are left out, tested shortly before they run. Cores that other callers use or
        wait for are left to them. Every thread it starts has ended when it yields, or raises. Raises what a run raises.
        """
        at, end, alone = 0, len(plan), self._turns.most == 1
        while at < end and not limits.passed:
            batch = [row for row in plan[at] if wanted(row)]
            at += 1
            if not batch:
                continue
            together = None if alone or at == end else self._round(batch, plan, at, wanted)
            if together is None:
                outputs = self._turns.run(batch, limits)
                if outputs is None:
                    return
                yield batch, outputs
                continue
            at = together.end
            found = self._side_by_side(together, limits)
            for one, outputs in zip(together.batches, found, strict=True):
                if outputs is not None:
                    yield one, outputs
            if any(outputs is None for outputs in found):
                return

    def _round(self, first: Batch, plan: Sequence[Batch], at: int, wanted: Callable[[Row], bool]) -> _Round | None:
        """Return the part of ``plan`` from ``at`` on to run in parallel with ``first``; ``None`` to run that alone."""
        cores = self._turns.spare
        if cores == 1:
            return None
        batches, lengths = [first], [_length(first)]
        room = cores * (self._longest + _FRAME) - _FRAME - lengths[0]
        while at < len(plan):
            rows = [row for row in plan[at] if wanted(row)]
            if rows:
                room -= _FRAME + _length(rows)
                if room < 0:
                    break
                batches.append(rows)
                lengths.append(_length(rows))
            at += 1
        shares = assigned(lengths, cores)
        return _Round(batches, shares, at) if len(shares) > 1 and self._worth(lengths[0]) else None

    def _side_by_side(self, together: _Round, limits: Limits) -> list[Outputs | None]:
        """Run each share on its own core; ``None`` for what did not start before the deadline."""
        found: list[Outputs | None] = [None] * len(together.batches)

        def run(share: Sequence[int]) -> None:
            for at in share:
                if not limits.passed:
                    found[at] = self._turns.run(together.batches[at], limits, one_core=True)

        with ExitStack() as stack:
            *beside, own = together.shares  # the last has the least to do, and this thread must first start the others
            others = [stack.enter_context(Beside(partial(run, share))) for share in beside]
            run(own)
        for one in others:
            one.result()
        return found


def assigned(lengths: Sequence[int], cores: int) -> list[list[int]]:
    """Assign runs of the given ``lengths``, in tokens, to at most ``cores``, to minimise the total time.

    Longest first, each to the core with the least to do (LPT, Graham 1969, SIAM J. Appl. Math. 17:416). Returns the
    indices for each core, in order; a single list if running one after another on all cores takes no longer.
    """
    shares: list[list[int]] = [[] for _ in range(max(1, min(cores, len(lengths))))]
    loads = [0] * len(shares)
    for at in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        least = loads.index(min(loads))
        shares[least].append(at)
        loads[least] += _FRAME + lengths[at]
    in_order = len(lengths) * _FRAME + sum(lengths) / cores**_SHARED
    return [sorted(share) for share in shares] if max(loads) < in_order else [list(range(len(lengths)))]


def _length(batch: Batch) -> int:
    return sum(row.length for row in batch)
