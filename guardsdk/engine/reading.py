"""From raw logits to the calibrated scores of one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guardsdk.engine.scores import Peak, Request, Scores
from guardsdk.text.windows import covered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guardsdk.engine.session import Outputs
    from guardsdk.engine.tokenizer import TextEncoder, Tokens
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.verdict import Stage


class StageReading:
    """The labels that are read on one stage: their logit columns and their calibration."""

    def __init__(self, model: LoadedModel, stage: Stage) -> None:
        """Take from the manifest of ``model`` what concerns ``stage``."""
        entries = [
            (column, label.name, label.stages[stage].calibration)
            for column, label in enumerate(model.manifest.labels)
            if stage in label.stages
        ]
        self.names = [name for _, name, _ in entries]
        self.columns = np.array([column for column, _, _ in entries], dtype=np.intp)
        self._slopes = np.array([calibration.slope for _, _, calibration in entries])
        self._intercepts = np.array([calibration.intercept for _, _, calibration in entries])

    def probabilities(self, log_odds: NDArray[np.float64]) -> list[float]:
        """Calibrate ``log_odds``, one per label of this stage, by Platt scaling."""
        # Beyond +-500 the exponential overflows, and the probability has long been 0 or 1.
        scaled = np.clip(self._slopes * log_odds + self._intercepts, -500.0, 500.0)
        result: list[float] = (1.0 / (1.0 + np.exp(-scaled))).tolist()
        return result


def log_odds(logits: NDArray[np.float32], activation: str) -> NDArray[np.float64]:
    """Return the log-odds of every label, same shape as ``logits`` [B, L].

    For ``sigmoid`` these are the logits. For ``softmax`` it is ``z_i`` less the log-sum-exp of the other logits, since
    ``p / (1 - p)`` is ``exp(z_i)`` over the sum of the others; a single label has no others and is read as a sigmoid.
    """
    values = logits.astype(np.float64)
    labels = values.shape[1]
    if activation == "sigmoid" or labels == 1:
        return values
    others = np.broadcast_to(values[:, None, :], (len(values), labels, labels)).copy()
    others[:, np.arange(labels), np.arange(labels)] = -np.inf
    top = others.max(axis=2)
    rest: NDArray[np.float64] = top + np.log(np.exp(others - top[:, :, None]).sum(axis=2))
    return values - rest


class Tally:
    """Collects the windows of one text, in any order and in memory that does not grow with their number."""

    def __init__(self, request: Request, tokens: Tokens, windows: list[tuple[int, int]], reading: StageReading) -> None:
        """Start with nothing scored."""
        self.request = request
        self.tokens = tokens
        self.windows = windows
        self.reading = reading
        self._done: list[tuple[int, int]] = []
        self._best = np.full(len(reading.names), -np.inf)
        self._peaks: dict[str, Peak] = {}
        self.settled = False
        self._embedding: NDArray[np.float64] | None = None

    def add(self, window: int, odds: NDArray[np.float64], outputs: Outputs, row: int, head: int) -> None:
        """Take in one window: its log-odds [L] and row ``row`` of ``outputs``, whose text starts at token ``head``."""
        first, end = self.windows[window]
        self._done.append((first, end))
        own = odds[self.reading.columns]
        for at in np.flatnonzero(own > self._best).tolist():
            attention = None
            if outputs.attention is not None:
                column = self.reading.columns[at]
                # A copy, for a view would keep the whole batch alive.
                attention = outputs.attention[row, column, head : head + end - first].copy()
            self._peaks[self.reading.names[at]] = Peak(first, end, attention)
        np.maximum(self._best, own, out=self._best)
        if outputs.embedding is not None:
            vector = outputs.embedding[row].astype(np.float64)
            self._embedding = vector if self._embedding is None else self._embedding + vector

    @property
    def probabilities(self) -> dict[str, float]:
        """Label to calibrated probability over the windows taken in; empty where there were none."""
        if not self._done:
            return {}
        return dict(zip(self.reading.names, self.reading.probabilities(self._best), strict=True))

    def scores(self, encoder: TextEncoder) -> Scores:
        """Return the scores over all windows taken in."""
        length = len(self.tokens.ids)
        coverage = covered(self._done) / length if length else float(bool(self._done))
        embedding = None
        if self._embedding is not None:
            norm = float(np.linalg.norm(self._embedding))
            embedding = (self._embedding / (norm or 1.0)).astype(np.float32)
        return Scores(
            probabilities=self.probabilities,
            coverage=coverage,
            windows=len(self._done),
            settled=self.settled and len(self._done) < len(self.windows),
            embedding=embedding,
            _text=self.request.text,
            _tokens=self.tokens,
            _peaks=self._peaks,
            _encoder=encoder,
        )
