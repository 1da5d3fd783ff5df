"""From raw logits to the calibrated scores of one text."""

from __future__ import annotations

from copy import copy
from math import exp
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from guardsdk.engine.scores import Peak, Scores
from guardsdk.text.spans import merged
from guardsdk.text.windows import covered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.heads import Heads
    from guardsdk.engine.session import Outputs
    from guardsdk.engine.tokenizer import TextEncoder, Tokens
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.verdict import Stage

_NIL = -500.0
"""Log-odds at which a probability is effectively 0, and below which the exponential overflows."""


class StageReading:
    """The labels of one stage: their logit columns and their calibration."""

    def __init__(self, model: LoadedModel, stage: Stage) -> None:
        """Read the labels of ``stage`` from the manifest of ``model``."""
        entries = [
            (column, label.name, label.stages[stage].calibration)
            for column, label in enumerate(model.manifest.labels)
            if stage in label.stages
        ]
        self.columns = {name: column for column, name, _ in entries}
        """The logit column of each label."""
        self._lines = [(name, calibration.slope, calibration.intercept) for _, name, calibration in entries]
        self._width = len(model.manifest.labels)
        self._beside: WeakKeyDictionary[Heads, StageReading] = WeakKeyDictionary()

    def beside(self, heads: Heads) -> StageReading:
        """Return a reading of these labels extended by those of ``heads``, whose columns follow the model's."""
        known = self._beside.get(heads)
        if known is not None:
            return known
        joint = copy(self)
        joint.columns = self.columns | {name: at for at, name in enumerate(heads.names, self._width)}
        joint._lines = [*self._lines, *heads.lines]  # noqa: SLF001  its own class
        self._beside[heads] = joint
        return joint

    def probabilities(self, log_odds: Sequence[float]) -> dict[str, float]:
        """Calibrate ``log_odds``, one per label of this stage, by Platt scaling."""
        found: dict[str, float] = {}
        for (name, slope, intercept), odds in zip(self._lines, log_odds, strict=True):
            value = slope * odds + intercept
            found[name] = 0.0 if value <= _NIL else 1.0 / (1.0 + exp(-value))  # NaN stays NaN, and is rejected
        return found


def log_odds(logits: NDArray[np.float32], activation: str) -> list[list[float]]:
    """Return the log-odds of every label, B lists of L, for ``logits`` [B, L].

    For ``sigmoid`` these are the logits. For ``softmax`` it is ``z_i`` minus the log-sum-exp of the other logits, since
    ``p / (1 - p)`` is ``exp(z_i)`` over the sum of the others; a single label has no others and is read as a sigmoid.
    """
    labels = logits.shape[1]
    if activation == "sigmoid" or labels == 1:
        same: list[list[float]] = logits.tolist()
        return same
    values = logits.astype(np.float64)
    others = np.broadcast_to(values[:, None, :], (len(values), labels, labels)).copy()
    others[:, np.arange(labels), np.arange(labels)] = -np.inf
    top = others.max(axis=2)
    rest = top + np.log(np.exp(others - top[:, :, None]).sum(axis=2))
    odds: list[list[float]] = (values - rest).tolist()
    return odds


class Tally:
    """Accumulates the windows of one text, in any order and in constant memory."""

    def __init__(
        self, text: str, tokens: Tokens, windows: list[tuple[int, int]], reading: StageReading, encoder: TextEncoder
    ) -> None:
        """Start with no window of ``text`` scored; ``encoder`` made ``tokens`` of it."""
        self.text = text
        self.tokens = tokens
        self.encoder = encoder
        self.windows = windows
        self.reading = reading
        self._done: list[tuple[int, int]] = []
        self._best: list[float] = []
        self.peaks: dict[str, Peak] = {}
        """The window in which each label scored highest."""
        self.settled = False
        self._doubtful: list[tuple[int, int]] = []
        self._embedding: NDArray[np.floating] | None = None
        self.apart: list[NDArray[np.float32]] | None = None
        """The embeddings of the windows, kept if somebody puts a list here."""

    def add(self, window: int, odds: list[float], outputs: Outputs, row: int, head: int) -> None:
        """Add one window: its log-odds [L] and row ``row`` of ``outputs``, whose text starts at token ``head``."""
        first, end = self.windows[window]
        self._done.append((first, end))
        if not outputs.early:
            self._doubtful.append((first, end))
        columns = self.reading.columns
        best = list(map(odds.__getitem__, columns.values()))
        risen: Iterable[str] = columns
        if self.peaks:  # nearly every text has only one window
            risen = [label for label, odd, old in zip(columns, best, self._best, strict=True) if odd > old]
            best = list(map(max, self._best, best))
        if risen:
            self._best = best
            self.peaks.update(dict.fromkeys(risen, Peak(first, end, _row_of(outputs.attention, row), head)))
        if outputs.embedding is not None:
            vector = outputs.embedding[row]
            if self.apart is not None:
                self.apart.append(vector)
            # Single precision until there is something to add: most texts have one window.
            self._embedding = vector if self._embedding is None else self._embedding.astype(np.float64) + vector

    @property
    def probabilities(self) -> dict[str, float]:
        """Label to calibrated probability over the windows added; empty if there were none."""
        if not self._done:
            return {}
        return self.reading.probabilities(self._best)

    @property
    def doubtful(self) -> list[tuple[int, int]]:
        """The character ranges, in order and not overlapping, of the windows that the lower layers did not clear."""
        if len(self._doubtful) == len(self.windows):
            return [(0, len(self.text))]
        ranges = merged(self._doubtful, touching=True)
        return [self.encoder.characters(self.text, self.tokens, first, end - 1) for first, end in ranges]

    def scores(self) -> Scores:
        """Return the scores over all windows added."""
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
            tier=None if not self._done else "full" if self._doubtful else "early",
            embedding=self._mean_embedding(),
            _tally=self,
            apart=self.apart or (),
        )

    def _mean_embedding(self) -> NDArray[np.float32] | None:
        if self._embedding is None or len(self._done) == 1:  # for a single window it is the model's own
            return self._embedding
        norm = float(np.linalg.norm(self._embedding))
        return (self._embedding / (norm or 1.0)).astype(np.float32)


def _row_of(attention: NDArray[np.float32] | None, row: int) -> NDArray[np.float32] | None:
    """Return row ``row`` of ``attention`` [B, L, T] as a copy: a view would keep the other rows alive."""
    if attention is None:
        return None
    shown: NDArray[np.float32] = attention[0] if len(attention) == 1 else attention[row].copy()
    return shown
