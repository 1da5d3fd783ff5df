"""Heads for taught labels: computed from the sentence embedding in the same pass as the model's own labels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from operator import ge, mul
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from guardsdk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.registry.manifest import Calibration

ALIKE: Final = 5.0
"""Log-odds that a near-identical example adds, per cosine above ``FAR``; chosen on topics of training data, none of
which our figures use."""
FAR: Final = 0.2
"""Cosine up to which a text is no more similar to an example than any other text is."""
_SHORTEST: Final = 1e-6
"""Smallest squared length, for a text exactly at the mean of ordinary text."""


@dataclass(frozen=True, slots=True, eq=False)
class Ordinary:
    """The distribution of ordinary text, and the distance of a text from its mean.

    For an embedding ``x`` [H] minus ``mean``, the squared length is ``scale`` times its squared norm, minus the squares
    of its products with ``directions``: directions in which ordinary text varies most count for less.
    """

    mean: NDArray[np.float32]
    """[H]"""
    directions: NDArray[np.float32]
    """[R, H]"""
    scale: float

    def lengths(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the distances of ``embeddings`` [N, H] from the mean, [N]."""
        moved = embeddings.astype(np.float64) - self.mean
        along = moved @ self.directions.T.astype(np.float64)
        squares: NDArray[np.float64] = self.scale * (moved**2).sum(axis=1) - (along**2).sum(axis=1)
        return np.sqrt(np.maximum(squares, _SHORTEST))


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One label with two components: the general direction of a text, and its similarity to the closest example.

    Both use the unit vector from the mean of ordinary text to the text: its product with ``weights`` and, if that
    reaches ``gate``, a bonus for the closest of ``examples``. The log-odds are their sum plus ``intercept``.
    """

    name: str
    ordinary: Ordinary
    weights: NDArray[np.float32]
    """[H]"""
    examples: NDArray[np.float32]
    """[N, H]: products with them are cosines to the examples; N may be 0."""
    gate: float
    """Most texts are below it, and are not compared with the examples."""
    intercept: float
    calibration: Calibration
    """From log-odds to a probability."""


class _Part(NamedTuple):
    """Heads that share one ``Ordinary``."""

    mean: NDArray[np.float32]
    """[H]"""
    scale: float
    rows: NDArray[np.float32]
    """[R + K, H]: the directions, then the weights of the heads."""
    directions: int
    """R"""
    places: list[int]
    """The index of each head among all heads."""
    gates: list[float]
    """The value from which on a text is compared with the examples of each head; infinity without examples."""
    examples: list[NDArray[np.float32]]
    """[N, H] for each head."""


class Heads:
    """K heads in addition to those of the model, applied to each window.

    They cost one matrix product per window and ``Ordinary``, whatever their number, and one more for each head that a
    text comes close to. The intercepts are part of ``lines``.
    """

    def __init__(self, heads: Sequence[Head]) -> None:
        """Use ``heads``, with distinct names and the same width; those with the same ``Ordinary`` share its cost."""
        self.names = tuple(head.name for head in heads)
        """K labels, distinct from each other and from the model's."""
        self.lines = [
            (head.name, head.calibration.slope, head.calibration.intercept + head.calibration.slope * head.intercept)
            for head in heads
        ]
        """K labels, slopes and intercepts, which map the result of ``beside`` to the log-odds of a probability."""
        self._width = len(heads[0].weights)
        self._blank = [0.0] * len(heads)
        self._parts: list[_Part] = []
        for ordinary in dict.fromkeys(head.ordinary for head in heads):
            own = [(place, head) for place, head in enumerate(heads) if head.ordinary is ordinary]
            rows = np.concatenate([ordinary.directions, *(head.weights[None] for _, head in own)])
            self._parts.append(
                _Part(
                    ordinary.mean,
                    ordinary.scale,
                    rows,
                    len(ordinary.directions),
                    [place for place, _ in own],
                    [head.gate if len(head.examples) else inf for _, head in own],
                    [head.examples for _, head in own],
                )
            )

    def beside(self, odds: list[list[float]], embeddings: NDArray[np.float32] | None) -> list[list[float]]:
        """Return the model's log-odds, B lists of L, extended by those of the heads for ``embeddings`` [B, H].

        The intercepts are left out, as they do not affect which window of a text scores highest. Raises ``ModelError``
        if the model has no embedding, or one of the wrong size or not finite.
        """
        if embeddings is None or embeddings.shape[1] != self._width:
            msg = f"the model gives no embedding of {self._width} numbers, which {', '.join(self.names)} need"
            raise ModelError(msg)
        return [own + self._read(embeddings[at]) for at, own in enumerate(odds)]

    def _read(self, embedding: NDArray[np.float32]) -> list[float]:
        """Return the K log-odds of ``embedding`` [H]."""
        found = self._blank.copy()
        for mean, scale, rows, directions, places, gates, examples in self._parts:
            way = embedding - mean
            read = rows.dot(way).tolist()
            along = read[:directions]
            square = scale * float(way.dot(way)) - sum(map(mul, along, along))
            if not isfinite(square):  # NaN would be below every threshold
                msg = "the model gave an embedding that is not finite"
                raise ModelError(msg)
            length = sqrt(max(square, _SHORTEST))
            values = [product / length for product in read[directions:]]
            if any(map(ge, values, gates)):  # true for few texts
                for at, value in enumerate(values):
                    if value >= gates[at] and (closest := max(examples[at].dot(way).tolist()) / length) > FAR:
                        values[at] += ALIKE * (closest - FAR)
            for place, value in zip(places, values, strict=True):
                found[place] = value
        return found


def encoder_digest(model: LoadedModel) -> str:
    """Return the SHA-256, in hexadecimal, of everything an embedding of ``model`` depends on.

    That is the files and the layout of their input. Thresholds and calibrations are excluded, so that lessons stay
    valid for a model that was only recalibrated.
    """
    manifest = model.manifest
    content = {
        "files": {name: entry.sha256 for name, entry in manifest.files.items()},
        "graphs": manifest.graphs,
        "stage_tokens": manifest.stage_tokens,
        "tokens": [manifest.max_tokens, manifest.overlap_tokens, manifest.context_tokens],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
