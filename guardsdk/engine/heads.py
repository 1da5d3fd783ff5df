"""Labels that were taught later: heads on the sentence embedding, read in the same pass as the model's own."""

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
"""Log-odds that an example adds to a text which says the same, per cosine above ``FAR``; chosen on topics of training
data, of which none of our figures is."""
FAR: Final = 0.2
"""Cosine up to which a text is no more like an example than any other text is."""
_SHORTEST: Final = 1e-6
"""Least square of a length, for a text that lies right where ordinary text lies."""


@dataclass(frozen=True, slots=True, eq=False)
class Ordinary:
    """Where ordinary text lies, and how long the way from there to another text is.

    Of an embedding ``x`` [H] less ``mean`` the squared length is ``scale`` times its own, less the squares of its
    products with ``directions``: a few in which ordinary text differs most count for less.
    """

    mean: NDArray[np.float32]
    """[H]"""
    directions: NDArray[np.float32]
    """[R, H]"""
    scale: float

    def lengths(self, embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how long the way to each of ``embeddings`` [N, H] is, [N]."""
        moved = embeddings.astype(np.float64) - self.mean
        along = moved @ self.directions.T.astype(np.float64)
        squares: NDArray[np.float64] = self.scale * (moved**2).sum(axis=1) - (along**2).sum(axis=1)
        return np.sqrt(np.maximum(squares, _SHORTEST))


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One label, by two voices: what a text is about in general, and how close it comes to an example.

    Both look at the way from ordinary text to the text, whatever its length: a product with ``weights``, and where that
    reaches ``gate``, what the closest of ``examples`` adds. The log-odds are their sum and ``intercept``.
    """

    name: str
    ordinary: Ordinary
    weights: NDArray[np.float32]
    """[H]"""
    examples: NDArray[np.float32]
    """[N, H]: products with them are cosines to the examples; N may be 0."""
    gate: float
    """Most texts lie below it, and are not held against the examples."""
    intercept: float
    calibration: Calibration
    """From log-odds to a probability."""


class _Part(NamedTuple):
    """Heads of one ``Ordinary``."""

    mean: NDArray[np.float32]
    """[H]"""
    scale: float
    rows: NDArray[np.float32]
    """[R + K, H]: the directions, then the weights of the heads."""
    directions: int
    """R"""
    places: list[int]
    """Of each head its place among all."""
    gates: list[float]
    """From where on a text is held against the examples of each head; infinity where it has none."""
    examples: list[NDArray[np.float32]]
    """[N, H] of each head."""


class Heads:
    """K heads beside those of the model, window by window.

    They cost one matrix product a window for all of one ``Ordinary``, whatever their number, and one more for each that
    a text comes near. The intercepts are part of ``lines``.
    """

    def __init__(self, heads: Sequence[Head]) -> None:
        """Read ``heads``, of distinct names and of one width; those of one ``Ordinary`` share its part of the work."""
        self.names = tuple(head.name for head in heads)
        """K labels, distinct from each other and from the model's."""
        self.lines = [
            (head.name, head.calibration.slope, head.calibration.intercept + head.calibration.slope * head.intercept)
            for head in heads
        ]
        """K labels, slopes and intercepts, from what ``beside`` gives to the log-odds of a probability."""
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
        """Return the model's log-odds, B lists of L, and behind them what ``embeddings`` [B, H] give: B of L + K.

        The intercepts are left out: which window of a text scores highest does not depend on them. Raises
        ``ModelError`` where the model gives no embedding that the heads fit, or one that is not finite.
        """
        if embeddings is None or embeddings.shape[1] != self._width:
            msg = f"the model gives no embedding of {self._width} numbers, which {', '.join(self.names)} need"
            raise ModelError(msg)
        return [own + self._read(embeddings[at]) for at, own in enumerate(odds)]

    def _read(self, embedding: NDArray[np.float32]) -> list[float]:
        """Return K log-odds of ``embedding`` [H]."""
        found = self._blank.copy()
        for mean, scale, rows, directions, places, gates, examples in self._parts:
            way = embedding - mean
            read = rows.dot(way).tolist()
            along = read[:directions]
            square = scale * float(way.dot(way)) - sum(map(mul, along, along))
            if not isfinite(square):  # a score that is no number is below every threshold
                msg = "the model gave an embedding that is not finite"
                raise ModelError(msg)
            length = sqrt(max(square, _SHORTEST))
            values = [product / length for product in read[directions:]]
            if any(map(ge, values, gates)):  # which is so for few texts
                for at, value in enumerate(values):
                    if value >= gates[at] and (closest := max(examples[at].dot(way).tolist()) / length) > FAR:
                        values[at] += ALIKE * (closest - FAR)
            for place, value in zip(places, values, strict=True):
                found[place] = value
        return found


def encoder_digest(model: LoadedModel) -> str:
    """Return the sha256, in hexadecimal, of what an embedding of ``model`` depends on.

    That is the files and how text is laid out for them. Thresholds and calibrations have no part in it, so that a model
    that was only calibrated anew keeps what was taught on it.
    """
    manifest = model.manifest
    content = {
        "files": {name: entry.sha256 for name, entry in manifest.files.items()},
        "graphs": manifest.graphs,
        "stage_tokens": manifest.stage_tokens,
        "tokens": [manifest.max_tokens, manifest.overlap_tokens, manifest.context_tokens],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
