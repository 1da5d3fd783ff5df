"""Runs rows of tokens on the active session, falls back to the CPU if a GPU fails, and returns once it works again."""

from __future__ import annotations

import threading
import time
from math import isfinite
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.engine import providers
from guardsdk.engine.early import Halves
from guardsdk.engine.session import first_line, tokens_fed
from guardsdk.errors import ModelError
from guardsdk.registry.lookup import verify_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.engine.early import Exits
    from guardsdk.engine.providers import Started
    from guardsdk.engine.session import Feed, Kind, Outputs, Runtime, Session
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.settings import Providers


COOL_DOWN_S: Final = 60.0
"""Seconds from a GPU failure until it is tried again; doubled by each further failure."""
LONGEST_COOL_DOWN_S: Final = 3600.0
PAYS_FROM: Final = 50_000
"""Tokens that could have run in parallel before a second session is opened: those of two hundred windows. It takes some
25 MiB, which is worth it for a process that reads long texts all day, and not for one that met a few."""


class Runner:
    """A started model on one device. Thread-safe."""

    def __init__(
        self,
        model: LoadedModel,
        requested: Providers,
        threads: int,
        runtime: Runtime,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Choose a device, load the graph and probe it. Raises ``ModelError`` if nothing can be started."""
        self._model = model
        self._threads = threads
        self._runtime = runtime
        self._lock = threading.Lock()
        self._trying = threading.Lock()
        self._single: Session | None = None
        """The single-threaded session, once it was needed."""
        self._missed = 0
        """Tokens that could have run in parallel, had that session been open."""
        self._clock = clock
        self._cool_down_s = COOL_DOWN_S
        self._again_at: float | None = None
        chosen = providers.plan(requested, runtime.offered(), model.manifest.graphs)
        self._active = providers.start(chosen, self._open, self._probe)

    @property
    def active(self) -> providers.Started:
        """The session in use, with its provider and the reason for it."""
        return self._active

    @property
    def in_halves(self) -> bool:
        """Whether the model runs as two halves."""
        return isinstance(self._active.session, Halves)

    def side_by_side(self, tokens: int) -> bool:
        """Return whether rows, one of which has ``tokens`` tokens, should run in parallel on one thread each.

        The session for that takes time and memory, so it is opened once many tokens have run without it. If it could
        not be opened, the answer is no.
        """
        if self._single is not None:
            return self._single is not self._active.session
        self._missed += tokens
        return self._missed > PAYS_FROM

    def run(
        self, ids: np.ndarray, mask: np.ndarray, kinds: np.ndarray, exits: Exits = (), *, one_thread: bool = False
    ) -> Outputs:
        """Run token ids, attention mask and token types, int64 [B, T] each.

        If the model is in two halves, the lower one alone may answer rows within ``exits``; see ``engine.early``.
        ``one_thread`` leaves the other cores to other callers, on CPU; the result does not depend on it. A failure on
        CUDA moves this model to the CPU, where the rows are run again. After a cool-down one caller tries CUDA again,
        while others continue on the CPU. Raises ``ModelError`` if the model cannot be run on CPU, or its logits [B, L]
        are not finite.
        """
        if self._again_at is not None and self._clock() >= self._again_at:
            self._retry_cuda()
        active, feed = self._active, tokens_fed(ids, mask, kinds)
        session = self._on_one_thread(active) if one_thread and active.kind == "cpu" else active.session
        try:
            return self._checked(session, feed, exits)
        except Exception as error:  # noqa: BLE001  a driver may raise anything; nothing is lost, see replace()
            with self._lock:
                if self._active is active:  # otherwise another thread has already replaced it
                    self._active = providers.replace(active, error, self._open_later)
                    self._begin_cool_down()
                active, feed = self._active, tokens_fed(ids, mask, kinds)
        try:
            return self._checked(active.session, feed, exits)
        except Exception as error:
            msg = f"the model could not be run on {active.provider}: {first_line(error)}"
            raise ModelError(msg) from error

    def _on_one_thread(self, active: Started) -> Session:
        """Return the single-threaded session, opened by the first caller that needs it, as it takes memory.

        Returns that of ``active`` while another caller opens it, and permanently if it cannot be opened.
        """
        if self._single is None and self._trying.acquire(blocking=False):
            try:
                self._single = self._open_later("cpu", one_thread=True)
            except Exception:  # noqa: BLE001  memory may be short; checks work without it
                self._single = active.session
            finally:
                self._trying.release()
        return self._single or active.session

    def _begin_cool_down(self) -> None:
        """Set when CUDA is tried again, later after each failure; the lock is held."""
        self._again_at = self._clock() + self._cool_down_s
        self._cool_down_s = min(LONGEST_COOL_DOWN_S, 2 * self._cool_down_s)

    def _retry_cuda(self) -> None:
        """Try CUDA again, and return to it if it passes its probe run; in one thread at a time."""
        if not self._trying.acquire(blocking=False):
            return
        try:
            tried = providers.again(self._open_later, self._probe)
            with self._lock:
                if tried is None:
                    self._begin_cool_down()
                else:
                    # The cool-down is not reset: a device that works only for a while is tried ever less often.
                    self._active, self._again_at = tried, None
        finally:
            self._trying.release()

    def both(self, ids: np.ndarray, mask: np.ndarray, kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of the lower half and of the whole model for the same rows, [B, L] each.

        Raises ``ModelError`` if the model does not run in two halves, or its logits are not finite.
        """
        session, feed = self._active.session, tokens_fed(ids, mask, kinds)
        if not isinstance(session, Halves):
            msg = "the model has no early exit, or does not run on the CPU"
            raise ModelError(msg)
        early, full = self._run_both_halves(session, feed)
        return early.logits, full.logits

    def _open_later(self, kind: Kind, *, one_thread: bool = False) -> Session:
        """Open a session long after the start, as the files may have been replaced since."""
        with verify_files(self._model).unchanged():
            return self._open(kind, one_thread=one_thread)

    def _open(self, kind: Kind, *, one_thread: bool = False) -> Session:
        manifest, threads = self._model.manifest, 1 if one_thread else self._threads

        def opened(name: str) -> Session:
            return self._runtime.open(self._model.path(name), kind, threads)

        if kind == "cpu" and manifest.early_exit is not None:
            return Halves(opened(manifest.early_exit.graph), opened(manifest.early_exit.rest))
        return opened(manifest.graphs[kind])

    def _probe(self, session: Session) -> None:
        """Run one short row of token ids that every vocabulary has; the first run also plans the memory."""
        row = np.ones((1, 8), dtype=np.int64)
        feed = tokens_fed(row, row, np.zeros_like(row))
        if isinstance(session, Halves):
            self._run_both_halves(session, feed)
        else:
            self._checked(session, feed)

    def _run_both_halves(self, session: Halves, feed: Feed) -> tuple[Outputs, Outputs]:
        early = self._require_fit(session.lower.run(feed), feed)
        return early, self._require_fit(session.go_on(feed, early), feed)

    def _checked(self, session: Session, feed: Feed, exits: Exits = ()) -> Outputs:
        return self._require_fit(session.run(feed, exits) if isinstance(session, Halves) else session.run(feed), feed)

    def _require_fit(self, outputs: Outputs, feed: Feed) -> Outputs:
        """Return ``outputs`` if they have the right shapes for ``feed`` and finite logits; raise otherwise."""
        (rows, tokens), labels = feed["input_ids"].shape, len(self._model.manifest.labels)
        if outputs.logits.shape != (rows, labels):
            msg = f"the model gave logits of shape {outputs.logits.shape} where {(rows, labels)} was due"
            raise ModelError(msg)
        if outputs.attention is not None and outputs.attention.shape != (rows, labels, tokens):
            msg = f"the model gave attention of shape {outputs.attention.shape}, not {(rows, labels, tokens)}"
            raise ModelError(msg)
        # NaN is below every threshold and would let anything pass. A row has few logits, so numpy would be slower.
        if not all(map(isfinite, outputs.logits.ravel().tolist())):
            msg = "the model gave logits that are not finite"
            raise ModelError(msg)
        return outputs
