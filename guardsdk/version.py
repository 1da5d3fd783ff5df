"""The version of the package, readable without installed metadata (a source checkout has none)."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
