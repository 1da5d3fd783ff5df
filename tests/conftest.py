"""The fixtures every test may use: the model the package would find, and a guard on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk import Guard
from guardsdk.registry.lookup import find_model
from guardsdk.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def model_directory() -> Path:
    """The model a guard uses when nobody names one; an error, not a skip, where there is none."""
    return find_model(None, Settings.from_environment())


@pytest.fixture(scope="session")
def guard(model_directory: Path) -> Iterator[Guard]:
    """A guard as a user gets it, on the CPU."""
    with Guard(models=model_directory, providers="cpu") as made:
        yield made
