"""Measurements that need a fresh process: import, cold start and memory, alternating between ours and the peer's."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from collections.abc import Sequence

DEPENDENCIES_IMPORT = "import pydantic, opentelemetry.trace, cachetools"
"""What ``import guardsdk`` cannot avoid; the rest of its import time is its own."""
_OUR_START = (
    "from guardsdk import Guard; Guard(models={model!r}, providers='cpu').check('What is the capital of France?')"
)
_OUR_MEMORY = """
import json, sys
from guardsdk import Guard
from benchmarks.peers import resident_bytes
guard = Guard(models={model!r}, providers="cpu", cache=0)
for text in json.load(sys.stdin):
    guard.check(text)
print(resident_bytes())
"""
_OUR_GROWTH = """
import itertools, json, sys
from guardsdk import Guard
from benchmarks.peers import resident_bytes
guard, found = Guard(models={model!r}, providers="cpu"), []
pairs = itertools.permutations(json.load(sys.stdin), 2)
for index, pair in enumerate(itertools.islice(pairs, {checks})):
    guard.check(" ".join(pair), actor=str(index % {actors}))
    if (index + 1) % ({checks} // {samples}) == 0:
        found.append([index + 1, resident_bytes()])
print(json.dumps(found))
"""
_ACTORS, _SAMPLES = 5_000, 20
_PEER_START = (
    "from stackone_defender import create_prompt_defense as make; "
    "make(block_high_risk=True).defend_tool_result('What is the capital of France?', 'get_content')"
)
_OUR_IMPORT = "import guardsdk"
_OUR_NAMES = "from guardsdk import Guard, guarded"
_PEER_IMPORT = "import stackone_defender"


class Fresh:
    """Runs code in fresh processes that find their bytecode compiled, as an installed package's is."""

    def __init__(self, bytecode: Path) -> None:
        """Keep compiled bytecode in ``bytecode``; the first run of each piece of code fills it."""
        self._environment = dict(os.environ) | {"PYTHONPYCACHEPREFIX": str(bytecode)}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def seconds(self, python: Path, code: str) -> tuple[float, float]:
        """Return seconds inside ``code``: processor time, and wall time.

        Raises ``subprocess.CalledProcessError`` where it fails.
        """
        timed = (
            f"import time; c, w = time.process_time(), time.perf_counter()\n{code}\n"
            "print(time.process_time() - c, time.perf_counter() - w)"
        )
        done = subprocess.run(
            [str(python), "-c", timed], capture_output=True, text=True, check=True, env=self._environment
        )
        inside, wall = done.stdout.split()[-2:]
        return float(inside), float(wall)


def resident(model: str, wanted: Sequence[str]) -> int:
    """Resident bytes of a fresh process that has checked every text once."""
    done = subprocess.run(
        [sys.executable, "-c", _OUR_MEMORY.format(model=model)],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])


def growth(model: str, sentences: Sequence[str], checks: int) -> dict[str, float]:
    """How the resident bytes of a fresh process grow over ``checks`` of distinct texts, with default cache and monitor.

    Cache, monitor and the runtime's own pools fill first: the slope is that of the second half, in bytes per check.
    """
    code = _OUR_GROWTH.format(model=model, checks=checks, actors=_ACTORS, samples=_SAMPLES)
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(sentences), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    late = found[len(found) // 2 :]
    slope = statistics.linear_regression(*zip(*late, strict=True)).slope
    return {"checks": checks, "actors": _ACTORS, "first_bytes": found[0][1], "last_bytes": found[-1][1], "slope": slope}


def starts(model: str, own_python: Path | None, peer_python: Path | None, repeats: int) -> dict[str, Any]:
    """Cold start to the first verdict and import times, each in fresh processes taken in turn; medians.

    ``own_python`` should hold guardsdk and no more, as ``peer_python`` holds the peer: the libraries both import look
    through every installed distribution for plugins.
    """
    ours = own_python or Path(sys.executable)
    tasks = {
        "first_verdict": (ours, _OUR_START.format(model=model)),
        "import": (ours, _OUR_IMPORT),
        "import_of_names": (ours, _OUR_NAMES),
        "import_of_dependencies": (ours, DEPENDENCIES_IMPORT),
    }
    if peer_python:
        tasks |= {"peer_first_verdict": (peer_python, _PEER_START), "peer_import": (peer_python, _PEER_IMPORT)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    with tempfile.TemporaryDirectory() as folder:
        process = Fresh(Path(folder))
        for index in tqdm(range(-1, repeats), desc="fresh processes", unit="round"):
            for name, (python, code) in tasks.items():
                seconds = process.seconds(python, code)
                if index >= 0:  # the first round fills the file cache and compiles
                    taken[name].append(seconds)
    return {
        name: {
            "cpu_ms": 1e3 * statistics.median(cpu for cpu, _ in found),
            "wall_ms": 1e3 * statistics.median(wall for _, wall in found),
        }
        for name, found in taken.items()
    }
