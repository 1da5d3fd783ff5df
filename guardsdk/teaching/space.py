"""The directions in which ordinary text differs, made equally long.

A guard's encoder was trained to tell attacks apart: a few directions of its embedding are about that and carry most of
the spread, what a text is about lies in the many small ones. Measured on topics that were not trained for, a head on
whitened embeddings finds twice as much as one on the embeddings as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_SHRINK: Final = 0.2
"""Share of the covariance that is taken to be the same in every direction: a bank is small for 384 of them."""


class Space:
    """Maps embeddings of H dimensions to as many features of equal spread, and heads there back to embeddings."""

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
        self._mean: Array = ordinary.mean(axis=0, dtype=np.float64)
        # A typical row then has length 1, whatever H is, so that one ridge serves every model.
        self._matrix: Array = vectors / np.sqrt(values * width)

    def features(self, embeddings: NDArray[np.float32]) -> Array:
        """Return the features [N, H] of ``embeddings`` [N, H]."""
        result: Array = (embeddings - self._mean) @ self._matrix
        return result

    def head(self, solution: Array) -> tuple[NDArray[np.float32], float]:
        """Return weights [H] and intercept on embeddings that say the same as ``solution`` [H + 1] on features."""
        weights = self._matrix @ solution[:-1]
        return weights.astype(np.float32), float(solution[-1] - self._mean @ weights)
