"""Where this checkout lies, and an environment in which a program of its own finds the same package."""

from __future__ import annotations

import os
from pathlib import Path

import guardsdk

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(guardsdk.__file__).resolve().parents[1]
"""The folder that ``guardsdk`` was imported from: another than ``ROOT`` where it is installed."""


def environment(*folders: Path) -> dict[str, str]:
    """This environment, in which programs look for modules in that folder and in ``folders``."""
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(map(str, (PACKAGE, *folders)))}
