"""Calibrate step: probabilities, thresholds and reference scores from ``calib/``, through the engine that ships.

Every text is scored by the package's own engine, window by window, so that thresholds are set on the very numbers the
policy will see. A false-positive rate is the mean of the rates of its sources: a large source has no larger say.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from guardsdk.engine.classifier import Classifier, Request
from guardsdk.registry.lookup import MANIFEST_FILE, load_manifest
from guardsdk.registry.manifest import Calibration, Label, LabelStage, Manifest
from guardsdk.verdict import Stage
from models.training.card import base_manifest
from models.training.clusters import cluster_ids
from models.training.prepare import HELD_OUT_FILE
from models.training.rows import Row
from models.training.sources import read_raw

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

RATES = ("0.0005", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1")
TARGET = 0.01
"""Benign texts a stage may block, all blocking principles of the default policy together."""
FLAG_RATE = {("toxicity", "input"): 0.03, ("refusal", "output"): 0.01}
"""Flags stop nothing: they may fire more often, each on its own."""
BLOCKING = {
    "input": ("prompt_injection", "jailbreak", "harmful_request"),
    "tool": ("prompt_injection",),
    "output": ("harmful_response", "toxicity"),
}
PER_SOURCE = 2500
QUANTILES = 101
_CONVERGED = 1e-9

DEFINITIONS = {
    "prompt_injection": "Text that tries to override the developer's instructions, extract them, or make the model act "
    "on orders found in data.",
    "jailbreak": "A frame around a request (persona, fiction, encoding, rules) meant to get past the model's safety "
    "training.",
    "harmful_request": "A request for help in doing harm to people, animals, property or society.",
    "toxicity": "Hateful, abusive, threatening or demeaning language.",
    "harmful_response": "An answer that delivers harmful help, advice or content.",
    "refusal": "An answer that declines, fully or partly, to do what was asked.",
}
STAGES_OF = {
    "prompt_injection": ("input", "tool"),
    "jailbreak": ("input",),
    "harmful_request": ("input",),
    "toxicity": ("input", "output"),
    "harmful_response": ("output",),
    "refusal": ("output",),
}


@dataclass(frozen=True, slots=True)
class Pool:
    """Texts of one source and stage whose labels are all known to be alike."""

    source: str
    stage: str
    label: str | None
    """The one label these are positives of; None for benign text, negative of every label of the stage."""
    texts: tuple[tuple[str, str | None], ...]
    """Text and context."""


def _raw(data: Path, name: str) -> list[dict[str, Any]]:
    return [raw for raw in read_raw(data / "calib" / f"{name}.jsonl.gz") if raw["text"].strip()]


def _pool(name: str, stage: str, label: str | None, rows: Iterable[dict[str, Any]], seed: int) -> Pool:
    texts = [(raw["text"], raw["context"] if stage == "output" else None) for raw in rows]
    if len(texts) > PER_SOURCE:
        picked = np.random.default_rng(seed).choice(len(texts), PER_SOURCE, replace=False)
        texts = [texts[at] for at in sorted(picked)]
    return Pool(name, stage, label, tuple(texts))


def _apart_from_attacks(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop "benign" rows that are near-duplicates of attacks of the same collection: mislabelled copies."""
    clusters = cluster_ids([raw["text"] for raw in rows])
    attacked = {cluster for raw, cluster in zip(rows, clusters, strict=True) if raw["attack"]}
    return [raw for raw, cluster in zip(rows, clusters, strict=True) if raw["attack"] == 0 and cluster not in attacked]


def pools(data: Path, seed: int) -> list[Pool]:
    """Read ``calib/`` into pools of known labels."""
    made = []
    plain = {"taskmaster4": "input", "mbpp": None, "llamafactory_demo": None, "xquad": None, "sms_spam": "tool"}
    stage_of = {"user": "input", "document": "tool", "response": "output"}
    for name, only in plain.items():
        rows = _raw(data, name)
        for role in sorted({raw["role"] for raw in rows}):
            stage = only or stage_of[role]
            made.append(_pool(name, stage, None, [raw for raw in rows if raw["role"] == role], seed))
    for name, label in (("neuralchemy_pi", "prompt_injection"), ("promptscan_prompts", "jailbreak")):
        rows = _raw(data, name)
        made.append(_pool(name, "input", None, _apart_from_attacks(rows), seed))
        made.append(_pool(name, "input", label, [raw for raw in rows if raw["attack"]], seed))
    made.append(_pool("tensor_trust", "input", "prompt_injection", _raw(data, "tensor_trust"), seed))
    asked = _raw(data, "owasp_aitg")
    made.append(_pool("owasp_aitg", "input", "harmful_request", [raw for raw in asked if raw["harm"]], seed))
    for name in ("surge_toxicity", "implicit_hate", "stormfront"):
        rows = _raw(data, name)
        toxic = [raw for raw in rows if raw["harm"]]
        made.extend(_pool(name, stage, "toxicity", toxic, seed) for stage in ("input", "output"))
    return made


