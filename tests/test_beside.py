"""Work in a thread beside the caller's."""

from __future__ import annotations

import threading
import weakref

import pytest

from guardsdk.beside import Beside


def test_the_work_is_done_while_the_block_runs() -> None:
    begun, let_go = threading.Event(), threading.Event()

    def work() -> int:
        begun.set()
        assert let_go.wait(10)
        return threading.get_ident()

    with Beside(work) as beside:
        assert begun.wait(10)
        let_go.set()
    assert beside.result() != threading.get_ident()


def test_the_result_is_waited_for_where_it_is_asked_for_inside_the_block() -> None:
    def work() -> str:
        asked.wait(0.05)  # were it not waited for, nothing would have come of it yet
        return "done"

    asked = threading.Event()
    with Beside(work) as beside:
        assert beside.result() == "done"
        asked.set()


def test_the_end_of_the_block_waits_also_where_the_block_fails() -> None:
    let_go, done = threading.Event(), threading.Event()

    def work() -> None:
        assert let_go.wait(10)
        done.set()

    def fail() -> None:
        with Beside(work):
            let_go.set()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert done.is_set()


def test_what_the_work_raised_is_raised_where_its_result_is_asked_for() -> None:
    def work() -> None:
        raise LookupError

    with Beside(work) as beside:
        pass
    with pytest.raises(LookupError):
        beside.result()


def test_an_error_that_was_raised_is_not_kept() -> None:
    class Load:
        pass

    kept: list[weakref.ref[Load]] = []

    def work() -> None:
        load = Load()
        kept.append(weakref.ref(load))
        raise LookupError

    with Beside(work) as beside:
        pass
    with pytest.raises(LookupError):
        beside.result()
    assert kept[0]() is None


def test_without_a_thread_the_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Beside(threading.get_ident) as beside:
        pass
    assert beside.result() == threading.get_ident()
