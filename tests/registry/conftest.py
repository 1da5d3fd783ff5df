from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tiny import write_model

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A sound model directory that a test may damage."""
    return write_model(tmp_path / "tiny")
