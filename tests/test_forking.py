"""What a forked child makes anew, and what it does not have to wait for."""

from __future__ import annotations

import gc
import os
import signal
import threading

import pytest

from guardsdk import forking
from guardsdk.forking import after_fork, lazy


class Lasting:
    def __init__(self) -> None:
        self.renewed = 0
        after_fork(self.renew)

    def renew(self) -> None:
        self.renewed += 1


def in_child(one: Lasting) -> int:
    """Return how often ``one`` was renewed in a forked child."""
    if (child := os.fork()) == 0:
        os._exit(one.renewed)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # from 3.12 on of every fork beside threads
def test_what_lives_is_renewed_in_the_child_and_not_in_the_parent() -> None:
    one = Lasting()
    assert (in_child(one), one.renewed) == (1, 0)


def test_nothing_is_kept_alive_for_it() -> None:
    gc.collect()
    before = len(forking._METHODS)
    one = Lasting()
    assert len(forking._METHODS) == before + 1
    del one
    gc.collect()
    assert len(forking._METHODS) == before


class Slow:
    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    @lazy
    def value(self) -> int:
        """Wait."""
        self.begun.set()
        self.go_on.wait()
        return 7


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_computes_what_a_thread_of_its_parent_was_about_to() -> None:
    slow, other = Slow(), Slow()
    other.go_on.set()
    thread = threading.Thread(target=lambda: slow.value)
    thread.start()
    slow.begun.wait()
    if (child := os.fork()) == 0:
        signal.alarm(20)
        os._exit(other.value)
    slow.go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert (slow.value, vars(slow)["value"]) == (7, 7)