def held_out_pools(out: Path, seed: int, *, everything: bool = False) -> list[Pool]:
    """Return positives that ``calib/`` lacks, from groups of the training data that were never trained on.

    With ``everything`` it returns the positives of every label and one pool of clean text per stage.
    """
    lacking = {("prompt_injection", "tool"), ("harmful_response", "output"), ("refusal", "output")}
    found: dict[tuple[str, str, str | None], list[dict[str, Any]]] = {}
    with (out / HELD_OUT_FILE).open(encoding="utf-8") as lines:
        for line in lines:
            row = Row(**json.loads(line))
            raw = {"text": row.text, "context": row.context}
            for label in (name for name, value in row.labels.items() if value):
                if everything or (label, row.stage) in lacking:
                    found.setdefault((row.source, row.stage, label), []).append(raw)
            if everything and not any(row.labels.values()):
                found.setdefault(("text", row.stage, None), []).append(raw)
    return [_pool(f"held-out {source}", stage, label, rows, seed) for (source, stage, label), rows in found.items()]


def log_odds_of(classifier: Classifier, pool: Pool) -> dict[str, NDArray[np.float64]]:
    """Score a pool; returns label to the log-odds of each text."""
    requests = [Request(text, Stage(pool.stage), context) for text, context in pool.texts]
    found: dict[str, list[float]] = {}
    for at in range(0, len(requests), 200):
        for scores in classifier.score(requests[at : at + 200]):
            for label, probability in scores.probabilities.items():
                found.setdefault(label, []).append(probability)
    return {label: _logit(np.array(values)) for label, values in found.items()}


def _logit(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(probability, 1e-15, 1 - 1e-15)
    return np.log(clipped) - np.log1p(-clipped)


def platt(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> Calibration:
    """Fit ``p = sigmoid(slope * x + intercept)`` with both classes weighing the same (Platt 1999, with his targets).

    Newton's method on a convex loss; a tiny ridge keeps separable classes finite.
    """
    x = np.concatenate([positive, negative])
    counts = np.array([len(positive), len(negative)], float)
    goals = np.array([(counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2)])
    target = np.repeat(goals, counts.astype(int))
    weight = np.repeat(0.5 / counts, counts.astype(int))
    design = np.stack([x, np.ones_like(x)])
    start = np.array([1.0, 0.0])
    ridge = 1e-4

    def loss(theta: NDArray[np.float64]) -> float:
        logits = theta @ design
        fit = weight @ (np.logaddexp(0.0, logits) - target * logits)
        return float(fit + 0.5 * ridge * ((theta - start) ** 2).sum())

    theta = start
    for _ in range(100):
        p = 1.0 / (1.0 + np.exp(-np.clip(theta @ design, -500, 500)))
        gradient = design @ (weight * (p - target)) + ridge * (theta - start)
        hessian = (design * (weight * p * (1 - p))) @ design.T + ridge * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        # A full step overshoots where the classes are far from balanced on the starting line: halve until it helps.
        while loss(theta - step) > loss(theta) and np.abs(step).max() > _CONVERGED:
            step /= 2
        theta = theta - step
        if np.abs(step).max() <= _CONVERGED:
            break
    return Calibration(slope=max(float(theta[0]), 1e-3), intercept=float(theta[1]))


def threshold_at(rate: float, negatives: Sequence[NDArray[np.float64]]) -> float:
    """Return the smallest score that at most ``rate`` of the negatives reach, as the mean over sources."""
    candidates = np.unique(np.concatenate(negatives))
    # One past the largest score, where nothing fires, is a candidate too.
    candidates = np.append(candidates, np.nextafter(candidates[-1], np.inf))
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if mean_rate(candidates[middle], negatives) <= rate:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low])


def mean_rate(threshold: float, negatives: Sequence[NDArray[np.float64]]) -> float:
    """Return the share that reaches ``threshold``, averaged over sources."""
    return float(np.mean([(scores >= threshold).mean() for scores in negatives]))


def joint_rates(benign: Mapping[str, Sequence[NDArray[np.float64]]], target: float) -> tuple[dict[str, float], float]:
    """Find equal false-positive rates per label whose union stays at ``target``.

    ``benign`` maps each label to its scores per source, texts aligned across labels. Returns the thresholds and the
    union rate reached.
    """

    def union(rate: float) -> tuple[dict[str, float], float]:
        thresholds = {label: threshold_at(rate, scores) for label, scores in benign.items()}
        hits = [
            np.any([scores[at] >= thresholds[label] for label, scores in benign.items()], axis=0).mean()
            for at in range(len(next(iter(benign.values()))))
        ]
        return thresholds, float(np.mean(hits))

    low, high = 0.0, target
    best = union(0.0)
    for _ in range(30):
        middle = (low + high) / 2
        found = union(middle)
        if found[1] <= target:
            low, best = middle, found
        else:
            high = middle
    return best


