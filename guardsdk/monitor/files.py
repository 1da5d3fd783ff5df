"""Saves and loads a monitor's state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from guardsdk.disk import read_file, write_file
from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` to ``path``, whole or not at all, readable by its owner only. Raises ``OSError``."""
    write_file(path, json.dumps(state, separators=(",", ":")), private=True)


def read_state(path: Path) -> dict[str, Any]:
    """Return the state at ``path``. Raises ``InputError`` if it is not a JSON object, ``OSError`` if unreadable."""
    try:
        state = json.loads(read_file(path))
    except (ValueError, RecursionError):
        msg = f"{path}: no state of a monitor: it is not JSON"
        raise InputError(msg) from None
    if not isinstance(state, dict):
        msg = f"{path}: no state of a monitor: it is no JSON object"
        raise InputError(msg)
    return state
