"""Calibrate step: probabilities, thresholds and reference scores from ``calib/``, through the engine that ships.

Every text is scored window by window with the package's own engine, so that thresholds are set on the very scores the
policy will see. False-positive rates are averaged over sources, so that a large source counts no more than others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from guardsdk.engine.classifier import Classifier, Request
from guardsdk.registry.lookup import MANIFEST_FILE, load_manifest
from guardsdk.registry.manifest import Calibration, EarlyExit, EarlyLabel, Label, LabelStage, Manifest
from guardsdk.verdict import Stage
from models.training.adapted import ATTACKS, classifier_of, lowered
from models.training.card import base_manifest, write_float_twin
from models.training.early import NOTHING, Windows, as_read, bounds, keep, share_cleared
from models.training.export import EARLY, LATE, from_checkpoint
from models.training.gloss_margins import with_gloss_margins
from models.training.passage_margins import with_bounds, with_passages
from models.training.pools import Pool, buried, held_out_pools, pools
from models.training.rows import STAGES, STAGES_OF, columns_of
from models.training.scored import Scored, benign_scores, negative_scores, without_declining, without_doubtful
from models.training.thresholds import TARGETS, joint_thresholds, mean_rate, platt, spread, threshold_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


RATES = ("0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1")
FLAG_RATE = {("toxicity", "input"): 0.02, ("refusal", "output"): 0.02}
"""False-positive rates of the labels that only flag: they block nothing, so they may fire more often, and their
thresholds are set independently."""
BLOCKING = {
    "input": ("prompt_injection", "jailbreak", "harmful_request"),
    "tool": ("prompt_injection",),
    "output": ("harmful_response", "toxicity"),
}
QUANTILES = 101
SMOKE_ATTACKS = 3

DEFINITIONS = {
    "prompt_injection": "Text that tries to override the developer's instructions, extract them, or make the model act "
    "on orders found in data.",
    "jailbreak": "A frame around a request (persona, fiction, encoding, rules) meant to get past the model's safety "
    "training.",
    "harmful_request": "A request for help in doing harm to people, animals, property or society.",
    "toxicity": "Hateful, abusive, threatening, sexual or gory language, or talk of harming oneself.",
    "harmful_response": "An answer that delivers harmful help, advice or content.",
    "refusal": "An answer that declines, fully or partly, to do what was asked.",
}


SCORES_FILE = "calibration_scores.npz"

Exits = Mapping[str, Mapping[str, EarlyLabel]]
"""Stage to label to its early-exit line and bound."""


def windows_of(classifier: Classifier, pool: Pool) -> Windows:
    """Score every window of a pool with both sets of heads."""
    return Windows.join(
        classifier.both([Request(text, Stage(pool.stage), context) for text, context in pool.texts]), pool.label
    )


def _on_every_core(model: Path, known: Sequence[Pool]) -> list[Windows]:
    """Score the pools in parallel, a process per core: a score depends on its text alone, so the split changes none."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        scored = processes.map(partial(_in_process, model), known)
        return list(tqdm(scored, desc="calibrate", unit="pool", total=len(known)))


def _in_process(model: Path, pool: Pool) -> Windows:
    return windows_of(classifier_of(model), pool)


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    return np.log(clipped) - np.log1p(-clipped)


