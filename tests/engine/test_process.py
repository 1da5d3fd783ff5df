"""What only a process of its own can show: forks, and what the runtime leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from guardsdk.registry.lookup import load_manifest
from tests.tiny import write_early

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.registry.lookup import LoadedModel

LOAD = """
import os, sys
from pathlib import Path
from guardsdk.engine.classifier import Request
from guardsdk.engine.pool import classifier
from guardsdk.registry.lookup import load_manifest
from guardsdk.verdict import Stage
loaded = classifier(load_manifest(Path(sys.argv[1])), "cpu", 2)
score = lambda: loaded.score([Request("attack", Stage.INPUT)])[0].probabilities
"""
FORK = """
before, parent = score(), loaded._state
pid = os.fork()
if pid == 0:
    # Both ways out: the leftover session of the parent must not be waited for, nor be used.
    same = score() == before and loaded._state is not parent
    again = classifier(loaded.model, "cpu", 2) is loaded
    sys.exit(7 if same and again else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert score() == before and loaded._state is parent
"""
FORK_WHILE_LOADING = """
import threading
from guardsdk.engine import pool
pool._POOL.lock.acquire()
loaded._lock.acquire()
loaded._state = None
pid = os.fork()
if pid == 0:
    score()
    classifier(loaded.model, "cpu", 1)
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
"""
TELEMETRY = """
assert "ORT_DISABLE_TELEMETRY" not in os.environ
score()
"""


def _run(script: str, model: LoadedModel, home: Path) -> None:
    # Without CI, which would keep the runtime quiet by itself, and without what the test session sets for itself.
    quiet = {"CI", "ORT_DISABLE_TELEMETRY"}
    environment = {
        name: value for name, value in os.environ.items() if name not in quiet and not name.startswith("XDG")
    }
    # From 3.12 on Python warns of every fork beside threads; that it works here is what is shown.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", LOAD + script, str(model.directory)]
    done = subprocess.run(
        command, env={**environment, "HOME": str(home)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("script", [FORK, FORK_WHILE_LOADING], ids=["idle", "loading"])
def test_a_forked_child_loads_its_own_session_and_ends_cleanly(script: str, tiny: LoadedModel, tmp_path: Path) -> None:
    _run(script, tiny, tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_loads_both_halves_of_a_model(tmp_path: Path) -> None:
    _run(FORK, load_manifest(write_early(tmp_path / "tiny")), tmp_path)


def test_the_runtime_keeps_no_identifier_and_no_queue_of_events(tiny: LoadedModel, tmp_path: Path) -> None:
    _run(TELEMETRY, tiny, tmp_path)
    assert list(tmp_path.iterdir()) == []
