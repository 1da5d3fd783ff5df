"""Policies from files."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from guardsdk.policy.model import Policy

if TYPE_CHECKING:
    from pathlib import Path


def load_policy(path: str | Path) -> Policy:
    """Read the policy at ``path``. Raises ``PolicyError`` that names the file, the key and the nearest valid name."""
    return Policy.from_file(path)


@cache
def default_policy() -> Policy:
    """Return the packaged policy, read once per process."""
    return Policy.default()
