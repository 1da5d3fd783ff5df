"""From raw logits to the calibrated scores of one text."""

from __future__ import annotations

from copy import copy
from math import exp, inf
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from guardsdk.engine.scores import Peak, Scores
from guardsdk.text.windows import covered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.heads import Heads
    from guardsdk.engine.session import Outputs
    from guardsdk.engine.tokenizer import TextEncoder, Tokens
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.verdict import Stage

_NIL = -500.0
"""Log-odds at which a probability has long been 0, and below which the exponential overflows."""


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
        self.columns = [column for column, _, _ in entries]
        self._lines = [(calibration.slope, calibration.intercept) for _, _, calibration in entries]
        self._width = len(model.manifest.labels)
        self._beside: WeakKeyDictionary[Heads, StageReading] = WeakKeyDictionary()

    def beside(self, heads: Heads) -> StageReading:
        """Return a reading of these labels and, behind all columns of the model, those of ``heads``."""
        known = self._beside.get(heads)
        if known is not None:
            return known
        joint = copy(self)
        joint.names = [*self.names, *heads.names]
        joint.columns = [*self.columns, *range(self._width, self._width + len(heads.names))]
        joint._lines = [*self._lines, *heads.lines]  # noqa: SLF001
        self._beside[heads] = joint
        return joint

    def probabilities(self, log_odds: Sequence[float]) -> list[float]:
        """Calibrate ``log_odds``, one per label of this stage, by Platt scaling."""
        return [
            1.0 / (1.0 + exp(-value)) if (value := slope * odds + intercept) > _NIL else 0.0
            for (slope, intercept), odds in zip(self._lines, log_odds, strict=True)
        ]


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

    def __init__(self, text: str, tokens: Tokens, windows: list[tuple[int, int]], reading: StageReading) -> None:
        """Start with nothing scored."""
        self.text = text
        self.tokens = tokens
        self.windows = windows
        self.reading = reading
        self._done: list[tuple[int, int]] = []
        self._best = [-inf] * len(reading.names)
        self._peaks: dict[str, Peak] = {}
        self.settled = False
        self._early = True
        self._embedding: NDArray[np.floating] | None = None

    def add(self, window: int, odds: list[float], outputs: Outputs, row: int, head: int) -> None:
        """Take in one window: its log-odds [L] and row ``row`` of ``outputs``, whose text starts at token ``head``."""
        first, end = self.windows[window]
        self._done.append((first, end))
        self._early = self._early and outputs.early
        best, attention, told = self._best, None, 0 if outputs.attention is None else outputs.attention.shape[1]
        whole = Peak(first, end, None, 0, head)  # of a label that was taught nothing is told, nor where no label is
        for at, column in enumerate(self.reading.columns):
            if odds[column] > best[at]:
                best[at] = odds[column]
                if column >= told:
                    self._peaks[self.reading.names[at]] = whole
                    continue
                if attention is None and outputs.attention is not None:
                    # A copy, where a view would keep the other rows of the batch alive.
                    alone = len(outputs.attention) == 1
                    attention = outputs.attention[0] if alone else outputs.attention[row].copy()
                self._peaks[self.reading.names[at]] = Peak(first, end, attention, column, head)
        if outputs.embedding is not None:
            vector = outputs.embedding[row]
            # Single precision until there is something to add to; the usual text has one window.
            self._embedding = vector if self._embedding is None else self._embedding.astype(np.float64) + vector

    @property
    def probabilities(self) -> dict[str, float]:
        """Label to calibrated probability over the windows taken in; empty where there were none."""
        if not self._done:
            return {}
        return dict(zip(self.reading.names, self.reading.probabilities(self._best), strict=True))

    def scores(self, encoder: TextEncoder) -> Scores:
        """Return the scores over all windows taken in."""
        length = len(self.tokens.ids)
        if len(self._done) == len(self.windows):
            coverage = 1.0
        else:
            coverage = covered(self._done) / length if length else float(bool(self._done))
        return Scores(
            probabilities=self.probabilities,
            coverage=coverage,
            windows=len(self._done),
            settled=self.settled and len(self._done) < len(self.windows),
            tier=None if not self._done else "early" if self._early else "full",
            embedding=self._mean_embedding(),
            _text=self.text,
            _tokens=self.tokens,
            _peaks=self._peaks,
            _encoder=encoder,
        )

    def _mean_embedding(self) -> NDArray[np.float32] | None:
        if self._embedding is None or len(self._done) == 1:  # of one window it has unit length already
            return None if self._embedding is None else self._embedding.astype(np.float32, copy=False)
        norm = float(np.linalg.norm(self._embedding))
        return (self._embedding / (norm or 1.0)).astype(np.float32)
