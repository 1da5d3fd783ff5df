"""The number of threads that one inference should use on this machine."""

from __future__ import annotations

import os
from pathlib import Path

_MOST_THREADS = 4
"""Rows this small gain little from more, and a guard shares the machine with its application."""


def default_threads(root: Path = Path("/")) -> int:
    """Return the physical cores this process may use, at least 1 and at most 4.

    Counts cores, not hyper-threads, within the CPU affinity and the CPU quota of the container (cgroup v2). ``root`` is
    the directory that contains ``sys``.
    """
    return min(_MOST_THREADS, usable_cores(root))


def usable_cores(root: Path = Path("/")) -> int:
    """Return the physical cores this process may use, at least 1, counted as for ``default_threads``."""
    cores = len({_siblings(root, cpu) for cpu in _affinity()})
    quota = _quota(root)
    return max(1, cores if quota is None else min(cores, quota))


def _affinity() -> set[int]:
    try:
        return set(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        return set(range(os.cpu_count() or 1))


def _siblings(root: Path, cpu: int) -> str:
    """Return an id shared by the hyper-threads of a core; without kernel information each counts as a core."""
    try:
        return (root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)


def _quota(root: Path) -> int | None:
    """Return the whole CPUs the container may use per period, rounded down, or ``None`` if unlimited."""
    try:
        limit, period = (root / "sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(limit) // int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None
