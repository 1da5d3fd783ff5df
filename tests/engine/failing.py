"""A runtime whose "GPU" computes with the real CPU session and then breaks in the ways GPUs break."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from guardsdk.engine.session import PROVIDER_NAMES, Kind, OnnxSession, Outputs, Session

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.engine.session import Feed


class BreakingSession:
    def __init__(self, inner: Session, good_runs: int, *, silently: bool) -> None:
        self._inner = inner
        self._good_runs = good_runs
        self._silently = silently

    def run(self, feed: Feed) -> Outputs:
        self._good_runs -= 1
        if self._good_runs >= 0:
            return self._inner.run(feed)
        if self._silently:
            outputs = self._inner.run(feed)
            return replace(outputs, logits=np.full_like(outputs.logits, np.nan))
        msg = "CUDA failure 700: an illegal memory access was encountered\nat somewhere.cc:42"
        raise RuntimeError(msg)


class BreakingRuntime:
    """Offers CUDA; ``good_runs`` runs succeed there, the probe run included. Optionally CPU is broken as well."""

    def __init__(self, good_runs: int, *, silently: bool = False, cpu_opens: bool = True) -> None:
        self.opened: list[tuple[str, Kind]] = []
        self._good_runs = good_runs
        self._silently = silently
        self._cpu_opens = cpu_opens
        self.good_runs_later: list[int] = []
        """Of the sessions that are opened on CUDA after the first, in order; as many as the first where it is empty."""

    def offered(self) -> list[str]:
        return [PROVIDER_NAMES["cuda"], PROVIDER_NAMES["cpu"]]

    def open(self, path: Path, kind: Kind, threads: int) -> Session:
        self.opened.append((path.name, kind))
        if kind == "cpu" and not self._cpu_opens:
            msg = "no memory"
            raise MemoryError(msg)
        session = OnnxSession(path, "cpu", threads)
        if kind == "cpu":
            return session
        opened_before = [kind for _, kind in self.opened].count("cuda") > 1
        good_runs = self.good_runs_later.pop(0) if opened_before and self.good_runs_later else self._good_runs
        return BreakingSession(session, good_runs, silently=self._silently)
