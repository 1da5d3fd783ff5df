from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk.engine.classifier import Classifier
from guardsdk.registry.lookup import LoadedModel, load_manifest
from tests.tiny import write_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """A real model of a few words, with a graph for CPU and one for CUDA."""
    return load_manifest(write_model(tmp_path_factory.mktemp("models") / "tiny", cuda=True))


@pytest.fixture(scope="session")
def classifier(tiny: LoadedModel) -> Classifier:
    return Classifier(tiny, "cpu", 1)


@pytest.fixture(scope="session")
def shipped(model_directory: Path) -> Classifier:
    """The model that the package carries."""
    return Classifier(load_manifest(model_directory), "cpu", None)
