from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.streaming.screens import PatternGuard

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def patterns(model_directory: Path) -> PatternGuard:
    """A guard of plain patterns, fresh for each test."""
    return PatternGuard(model_directory)
