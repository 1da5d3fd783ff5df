"""A monitor's state in a file."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write ``state`` to ``path``, whole or not at all, readable by its owner only. Raises ``OSError``."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(state, stream, separators=(",", ":"))
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_state(path: Path) -> dict[str, Any]:
    """Return the state at ``path``. Raises ``InputError`` where it is no JSON object, ``OSError`` if unreadable."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        msg = f"{path}: no state of a monitor: it is not JSON"
        raise InputError(msg) from None
    if not isinstance(state, dict):
        msg = f"{path}: no state of a monitor: it is no JSON object"
        raise InputError(msg)
    return state
