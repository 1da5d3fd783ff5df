"""How long a writer waits for others, threads and processes, and who does not."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from guardsdk.decisions import LogRules
from guardsdk.decisions.locking import locked
from guardsdk.decisions.verify import verify
from guardsdk.decisions.writer import Writer
from guardsdk.errors import DecisionLogError
from guardsdk.observing import CheckRecord
from tests.decisions.conftest import record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.decisions.conftest import Written


def test_another_writer_that_never_ends_is_not_waited_for_for_ever(written: Written) -> None:
    log = written.fill(1, lock_timeout_s=0.05)
    with locked(written.place.head, 1.0), pytest.raises(DecisionLogError, match="another writer"):
        log.record([record()])
    log.record([record()])
    assert verify(written.path).sound


class Looked(list[CheckRecord]):
    """Records that tell when the log turns to them, and keep it there."""

    def __init__(self) -> None:
        super().__init__([record()])
        self.at, self.go = threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[CheckRecord]:
        self.at.set()
        self.go.wait(60)
        return super().__iter__()


def test_a_thread_that_waits_keeps_no_other_waiting_for_longer_than_the_rules_say(written: Written) -> None:
    log, slow = written.fill(1, lock_timeout_s=0.05), Looked()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(log.record, slow)
        assert slow.at.wait(10)
        try:
            second = pool.submit(log.record, [record(), record()])
            with pytest.raises(DecisionLogError, match=r"another writer held the log for more than 0\.05 s"):
                second.result(10)
            health = pool.submit(lambda: log.health).result(10)
        finally:
            slow.go.set()
        first.result(10)
    assert (health.written, health.lost) == (1, 2)
    assert log.health.written == 2
    log.record([record()])
    assert written.kinds() == ["open", "decision", "decision", "lost", "decision"]
    assert [line["count"] for line in written.lines() if line["kind"] == "note"] == [2]
    assert verify(written.path).sound


def test_the_health_of_a_log_is_told_while_another_process_holds_it(written: Written) -> None:
    log, waiting = written.fill(1, lock_timeout_s=60), Looked()
    waiting.go.set()
    with ThreadPoolExecutor(2) as pool:
        with locked(written.place.head, 1):
            first = pool.submit(log.record, waiting)
            assert waiting.at.wait(10)
            health = pool.submit(lambda: log.health).result(10)
        first.result(10)
    assert (health.written, log.health.written) == (1, 2)


def test_the_time_for_other_threads_and_for_other_processes_is_one(written: Written) -> None:
    written.fill(1)
    writer = Writer(written.place, LogRules(lock_timeout_s=3600), None)
    with ThreadPoolExecutor(1) as pool, locked(written.place.head, 1):
        late = pool.submit(writer.append, [], time.monotonic() - 3601)
        with pytest.raises(DecisionLogError, match="another writer"):
            late.result(10)


@pytest.mark.parametrize("timeout_s", [math.inf, 1e300])
def test_a_log_may_wait_for_ever_for_other_writers(written: Written, timeout_s: float) -> None:
    written.fill(2, lock_timeout_s=timeout_s)
    assert verify(written.path).decisions == 2
