"""Callers take turns: a lone one at once and on many cores, others in order, together where rows may share a run."""

from __future__ import annotations

import threading
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk.engine.batches import Row
from guardsdk.engine.session import Outputs
from guardsdk.engine.tokenizer import WIDE
from guardsdk.engine.turns import Capacity, Turns
from guardsdk.errors import OverloadedError
from guardsdk.limits import UNLIMITED, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE_S = 30


def row(number: int, length: int = 10) -> Row:
    return Row(number, 0, array(WIDE, [0]), array(WIDE, [number] * (length - 1)), paired=False, length=length)


class Engine:
    """Answers each row with its own number, and stands still before a run while ``gate`` is closed."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.runs: list[list[int]] = []
        self.cores: list[int] = []
        """That each run may take."""
        self.at_work = self.most_at_work = 0
        self.bad: set[int] = set()
        self._lock = threading.Lock()

    def run(self, rows: Sequence[Row], cores: int) -> Outputs:
        numbers = [one.owner for one in rows]
        with self._lock:
            self.runs.append(numbers)
            self.cores.append(cores)
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
        assert self.gate.wait(PATIENCE_S)
        with self._lock:
            self.at_work -= 1
        if self.bad & set(numbers):
            msg = f"no rows like {numbers}"
            raise ValueError(msg)
        values = np.array(numbers, dtype=np.float32)[:, None]
        return Outputs(values, np.repeat(values[:, :, None], max(one.length for one in rows), axis=2), values)


@pytest.fixture
def engine() -> Engine:
    return Engine()


def turns_of(engine: Engine, cores: int = 1, rows: int = 1, tokens: int = 1000, most: int = 1) -> Turns:
    return Turns(engine.run, cores, lambda: Capacity(rows, tokens), most)


def answer(turns: Turns, *rows: Row, limits: Limits | None = None) -> list[float] | None:
    # Nobody waits for ever: where a place is lost the answer is none, and the test fails instead of hanging.
    outputs = turns.run(rows, limits or Limits.within(PATIENCE_S))
    return None if outputs is None else outputs.logits[:, 0].tolist()


def wait_until(turns: Turns, waiting: int) -> None:
    ends = time.monotonic() + PATIENCE_S
    while turns.waiting < waiting and time.monotonic() < ends:
        time.sleep(0.001)
    assert turns.waiting == waiting


def line_up(turns: Turns, engine: Engine, pool: ThreadPoolExecutor, rows: Sequence[Row]) -> list[list[float] | None]:
    """Let ``rows`` queue up, in order, behind a run that stands still; return their answers."""
    engine.gate.clear()
    futures = [pool.submit(answer, turns, row(100))]
    while not engine.runs:
        time.sleep(0.001)
    for at, one in enumerate(rows):
        futures.append(pool.submit(answer, turns, one))
        wait_until(turns, at + 1)
    engine.gate.set()
    return [future.result(PATIENCE_S) for future in futures[1:]]


def test_a_lone_caller_runs_at_once_in_its_own_thread(engine: Engine) -> None:
    threads: list[int] = []

    def run(rows: Sequence[Row], cores: int) -> Outputs:
        threads.append(threading.get_ident())
        return engine.run(rows, cores)

    turns = Turns(run, 1, lambda: Capacity(64, 1000))
    assert [answer(turns, row(number)) for number in range(3)] == [[0], [1], [2]]
    assert threads == [threading.get_ident()] * 3
    assert turns.waiting == 0


def test_callers_are_served_in_order_and_never_more_at_a_time_than_there_are_cores(engine: Engine) -> None:
    turns = turns_of(engine, cores=2)
    with ThreadPoolExecutor(16) as pool:
        engine.gate.clear()
        futures = [pool.submit(answer, turns, row(number)) for number in range(200)]
        wait_until(turns, 14)
        assert engine.at_work == 2
        engine.gate.set()
        assert [future.result(PATIENCE_S) for future in futures] == [[number] for number in range(200)]
    assert engine.most_at_work == 2
    engine.runs.clear()
    lone = turns_of(engine)
    with ThreadPoolExecutor(16) as pool:
        assert line_up(lone, engine, pool, [row(number) for number in range(8)]) == [[number] for number in range(8)]
    assert engine.runs == [[100], *([number] for number in range(8))]


def test_a_lone_caller_takes_many_cores_and_others_one_each(engine: Engine) -> None:
    turns = turns_of(engine, cores=2, most=2)
    assert [answer(turns, row(number)) for number in range(2)] == [[0], [1]]
    assert engine.cores == [2, 2]
    with ThreadPoolExecutor(8) as pool:
        line_up(turns, engine, pool, [row(number) for number in range(5)])
    assert engine.runs[2] == [100]
    assert engine.cores[2:] == [2, 1, 1, 1, 1, 1]
    assert answer(turns, row(7)) == [7]
    assert engine.cores[-1] == 2  # all were left


def test_whoever_leaves_many_cores_calls_as_many_callers(engine: Engine) -> None:
    together = threading.Barrier(3, timeout=PATIENCE_S)

    def run(rows: Sequence[Row], cores: int) -> Outputs:
        outputs = engine.run(rows, cores)
        if cores == 1:
            together.wait()  # until three are at work
        return outputs

    turns = Turns(run, 3, lambda: Capacity(1, 1000), 3)
    with ThreadPoolExecutor(8) as pool:
        assert line_up(turns, engine, pool, [row(number) for number in range(3)]) == [[0], [1], [2]]


def test_where_not_all_cores_are_free_a_run_takes_one(engine: Engine) -> None:
    turns = turns_of(engine, cores=3, most=2)
    with ThreadPoolExecutor(8) as pool:
        engine.gate.clear()
        futures = []
        for number, at_work in enumerate((1, 2), start=1):
            futures.append(pool.submit(answer, turns, row(number)))
            while engine.at_work < at_work:
                time.sleep(0.001)
        assert engine.cores == [2, 1]
        futures.append(pool.submit(answer, turns, row(3)))
        wait_until(turns, 1)
        engine.gate.set()
        assert [future.result(PATIENCE_S) for future in futures] == [[1], [2], [3]]
    assert engine.cores == [2, 1, 1]


def test_rows_of_like_length_share_a_run_and_everyone_gets_its_own(engine: Engine) -> None:
    turns = turns_of(engine, rows=3)
    lengths = [10, 200, 11, 12, 13, 210]
    with ThreadPoolExecutor(16) as pool:
        found = line_up(turns, engine, pool, [row(number, length) for number, length in enumerate(lengths)])
    assert found == [[number] for number in range(6)]
    assert engine.runs == [[100], [0, 2, 3], [1, 5], [4]]


def test_a_run_stays_within_its_tokens(engine: Engine) -> None:
    turns = turns_of(engine, rows=64, tokens=25)
    with ThreadPoolExecutor(16) as pool:
        line_up(turns, engine, pool, [row(number) for number in range(5)])
    assert engine.runs == [[100], [0, 1], [2, 3], [4]]


def test_rows_nobody_can_run_fail_for_their_caller_alone(engine: Engine) -> None:
    turns = turns_of(engine, rows=8)
    engine.bad = {2}
    with ThreadPoolExecutor(16) as pool:
        engine.gate.clear()
        first = pool.submit(answer, turns, row(100))
        futures = []
        for number in range(4):
            futures.append(pool.submit(answer, turns, row(number)))
            wait_until(turns, number + 1)
        engine.gate.set()
        assert first.result(PATIENCE_S) == [100]
        assert [futures[number].result(PATIENCE_S) for number in (0, 1, 3)] == [[0], [1], [3]]
        with pytest.raises(ValueError, match="rows like"):
            futures[2].result(PATIENCE_S)
    assert engine.runs[1] == [0, 1, 2, 3]
    assert sorted(engine.runs[2:]) == [[0], [1], [2], [3]]
    assert answer(turns, row(7)) == [7]  # the place was left


def test_a_caller_whose_time_is_up_leaves_the_line_unserved(engine: Engine) -> None:
    turns = turns_of(engine)
    with ThreadPoolExecutor(2) as pool:
        engine.gate.clear()
        first = pool.submit(answer, turns, row(100))
        while not engine.runs:
            time.sleep(0.001)
        assert answer(turns, row(1), limits=Limits.within(0.01)) is None
        assert turns.waiting == 0
        engine.gate.set()
        assert first.result(PATIENCE_S) == [100]
    assert engine.runs == [[100]]


def test_whoever_comes_to_a_full_line_is_turned_away(engine: Engine) -> None:
    turns = turns_of(engine)
    with ThreadPoolExecutor(4) as pool:
        engine.gate.clear()
        futures = [pool.submit(answer, turns, row(100))]
        while not engine.runs:
            time.sleep(0.001)
        futures.append(pool.submit(answer, turns, row(1)))
        wait_until(turns, 1)
        with pytest.raises(OverloadedError, match="1 callers wait"):
            turns.run([row(2)], Limits(most_waiting=1))
        engine.gate.set()
        assert [future.result(PATIENCE_S) for future in futures] == [[100], [1]]
    assert answer(turns, row(3), limits=Limits(most_waiting=0)) == [3]  # nobody has to wait any more


def test_an_interrupted_caller_holds_up_nobody(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = turns_of(engine)
    with ThreadPoolExecutor(4) as pool:
        engine.gate.clear()
        futures = [pool.submit(answer, turns, row(100))]
        while not engine.runs:
            time.sleep(0.001)
        with monkeypatch.context() as patched:
            patched.setattr("threading.Event.wait", _interrupt)
            with pytest.raises(KeyboardInterrupt):
                turns.run([row(1)], UNLIMITED)
        assert turns.waiting == 0
        futures.append(pool.submit(answer, turns, row(2)))
        wait_until(turns, 1)
        engine.gate.set()
        assert [future.result(PATIENCE_S) for future in futures] == [[100], [2]]
    assert engine.runs == [[100], [2]]


def _interrupt(*_: object) -> bool:
    raise KeyboardInterrupt
