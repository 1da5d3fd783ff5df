"""A lone caller's runs take all cores, but not for long on a machine that has other work for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk.engine.contention import ENOUGH_S, LEAST_SHARE, LONGEST_REST_S, REST_S, TRIAL_S, Contention
from guardsdk.engine.session import Outputs
from guardsdk.engine.turns import Capacity, Turns
from guardsdk.limits import UNLIMITED
from tests.engine.test_turns import row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.engine.batches import Row

STEP_S = 0.01
ENOUGH = round(ENOUGH_S / STEP_S) + 1
"""Runs of that length that are judged for certain."""
TRIAL = round(TRIAL_S / STEP_S) + 1


class Machine:
    """Two clocks, and a model whose every run takes a while and gets a share of it."""

    def __init__(self, share: float = 1.0) -> None:
        self.now = self.cpu = 0.0
        self.share = share
        """Of the processor time a run on all cores could have."""
        self.cores: list[int] = []
        self.fails = False
        self.contention = Contention(lambda: self.now, lambda: self.cpu)
        self.turns = Turns(self._run, 2, lambda: Capacity(1, 1000), 2, self.contention)

    def _run(self, rows: Sequence[Row], cores: int) -> Outputs:
        self.cores.append(cores)
        self.now += STEP_S
        self.cpu += STEP_S * self.share
        if self.fails:
            raise MemoryError
        return Outputs(np.zeros((len(rows), 1), np.float32))

    def checks(self, number: int) -> list[int]:
        """The cores that as many runs took, one after the other."""
        self.cores.clear()
        for _ in range(number):
            self.turns.run([row(0)], UNLIMITED)
        return self.cores


def test_on_a_machine_of_its_own_every_run_takes_all_cores() -> None:
    assert set(Machine().checks(20 * ENOUGH)) == {2}


def test_where_others_are_at_work_runs_soon_take_one_core() -> None:
    cores = Machine(share=0.5).checks(2 * ENOUGH)
    assert cores == sorted(cores, reverse=True)
    assert ENOUGH - 2 <= cores.count(2) <= ENOUGH


@pytest.mark.parametrize(("share", "due"), [(LEAST_SHARE + 0.01, 2), (LEAST_SHARE - 0.01, 1)])
def test_the_share_of_a_core_that_a_run_gets_decides(share: float, due: int) -> None:
    machine = Machine(share)
    machine.checks(ENOUGH)
    assert machine.checks(1) == [due]


def test_a_hiccup_changes_nothing() -> None:
    machine = Machine()
    for _ in range(20):
        machine.share = 0.0
        machine.checks(1)
        machine.share = 1.0
        assert set(machine.checks(ENOUGH // 4)) == {2}


def test_time_between_runs_counts_for_neither_side() -> None:
    machine = Machine()
    for _ in range(2 * ENOUGH):
        machine.now += 10.0
        assert machine.checks(1) == [2]


def test_all_cores_are_tried_again_ever_more_rarely_while_others_are_at_work() -> None:
    machine = Machine(share=0.4)
    machine.checks(ENOUGH)
    rest = REST_S
    for _ in range(10):
        machine.now += rest - 2 * STEP_S
        assert machine.checks(1) == [1]
        machine.now += 2 * STEP_S
        tried = machine.checks(2 * TRIAL)
        assert tried == sorted(tried, reverse=True)
        assert 1 < tried.count(2) <= TRIAL
        rest = min(LONGEST_REST_S, 2 * rest)
        machine.now -= tried.count(1) * STEP_S
    assert rest == LONGEST_REST_S


def test_once_the_others_have_gone_runs_take_all_cores_as_before() -> None:
    machine = Machine(share=0.4)
    for _ in range(3):
        machine.checks(ENOUGH)
        machine.now += LONGEST_REST_S
    machine.share = 1.0
    assert set(machine.checks(10 * ENOUGH)) == {2}
    machine.share = 0.4
    assert machine.checks(2 * ENOUGH)[-1] == 1
    machine.now += REST_S  # and the next rest is a short one again
    assert machine.checks(1) == [2]


def test_a_run_that_fails_is_watched_like_any_other() -> None:
    machine = Machine(share=0.4)
    machine.fails = True
    for _ in range(ENOUGH):
        with pytest.raises(MemoryError):
            machine.checks(1)
    assert machine.contention.contended


def test_runs_on_one_core_say_nothing_of_the_others() -> None:
    machine = Machine(share=0.4)
    machine.turns.most = 1
    machine.checks(2 * ENOUGH)
    assert not machine.contention.contended
