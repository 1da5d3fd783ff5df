"""The directions in which ordinary text differs, made equally long, and texts as ways that lead from ordinary text.

A guard's encoder was trained to tell attacks apart: a few directions of its embedding are about that and carry most of
the spread, what a text is about lies in the many small ones. Measured on topics that were not trained for, a head on
whitened embeddings finds twice as much as one on the embeddings as they are. How far a text leads says how long or odd
it is rather than what it is about, so only the way itself is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.engine.heads import Ordinary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_SHRINK: Final = 0.2
"""Share of the covariance that is taken to be the same in every direction: a bank is small for 384 of them."""
_LARGE: Final = 16
"""Directions that lengths are told by one by one; the rest are taken to be alike. All of them together would say the
same within a few per cent, at twenty times the work of a check."""


class Space:
    """Maps embeddings of H dimensions to as many features, about of unit length, and heads there back to embeddings."""

    def __init__(self, groups: Sequence[NDArray[np.float32]], ordinary: NDArray[np.float32]) -> None:
        """Learn directions from ``groups``, embeddings [N, H] of benign text, one array per stage of all there are.

        Each is centred on its own mean. ``ordinary`` [N, H] are those of the stages in question, whose mean is the
        origin: how texts spread differs less from stage to stage than where they lie.
        """
        centred = np.concatenate([group - group.mean(axis=0) for group in groups]).astype(np.float64)
        width = centred.shape[1]
        covariance = centred.T @ centred / len(centred)
        even = np.trace(covariance) / width
        values, vectors = np.linalg.eigh((1.0 - _SHRINK) * covariance + _SHRINK * even * np.eye(width))
        self._matrix: Array = vectors / np.sqrt(values)
        large = min(_LARGE, width // 2)
        rest = float(values[: width - large].mean())
        shorter = np.sqrt(1.0 / rest - 1.0 / values[width - large :])
        directions = (vectors[:, width - large :] * shorter).T
        self.ordinary = Ordinary(
            # Half precision is what a lesson keeps; it is taught on what it will be read with.
            mean=_halved(ordinary.mean(axis=0, dtype=np.float64)),
            directions=_halved(directions),
            scale=1.0 / rest,
        )

    def features(self, embeddings: NDArray[np.float32]) -> Array:
        """Return the features [N, H] of ``embeddings`` [N, H]."""
        ways = (embeddings - self.ordinary.mean.astype(np.float64)) @ self._matrix
        result: Array = ways / self.ordinary.lengths(embeddings)[:, None]
        return result

    def back(self, features: Array) -> NDArray[np.float32]:
        """Return rows [N, H] whose products with the way to an embedding are those of ``features`` [N, H] with its."""
        result: NDArray[np.float32] = (features @ self._matrix.T).astype(np.float32)
        return result


def _halved(values: Array) -> NDArray[np.float32]:
    return values.astype(np.float16).astype(np.float32)
