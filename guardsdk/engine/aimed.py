"""The classifier that reads prompts together with the instructions they are aimed at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from guardsdk.engine.pool import classifier
from guardsdk.registry.manifest import LabelStage
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from guardsdk.engine.classifier import Classifier
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.registry.manifest import Aimed


def aimed_classifier(model: LoadedModel, aimed: Aimed, threads: int | None) -> Classifier:
    """Return the process-wide classifier that reads prompts of ``model`` with instructions, loaded on first use.

    ``aimed`` describes it. It scores a single label, on the input stage, and runs on the CPU. Raises ``ModelError`` or
    a subclass if it cannot be loaded.
    """
    return classifier(_apart(model, aimed), "cpu", threads)


def _apart(model: LoadedModel, aimed: Aimed) -> LoadedModel:
    """Return ``model`` restricted to reading prompts together with instructions."""
    own = next(label for label in model.manifest.labels if label.name == aimed.label)
    read = LabelStage(calibration=aimed.calibration, threshold=own.stages[Stage.INPUT].threshold)
    manifest = model.manifest.model_copy(
        update={
            "graphs": {"cpu": aimed.graph},
            "labels": (own.model_copy(update={"stages": {Stage.INPUT: read}}),),
            "context_stages": (Stage.INPUT,),
            "early_exit": None,
            "aimed": None,
        }
    )
    ref = model.ref.model_copy(update={"digest": f"{model.ref.digest}:aimed"})
    return replace(model, manifest=manifest, ref=ref)
