"""Labels that were taught later: linear heads on the sentence embedding, read in the same pass as the model's own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardsdk.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.registry.manifest import Calibration


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Heads:
    """K heads beside those of the model: log-odds are ``weights @ embedding + intercepts``, window by window.

    They cost one matrix product a run, whatever their number; the intercepts are part of ``lines``.
    """

    names: tuple[str, ...]
    """K labels, distinct from each other and from the model's."""
    weights: NDArray[np.float32]
    """[K, H]"""
    intercepts: NDArray[np.float32]
    """[K]"""
    calibrations: tuple[Calibration, ...]
    """K, from log-odds to a probability."""

    @property
    def lines(self) -> list[tuple[float, float]]:
        """K slopes and intercepts, from what ``beside`` gives to the log-odds of a probability."""
        return [
            (one.slope, one.intercept + one.slope * bias)
            for one, bias in zip(self.calibrations, self.intercepts.tolist(), strict=True)
        ]

    def beside(self, odds: list[list[float]], embeddings: NDArray[np.float32] | None) -> list[list[float]]:
        """Return the model's log-odds, B lists of L, and behind them ``embeddings`` [B, H] by weights: B of L + K.

        The intercepts are left out: which window of a text scores highest does not depend on them. Raises
        ``ModelError`` where the model gives no embedding that the heads fit.
        """
        if embeddings is None or embeddings.shape[1] != self.weights.shape[1]:
            msg = f"the model gives no embedding of {self.weights.shape[1]} numbers, which {', '.join(self.names)} need"
            raise ModelError(msg)
        added = embeddings.dot(self.weights.T).tolist()
        return [own + taught for own, taught in zip(odds, added, strict=True)]


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
