"""What a forked child makes anew."""

from __future__ import annotations

import gc
import os

import pytest

from guardsdk import forking
from guardsdk.forking import after_fork


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
