"""The fixtures every test may use: the model the package would find, and a guard on it."""

from __future__ import annotations

import json
import os
import shutil
import time
from functools import partial
from typing import TYPE_CHECKING

import hypothesis
import pytest

from guardsdk import Guard
from guardsdk.engine.contention import Contention
from guardsdk.registry.lookup import MANIFEST_FILE, find_model
from guardsdk.settings import Settings

# Tests that use the runtime directly may be the first to import it, before the engine can switch its reports off.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# How long examples take is the machine's affair, and the first of many loads the model. Which are drawn follows from
# the test, so that what passed once passes again; `pytest --hypothesis-profile=explore` draws others every time.
_SETTINGS = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("guardsdk", _SETTINGS, derandomize=True)
hypothesis.settings.register_profile("explore", _SETTINGS, print_blob=True)
hypothesis.settings.load_profile("guardsdk")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session", autouse=True)
def _cores_to_spare() -> Iterator[None]:
    """Let no test depend on what else this machine does: every run on all cores got all of them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("guardsdk.engine.turns.Contention", partial(Contention, cpu_clock=time.perf_counter))
        yield


@pytest.fixture(scope="session")
def model_directory() -> Path:
    """The model a guard uses when nobody names one; an error, not a skip, where there is none."""
    return find_model(None, Settings.from_environment())


@pytest.fixture(scope="session")
def pairing_directory(model_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with a manifest that says it reads a user's text beside the system text it is aimed at."""
    directory = tmp_path_factory.mktemp("pairing") / "model"
    shutil.copytree(model_directory, directory)
    manifest = json.loads((directory / MANIFEST_FILE).read_text(encoding="utf-8"))
    manifest["context_stages"] = ["input", "output"]
    manifest["aimed"] = None
    (directory / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def lone_directory(model_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with a manifest that says it reads what users wrote by itself only."""
    directory = tmp_path_factory.mktemp("lone") / "model"
    shutil.copytree(model_directory, directory)
    manifest = json.loads((directory / MANIFEST_FILE).read_text(encoding="utf-8"))
    manifest["aimed"] = None
    (directory / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def guard(model_directory: Path) -> Iterator[Guard]:
    """A guard as a user gets it, on the CPU."""
    with Guard(models=model_directory, providers="cpu") as made:
        yield made
