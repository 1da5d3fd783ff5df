"""Runs rows of tokens on the active session and changes to CPU when a GPU fails."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from guardsdk.engine import providers
from guardsdk.engine.session import first_line
from guardsdk.errors import ModelError

if TYPE_CHECKING:
    from guardsdk.engine.session import Kind, Outputs, Runtime, Session
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.settings import Providers


class Runner:
    """A started model on one device, safe to use from many threads."""

    def __init__(self, model: LoadedModel, requested: Providers, threads: int, runtime: Runtime) -> None:
        """Choose a device, load the graph and probe it. Raises ``ModelError`` when nothing can be started."""
        self._model = model
        self._threads = threads
        self._runtime = runtime
        self._lock = threading.Lock()
        chosen = providers.plan(requested, runtime.offered(), model.manifest.graphs)
        self._active = providers.start(chosen, self._open, self._probe)

    @property
    def active(self) -> providers.Started:
        """The session in use, with its provider and the reason for it."""
        return self._active

    def run(self, ids: np.ndarray, mask: np.ndarray, kinds: np.ndarray) -> Outputs:
        """Run token ids, attention mask and token types, int64 [B, T] each.

        A failure on CUDA moves this model to CPU for good and the rows are run again there.
        Raises ``ModelError`` when the model cannot be run on CPU, or gives anything but finite logits [B, L].
        """
        active = self._active
        try:
            return self._checked(active.session, ids, mask, kinds)
        except Exception as error:  # noqa: BLE001  a driver may raise anything; nothing is lost, see replace()
            with self._lock:
                if self._active is active:  # else another thread has already replaced it
                    self._active = providers.replace(active, error, self._open)
                active = self._active
        try:
            return self._checked(active.session, ids, mask, kinds)
        except Exception as error:
            msg = f"the model could not be run on {active.provider}: {first_line(error)}"
            raise ModelError(msg) from error

    def _open(self, kind: Kind) -> Session:
        return self._runtime.open(self._model.path(self._model.manifest.graphs[kind]), kind, self._threads)

    def _probe(self, session: Session) -> None:
        """Run one short row of token ids that every vocabulary has; the first run also plans the memory."""
        row = np.ones((1, 8), dtype=np.int64)
        self._checked(session, row, row, np.zeros_like(row))

    def _checked(self, session: Session, ids: np.ndarray, mask: np.ndarray, kinds: np.ndarray) -> Outputs:
        outputs = session.run(ids, mask, kinds)
        rows, tokens = ids.shape
        labels = len(self._model.manifest.labels)
        if outputs.logits.shape != (rows, labels):
            msg = f"the model gave logits of shape {outputs.logits.shape} where {(rows, labels)} was due"
            raise ModelError(msg)
        if outputs.attention is not None and outputs.attention.shape != (rows, labels, tokens):
            msg = f"the model gave attention of shape {outputs.attention.shape}, not {(rows, labels, tokens)}"
            raise ModelError(msg)
        if not np.isfinite(outputs.logits).all():  # a NaN is below every threshold and would let anything pass
            msg = "the model gave logits that are not finite"
            raise ModelError(msg)
        return outputs