def calibrate(out: Path, data: Path | None, *, version: str, seed: int) -> Path:
    """Write ``manifest.json`` beside the model in ``out/model`` and the figures behind it to ``out/calibrate.json``.

    Without ``data`` the held-out rows of the training set stand in for ``calib/`` (the smoke run).
    """
    model = out / "model"
    draft = _draft(out, version)
    (model / MANIFEST_FILE).write_text(draft.model_dump_json(indent=1) + "\n")
    classifier = Classifier(load_manifest(model), "cpu", None)
    known = (
        held_out_pools(out, seed, everything=True) if data is None else [*pools(data, seed), *held_out_pools(out, seed)]
    )
    scored = [(pool, log_odds_of(classifier, pool)) for pool in tqdm(known, desc="calibrate", unit="pool")]
    np.savez(
        out / "calibration_scores.npz",
        allow_pickle=False,
        **{f"{p.stage}|{p.label}|{p.source}|{label}": x for p, found in scored for label, x in found.items()},
    )
    stages = {label: _stages_of(label, scored) for label in STAGES_OF}
    final = draft.model_copy(
        update={"labels": tuple(label.model_copy(update={"stages": stages[label.name]}) for label in draft.labels)}
    )
    (model / MANIFEST_FILE).write_text(final.model_dump_json(indent=1) + "\n")
    report = _report(final, scored)
    (out / "calibrate.json").write_text(json.dumps(report, indent=1) + "\n")
    return model


def _draft(out: Path, version: str) -> Manifest:
    """Make a manifest whose scores are the bare sigmoids of the logits."""
    plain = LabelStage(calibration=Calibration(slope=1.0, intercept=0.0), threshold=0.5, fpr=1.0)
    labels = tuple(
        Label(name=name, definition=DEFINITIONS[name], stages={Stage(stage): plain for stage in stages})
        for name, stages in STAGES_OF.items()
    )
    return base_manifest(out, labels, version=version, created=datetime.now(UTC).date().isoformat())


def _benign(scored: Iterable[tuple[Pool, dict[str, Any]]], label: str, stage: str) -> list[NDArray[np.float64]]:
    return [found[label] for pool, found in scored if pool.label is None and pool.stage == stage]


def _stages_of(label: str, scored: Sequence[tuple[Pool, dict[str, Any]]]) -> dict[Stage, LabelStage]:
    made = {}
    for stage in STAGES_OF[label]:
        negatives = _benign(scored, label, stage)
        positives = [found[label] for pool, found in scored if pool.label == label and pool.stage == stage]
        calibration = platt(np.concatenate(positives), np.concatenate(negatives))
        if label in BLOCKING[stage]:
            joint = {name: _benign(scored, name, stage) for name in BLOCKING[stage]}
            threshold = joint_rates(joint, TARGET)[0][label]
        else:
            threshold = threshold_at(FLAG_RATE[label, stage], negatives)

        def calibrated(x: Any, by: Calibration = calibration) -> Any:  # noqa: ANN401  a float or an array of them
            return 1.0 / (1.0 + np.exp(-np.clip(by.slope * x + by.intercept, -500, 500)))

        pooled = calibrated(np.concatenate(negatives))
        made[Stage(stage)] = LabelStage(
            calibration=calibration,
            threshold=float(calibrated(threshold)),
            fpr=mean_rate(threshold, negatives),
            thresholds_by_fpr={rate: float(calibrated(threshold_at(float(rate), negatives))) for rate in RATES},
            reference_quantiles=tuple(float(q) for q in np.quantile(pooled, np.linspace(0, 1, QUANTILES))),
        )
    return made


def _report(manifest: Manifest, scored: Sequence[tuple[Pool, dict[str, Any]]]) -> dict[str, Any]:
    """Say per pool what share each label and the stage's blocking labels together catch at the chosen thresholds."""
    rows = []
    for pool, found in scored:
        fired = {}
        for label in manifest.labels:
            if label.name in found:
                entry = label.stages[Stage(pool.stage)]
                scaled = entry.calibration.slope * found[label.name] + entry.calibration.intercept
                fired[label.name] = scaled >= _logit(np.array(entry.threshold)) - 1e-9
        blocked = np.any([fired[name] for name in BLOCKING[pool.stage]], axis=0)
        rows.append(
            {
                "source": pool.source,
                "stage": pool.stage,
                "positives_of": pool.label,
                "rows": len(pool.texts),
                "blocked": float(blocked.mean()),
                "fired": {name: float(hits.mean()) for name, hits in fired.items()},
            }
        )
    return {"pools": rows}
