"""Early exit: rows that the lower layers of a model alone find harmless do not go through the others.

After Schwartz et al. 2020 (The Right Tool for the Job, ACL): heads on a middle layer, calibrated, and a bound for each.
Whatever is odd about a row (a logit that is not finite, no bounds for its stage) takes it the long way.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from guardsdk.engine.session import STATES, Outputs
from guardsdk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.session import Feed, Session
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.verdict import Stage

    Exits = Sequence["Bounds | None"]
    """For every row of a run what it may be cleared by; none at all where no row may."""


class Bounds:
    """What rows of one stage are cleared by, and what they then score."""

    def __init__(self, model: LoadedModel, stage: Stage) -> None:
        """Take them from the manifest of ``model``, which has them for ``stage``."""
        labels, early = model.manifest.labels, model.manifest.early_exit
        entries = [None if early is None else early.stages[stage].get(label.name) for label in labels]
        # A label that is not read on the stage neither holds up a row nor is it changed.
        self._below = np.array([np.inf if one is None else one.clear_below for one in entries])
        self._slopes = np.array([1.0 if one is None else one.slope for one in entries])
        self._intercepts = np.array([0.0 if one is None else one.intercept for one in entries])

    def clear(self, logits: NDArray[np.float32]) -> bool:
        """Whether the early ``logits`` [L] of a row are all finite and below their bounds."""
        return bool((np.isfinite(logits) & (logits < self._below)).all())

    def log_odds(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what stands for the logits of the whole model, [L], so that its calibration applies to it."""
        found: NDArray[np.float32] = (self._slopes * logits + self._intercepts).astype(np.float32)
        return found


def bounds_of(model: LoadedModel) -> dict[Stage, Bounds]:
    """Return the bounds of every stage that ``model`` has some for."""
    early = model.manifest.early_exit
    return {} if early is None else {stage: Bounds(model, stage) for stage in early.stages}


class Halves:
    """A model as two graphs that run one after the other, the second only where it has to."""

    def __init__(self, lower: Session, upper: Session, labels: int) -> None:
        """Run ``lower``, which gives logits of its own for ``labels`` and the states ``upper`` goes on from."""
        self._lower = lower
        self._upper = upper
        self._labels = labels

    def run(self, feed: Feed, exits: Exits = ()) -> Outputs:
        """Return what the whole model gives; or, where each row is within its bounds, what stands for it.

        A run is cleared as a whole or not at all. Raises ``ModelError`` where the halves do not fit together.
        """
        early = self.lower(feed)
        rows = len(early.logits)
        if len(exits) == rows and all(
            bounds is not None and bounds.clear(logits) for bounds, logits in zip(exits, early.logits, strict=True)
        ):
            mapped = [one.log_odds(logits) for one, logits in zip(exits, early.logits, strict=True) if one is not None]
            return replace(early, logits=np.stack(mapped), states=None, early=True)
        return self.upper(feed, early)

    def lower(self, feed: Feed) -> Outputs:
        """Run the lower half. Raises ``ModelError`` where what it gives is of another shape than due."""
        early = self._lower.run(feed)
        misfit = early.misfit(feed["input_ids"].shape, self._labels)
        if misfit is not None:
            raise ModelError(misfit)
        return early

    def upper(self, feed: Feed, early: Outputs) -> Outputs:
        """Run the upper half from where ``early`` stands; the embedding is that of the lower half.

        Raises ``ModelError`` where there is nothing to go on from.
        """
        if early.states is None or early.states.shape[:-1] != feed["input_ids"].shape:
            msg = "the lower half of the model gave no states, or not one for each token"
            raise ModelError(msg)
        late = self._upper.run({**feed, STATES: early.states})
        return Outputs(late.logits, late.attention, early.embedding)
