"""Evaluate step: run the finished model through the shipped pipeline, and write the figures to manifest and card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from benchmarks import quality
from guardsdk import Guard
from guardsdk.registry.lookup import MANIFEST_FILE
from guardsdk.registry.manifest import Manifest
from models.training.card import card, evaluation_results
from models.training.prepare import HELD_OUT_FILE

if TYPE_CHECKING:
    from pathlib import Path


def evaluate(out: Path, data: Path | None, *, limit: int | None = None) -> Path:
    """Measure ``out/model`` on ``bench/``, write its figures to manifest and card, and return the model folder.

    ``limit`` measures a seeded sample of at most so many rows of each set, stage and label. Without ``data`` (the smoke
    run) a few held-out rows are run through the pipeline, and no figures are claimed. Raises ``RuntimeError`` when the
    benchmark could not run, or a held-out row was not checked in full.
    """
    model = out / "model"
    path = model / MANIFEST_FILE
    manifest = Manifest.model_validate_json(path.read_bytes())
    if data is None:
        _run_through(out, model)
    else:
        results = out / "quality.json"
        some = [] if limit is None else ["--limit", str(limit)]
        if quality.main(["--data", str(data), "--model", str(model), "--out", str(results), *some]):
            msg = "the quality benchmark could not run; its message is above"
            raise RuntimeError(msg)
        found = evaluation_results(json.loads(results.read_text()))
        manifest = manifest.model_copy(update={"evaluation": found})
        path.write_text(manifest.model_dump_json(indent=1) + "\n")
    legs = torch.load(out / "model.pt", map_location="cpu", weights_only=True)["legs"]
    (model / "README.md").write_text(card(out, manifest, legs, limit), encoding="utf-8")
    return model


def _run_through(out: Path, model: Path) -> None:
    rows = [json.loads(line) for line in (out / HELD_OUT_FILE).read_text(encoding="utf-8").splitlines()]
    with Guard(models=model, providers="cpu", cache=0) as guard:
        guard.warmup()
        for row in rows[:20]:
            verdict = guard.check(row["text"], stage=row["stage"], context=row["context"])
            if verdict.coverage != 1.0:
                msg = f"a held-out text was not checked: {verdict.degraded_reasons or verdict.error}"
                raise RuntimeError(msg)
