"""The package version, readable without installed metadata, which a source checkout does not have."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
