"""Whitened features: each text's direction from the mean of ordinary text, with its principal directions equalised.

A guard's encoder was trained to detect attacks: a few directions of its embedding are about that and carry most of the
variance, while the subject of a text lies in the many small ones. Measured on topics it was not trained for, a head on
whitened embeddings finds twice as much as one on the raw embeddings. The distance from ordinary text says how long or
odd a text is rather than what it is about, so only the direction is used.
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
"""Shrinkage of the covariance towards the identity: a bank is small for 384 dimensions."""
_LARGE: Final = 16
"""The number of directions used individually for lengths; the rest are treated as equal. Using all of them would differ
by a few per cent, at twenty times the cost per check."""


class Space:
    """Maps embeddings of H dimensions to as many features, about of unit length, and heads back to embeddings."""

    def __init__(self, groups: Sequence[NDArray[np.float32]], ordinary: NDArray[np.float32]) -> None:
        """Learn directions from ``groups``, embeddings [N, H] of benign text, one array for each available stage.

        Each group is centred on its own mean. ``ordinary`` [N, H] are those of the stages in question; their mean is
        the origin. The covariance differs less between stages than the mean.
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
            # Lessons are saved in half precision, so they are taught on the values they will use.
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
        """Return rows [N, H] whose products with an embedding's offset equal those of ``features`` [N, H]."""
        result: NDArray[np.float32] = (features @ self._matrix.T).astype(np.float32)
        return result


def _halved(values: Array) -> NDArray[np.float32]:
    return values.astype(np.float16).astype(np.float32)