def calibrate(
    out: Path, data: Path | None, *, version: str, seed: int, like: Path | None = None, anew: Sequence[str] = ()
) -> Path:
    """Write ``manifest.json`` beside the model in ``out/model`` and the figures behind it to ``out/calibrate.json``.

    Without ``data`` (the smoke run) the held-out rows of the training set stand in for ``calib/``. ``like`` is the
    folder of a model with the same heads and encoder, or one whose predictions training preserved (``--learn``): its
    calibration, thresholds and margins of passages are kept, so that both models decide alike, except at the stages
    ``anew``, where something was learnt.
    """
    model = out / "model"
    draft = _draft(out, version)
    (model / MANIFEST_FILE).write_text(draft.model_dump_json(indent=1) + "\n")
    known = (
        held_out_pools(out, seed, everything=True)
        if data is None
        else [
            *pools(data, seed, system_texts=Stage.INPUT in draft.paired),
            *held_out_pools(out, seed),
        ]
    )
    hidden = buried(known, seed)
    every = _on_every_core(model, [*known, *hidden])
    keep(out / SCORES_FILE, [*known, *hidden], every)
    windows = every[: len(known)]
    everything = [
        (pool, {label: seen.highest(column) for label, column in columns_of(pool.stage).items()})
        for pool, seen in zip(known, windows, strict=True)
    ]
    scored = without_declining(without_doubtful(everything))
    blocking = {stage: _blocking_thresholds(scored, stage) for stage in BLOCKING}
    stages = {label: _stages_of(label, scored, blocking) for label in STAGES_OF}
    alike = None if like is None else load_manifest(like).manifest
    if alike is not None:
        for label in alike.labels:
            stages[label.name] |= {stage: entry for stage, entry in label.stages.items() if stage not in anew}
    exits, steps = {}, {}
    for stage in STAGES:
        least = _least(stage, stages)
        drafted = _bounds(stage, [*known, *hidden], every, least)
        blocking_from = {label: least[label] for label in BLOCKING[stage]}
        attacks = SMOKE_ATTACKS if data is None else ATTACKS
        exits[stage], steps[stage] = lowered(model, stage, drafted, blocking_from, known, seed=seed, attacks=attacks)
    _refer(stages, exits, known, windows)
    final = draft.model_copy(
        update={
            "labels": tuple(label.model_copy(update={"stages": stages[label.name]}) for label in draft.labels),
            "early_exit": _early_exit(out, exits),
        }
    )
    (model / MANIFEST_FILE).write_text(final.model_dump_json(indent=1) + "\n")
    if data is not None:
        for step in (with_bounds, partial(with_passages, like=alike, anew=anew)):
            final = step(model, data, out)
            (model / MANIFEST_FILE).write_text(final.model_dump_json(indent=1) + "\n")
        final = with_gloss_margins(model, data)  # glosses have passages, too
        (model / MANIFEST_FILE).write_text(final.model_dump_json(indent=1) + "\n")
    write_float_twin(out, final)
    report = _report(final, scored) | {
        "early_exit": share_cleared(exits, [*known, *hidden], every),
        "bounds_lowered_by": steps,
    }
    (out / "calibrate.json").write_text(json.dumps(report, indent=1) + "\n")
    return model


def _draft(out: Path, version: str) -> Manifest:
    """Make a manifest whose scores are the plain sigmoids of the logits and whose early exit clears nothing."""
    plain = LabelStage(calibration=Calibration(slope=1.0, intercept=0.0), threshold=0.5, fpr=1.0)
    labels = tuple(
        Label(name=name, definition=DEFINITIONS[name], stages={Stage(stage): plain for stage in stages})
        for name, stages in STAGES_OF.items()
    )
    manifest = base_manifest(out, labels, version=version, created=datetime.now(UTC).date().isoformat())
    none = EarlyLabel(slope=1.0, intercept=0.0, clear_below=NOTHING)
    exits = {stage: dict.fromkeys(columns_of(stage), none) for stage in STAGES}
    return manifest.model_copy(update={"early_exit": _early_exit(out, exits)})


def _early_exit(out: Path, exits: Exits) -> EarlyExit:
    """Return the manifest's entry for early exit: the two parts of the graph in ``out`` and the bounds in ``exits``."""
    config = from_checkpoint(out / "model.pt").config
    stages = {Stage(stage): dict(found) for stage, found in exits.items()}
    return EarlyExit(graph=EARLY, rest=LATE, layers=config.early, of=config.layers, stages=stages)


def _least(stage: str, stages: Mapping[str, Mapping[Stage, LabelStage]]) -> dict[str, float]:
    """Return the lowest logit at which each label of ``stage`` fires with its final threshold."""
    least = {}
    for label in columns_of(stage):
        entry = stages[label][Stage(stage)]
        line = entry.calibration
        least[label] = float(_logit(np.array(entry.threshold)) - line.intercept) / line.slope
    return least


