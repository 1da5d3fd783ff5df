"""Early exit: rows that the lower layers of a model alone find harmless skip the upper layers.

After Schwartz et al. 2020 (The Right Tool for the Job, ACL): calibrated heads on a middle layer, with a bound for each.
Anything unusual about a row (a logit that is not finite, no bounds for its stage) sends it through all layers.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from guardsdk.engine.session import EARLY_LOGITS, STATES, Outputs
from guardsdk.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.engine.session import Feed, Session
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.verdict import Stage

    Exits = Sequence["Bounds | None"]
    """The bounds for clearing each row of a run; empty if no row may be cleared."""


class Bounds:
    """The bounds for clearing rows of one stage, and the scores of cleared rows."""

    def __init__(self, model: LoadedModel, stage: Stage) -> None:
        """Read them from the manifest of ``model``, which has them for ``stage``."""
        labels, early = model.manifest.labels, model.manifest.early_exit
        entries = [None if early is None else early.stages[stage].get(label.name) for label in labels]
        self.longest = inf if early is None or early.longest is None else early.longest
        """Tokens of a row beyond which it is not cleared."""
        # A label that is not used on the stage neither prevents clearing nor is changed.
        self._lines = [
            (inf, 1.0, 0.0) if one is None else (one.clear_below, one.slope, one.intercept) for one in entries
        ]

    def cleared(self, logits: list[float]) -> list[float] | None:
        """Return estimates of the whole model's logits [L], to which its calibration applies.

        ``None`` unless all early ``logits`` [L] are finite and below their bounds.
        """
        mapped: list[float] = []
        for logit, (below, slope, intercept) in zip(logits, self._lines, strict=True):
            if not -inf < logit < below:  # also false for NaN
                return None
            mapped.append(slope * logit + intercept)
        return mapped


def bounds_of(model: LoadedModel) -> dict[Stage, Bounds]:
    """Return the bounds of every stage for which ``model`` has some."""
    early = model.manifest.early_exit
    return {} if early is None else {stage: Bounds(model, stage) for stage in early.stages}


class Halves:
    """A model as two graphs that run in sequence, the second only if necessary."""

    def __init__(self, lower: Session, upper: Session) -> None:
        """Run ``lower``, which outputs its own logits and the states that ``upper`` continues from."""
        self.lower = lower
        self._upper = upper

    def run(self, feed: Feed, exits: Exits = ()) -> Outputs:
        """Return the whole model's outputs; or, if every row is within its bounds, estimates of them.

        A run is cleared as a whole or not at all. Raises ``ModelError`` if the halves do not fit together.
        """
        early = self.lower.run(feed)
        found: list[list[float]] = []
        if len(exits) == len(early.logits):
            for bounds, logits in zip(exits, early.logits.tolist(), strict=True):
                mapped = None if bounds is None else bounds.cleared(logits)
                if mapped is None:
                    break
                found.append(mapped)
            else:
                return Outputs(np.array(found, dtype=np.float32), early.attention, early.embedding, early=True)
        return self.go_on(feed, early)

    def go_on(self, feed: Feed, early: Outputs) -> Outputs:
        """Run the upper half on the states of ``early``; the embedding is that of the lower half.

        Raises ``ModelError`` if there are no states to continue from.
        """
        if early.states is None or early.states.shape[:-1] != feed["input_ids"].shape:
            msg = "the lower half of the model gave no states, or not one for each token"
            raise ModelError(msg)
        late = self._upper.run({**feed, STATES: early.states, EARLY_LOGITS: early.logits})
        return Outputs(late.logits, late.attention, early.embedding)
