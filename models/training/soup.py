"""Means of the weights of runs, to start from or as a run of their own (Wortsman et al. 2022, model soups)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from models.training.encoder import mean_of
from models.training.shipped import widened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def begun(start: Sequence[Path]) -> dict[str, Any]:
    """Return the mean of the runs ``start`` as ``train`` stores one: ``model``, ``legs`` and, where known, ``config``.

    Each is a finished ``model.pt`` or the folder of a shipped model, which has no ``config``. Legs are those of the
    first, and describe all of them where they differ in seed and text alone. Raises ``FileNotFoundError`` where one is
    missing.
    """
    runs = [widened(one) if one.is_dir() else torch.load(one, map_location="cpu", weights_only=True) for one in start]
    legs = list(runs[0]["legs"])
    if len(runs) > 1:
        legs.append({"the mean of the weights of": f"{len(runs)} runs"})
    known = next(({"config": run["config"]} for run in runs if "config" in run), {})
    return runs[0] | known | {"model": mean_of([run["model"] for run in runs]), "legs": legs}


def mean(start: Sequence[Path], out: Path) -> Path:
    """Write the mean of ``start``, finished runs or shipped models, as ``model.pt`` below ``out``; return its path.

    Runs that started from one point and saw different text lie in one loss basin: their mean resembles a run with
    batches as large as all of theirs together, but needs no communication between machines. Raises
    ``FileNotFoundError`` where ``start`` is empty or one is missing.
    """
    missing = [str(one) for one in start if not one.exists()]
    if not start or missing:
        absent = ", ".join(missing) or "all of them"
        msg = f"mean takes --start with the model.pt of finished runs or folders of shipped models; missing: {absent}"
        raise FileNotFoundError(msg)
    final = out / "model.pt"
    torch.save(begun(start), final)
    return final