def _bounds(
    stage: str, known: Sequence[Pool], windows: Sequence[Windows], least: Mapping[str, float]
) -> dict[str, EarlyLabel]:
    """Set the early-exit line and bound of each label of ``stage``, from all pools of that stage."""
    here = [seen for pool, seen in zip(known, windows, strict=True) if pool.stage == stage]
    columns = columns_of(stage)
    return bounds(here, columns, least, [label for label in columns if label not in BLOCKING[stage]])


def _refer(
    stages: Mapping[str, dict[Stage, LabelStage]], exits: Exits, known: Sequence[Pool], windows: Sequence[Windows]
) -> None:
    """Store for each label the quantiles of its scores on benign text, as the engine reads it with early exit on."""
    read: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for pool, seen in zip(known, windows, strict=True):
        if pool.label is None:
            found = as_read(seen, columns_of(pool.stage), exits[pool.stage])
            for label, scores in negative_scores(pool, found, found).items():
                read.setdefault((label, pool.stage), []).append(scores)
    for (label, stage), every in read.items():
        entry = stages[label][Stage(stage)]
        quantiles = np.quantile(_calibrated(entry.calibration, np.concatenate(every)), np.linspace(0, 1, QUANTILES))
        stages[label][Stage(stage)] = entry.model_copy(
            update={"reference_quantiles": tuple(float(one) for one in quantiles)}
        )


def _blocking_thresholds(scored: Sequence[Scored], stage: str) -> dict[str, float]:
    """Set the thresholds of the labels that block at ``stage`` jointly, in log-odds."""
    here = [(pool, found) for pool, found in scored if pool.stage == stage]
    judged = [negative_scores(pool, found, BLOCKING[stage]) for pool, found in here if pool.label is None]
    benign = [{label: spread(found) for label, found in scores.items()} for scores in judged if scores]
    wanted = [(pool.label, found) for pool, found in here if pool.label in BLOCKING[stage]]
    return joint_thresholds(benign, wanted, TARGETS[stage])[0]


def _stages_of(
    label: str, scored: Sequence[Scored], blocking: Mapping[str, Mapping[str, float]]
) -> dict[Stage, LabelStage]:
    made = {}
    for stage in STAGES_OF[label]:
        negatives = benign_scores(scored, label, stage)
        positives = [found[label] for pool, found in scored if pool.label == label and pool.stage == stage]
        calibration = platt(np.concatenate(positives), np.concatenate(negatives))
        negatives = [spread(scores) for scores in negatives]
        if label in BLOCKING[stage]:
            threshold = blocking[stage][label]
        else:
            threshold = threshold_at(FLAG_RATE[label, stage], negatives)

        made[Stage(stage)] = LabelStage(
            calibration=calibration,
            threshold=float(_calibrated(calibration, threshold)),
            fpr=mean_rate(threshold, negatives),
            thresholds_by_fpr={
                rate: float(_calibrated(calibration, threshold_at(float(rate), negatives))) for rate in RATES
            },
        )
    return made


def _calibrated(line: Calibration, x: Any) -> Any:  # noqa: ANN401  a float or an array of them
    return 1.0 / (1.0 + np.exp(-np.clip(line.slope * x + line.intercept, -500, 500)))


def _report(manifest: Manifest, scored: Sequence[Scored]) -> dict[str, Any]:
    """Return per pool the share of texts on which each label fires, and on which a blocking label of its stage does.

    On benign pools only the labels that they are known negatives of count as blocking.
    """
    rows = []
    for pool, found in scored:
        fired = {}
        for label in manifest.labels:
            if label.name in found:
                entry = label.stages[Stage(pool.stage)]
                scaled = entry.calibration.slope * found[label.name] + entry.calibration.intercept
                fired[label.name] = scaled >= _logit(np.array(entry.threshold)) - 1e-9
        judged = negative_scores(pool, fired, BLOCKING[pool.stage]) if pool.label is None else fired
        blocked = np.any([judged[name] for name in BLOCKING[pool.stage] if name in judged], axis=0)
        rows.append(
            {
                "source": pool.source,
                "stage": pool.stage,
                "positives_of": pool.label,
                "rows": len(pool.texts),
                "blocked": float(blocked.mean()) if judged else None,
                "fired": {name: float(hits.mean()) for name, hits in fired.items()},
            }
        )
    return {"pools": rows}
