"""The classifier that reads prompts beside the instructions they are aimed at, of the model that reads all else."""

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
    """Return the classifier of this process for what ``model`` reads beside instructions, loading it on the first call.

    ``aimed`` is how. It scores the one label that has a part in this, on the input stage, and runs on the CPU. Raises
    ``ModelError`` or one of its kinds when it cannot be loaded.
    """
    return classifier(_apart(model, aimed), "cpu", threads)


def _apart(model: LoadedModel, aimed: Aimed) -> LoadedModel:
    """Return ``model`` as one that does nothing but read prompts beside instructions."""
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
