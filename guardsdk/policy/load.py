"""Loads policies from files and from the package."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from guardsdk.policy.model import Policy

if TYPE_CHECKING:
    from pathlib import Path


def load_policy(source: str | Path) -> Policy:
    """Load the packaged policy of that name, such as ``strict``, or the file at that path.

    Raises ``PolicyError`` that names the file, the line, the key and the nearest valid name.
    """
    return Policy.from_file(source)


@cache
def default_policy() -> Policy:
    """Return the packaged policy, read once per process."""
    return Policy.default()
