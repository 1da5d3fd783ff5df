from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk.engine import cores
from guardsdk.engine.session import OnnxSession

if TYPE_CHECKING:
    from pathlib import Path


def _machine(root: Path, siblings: list[str], quota: str | None = None) -> Path:
    for cpu, names in enumerate(siblings):
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(f"{names}\n")
    if quota is not None:
        (root / "sys/fs/cgroup").mkdir(parents=True)
        (root / "sys/fs/cgroup/cpu.max").write_text(f"{quota}\n")
    return root


@pytest.mark.parametrize(
    ("siblings", "quota", "threads"),
    [
        (["0-1", "0-1", "2-3", "2-3"], None, 2),
        (["0", "1", "2", "3", "4", "5", "6", "7"], None, 4),
        (["0", "1", "2", "3"], "max 100000", 4),
        (["0", "1", "2", "3"], "250000 100000", 2),
        (["0", "1", "2", "3"], "50000 100000", 1),
        (["0"], "nonsense", 1),
    ],
)
def test_physical_cores_within_the_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, siblings: list[str], quota: str | None, threads: int
) -> None:
    monkeypatch.setattr(cores, "_affinity", lambda: set(range(len(siblings))))
    assert cores.default_threads(_machine(tmp_path, siblings, quota)) == threads


def test_only_the_cpus_this_process_may_use_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_affinity", lambda: {2})
    assert cores.default_threads(_machine(tmp_path, ["0", "1", "2", "3"])) == 1


def test_a_machine_that_tells_nothing_still_gets_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_affinity", lambda: {0, 1})
    assert cores.default_threads(tmp_path) == 2


def test_this_machine() -> None:
    assert 1 <= cores.default_threads() <= 4


def test_threads_wait_actively_no_longer_than_for_the_next_operator(model_directory: Path) -> None:
    session = OnnxSession(model_directory / "model_late.onnx", "cpu", 2)
    told = session._session.get_session_options().get_session_config_entry
    assert told("session.force_spinning_stop") == "1"
    assert 100 <= int(told("session.intra_op.spin_duration_us")) <= 1000
