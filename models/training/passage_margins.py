"""What a passage by itself must score above the thresholds: a part of the ``calibrate`` step, and a command of its own.

``python -m models.training.passage_margins --data DIR --model DIR`` writes it into the manifest of ``--model``. Of
harmless text that has passages, in ``calib/`` and in long prompts of ``train/``, each label may stop so much by a
passage alone that the rate below is kept, as the mean over sources.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk import Stage
from guardsdk.engine.classifier import Request
from guardsdk.limits import UNLIMITED
from guardsdk.registry.lookup import MANIFEST_FILE, load_manifest
from guardsdk.registry.manifest import Passages
from guardsdk.screens.base import Reading
from guardsdk.screens.closer import VIEW, looked_closer
from guardsdk.text.passages import passages
from models.training.adapted import classifier_of
from models.training.gloss_margins import logit
from models.training.pools import Pool, pools
from models.training.sources import read_raw

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.classifier import Classifier
    from guardsdk.engine.scores import Scores
    from guardsdk.registry.manifest import Manifest

SEED: Final = 20_261_129
CHARACTERS: Final = 120
"""Of a passage: some thirty tokens, one or two sentences."""
RATE: Final = 0.003
"""Share of harmless texts of several passages that one label may stop by a passage alone; most texts have one."""
STOPPING: Final = {
    Stage.INPUT: ("prompt_injection", "jailbreak", "harmful_request"),
    Stage.TOOL: ("prompt_injection",),
    Stage.OUTPUT: ("harmful_response", "toxicity"),
}
"""What stops a text; what only flags one says so of the whole."""
SPREAD: Final = {Stage.INPUT: 0.5, Stage.OUTPUT: 0.5}
"""In documents little else looks like an order."""
LONG_PROMPTS: Final = ("awesome_prompts_en", "bfcl", "code_alpaca_2k", "dolly_subset", "fabric_patterns", "gpteacher")
"""Sources of ``train/`` whose harmless prompts are long, which few of ``calib/`` are."""
FEWEST: Final = 100
MOST: Final = 600
"""Texts of one source and stage: of fewer than the first no share can be told."""


def with_passages(model: Path, data: Path) -> Manifest:
    """Return the manifest of ``model`` with the margins of passages that ``data`` asks for."""
    plain = load_manifest(model).manifest
    none = {stage: dict.fromkeys(labels, 0.0) for stage, labels in STOPPING.items()}
    rules = Passages(characters=CHARACTERS, margins=none, spread=SPREAD)
    found = dict(margins(classifier_of(model), plain.model_copy(update={"passages": rules}), data))
    return plain.model_copy(update={"passages": rules.model_copy(update={"margins": found})})


def margins(classifier: Classifier, manifest: Manifest, data: Path) -> Iterator[tuple[Stage, dict[str, float]]]:
    """Yield for each stage and label by how many log-odds its rate is kept late, 0 where it is kept already."""
    seen: dict[Stage, dict[str, list[NDArray[np.float64]]]] = {}
    for pool in harmless(data):
        stage = Stage(pool.stage)
        texts = [one for one in pool.texts if len(passages(one[0], CHARACTERS)) > 1][:MOST]
        if len(texts) < FEWEST:
            continue
        odds = _stopped(classifier, manifest, stage, texts)
        told = ", ".join(f"{label} {np.mean(np.isfinite(found)):.2%}" for label, found in odds.items())
        sys.stderr.write(f"{pool.source} {stage.value}: {len(texts)} texts, stopped without margin: {told}\n")
        for label, found in odds.items():
            if pool.negative_of is None or label in pool.negative_of:
                seen.setdefault(stage, {}).setdefault(label, []).append(found)
    for stage, labels in seen.items():
        late = {
            label: max(0.0, _line(found) - logit(manifest.thresholds[label, stage])) for label, found in labels.items()
        }
        yield stage, {label: math.ceil(10.0 * margin) / 10.0 for label, margin in late.items()}


def harmless(data: Path) -> list[Pool]:
    """Return the pools that are read for the margins."""
    found = [pool for pool in pools(data, SEED) if pool.label is None]
    for name in LONG_PROMPTS:
        rows = [row for row in read_raw(data / "train" / f"{name}.jsonl.gz") if row["role"] == "user"]
        texts = [(row["text"], None) for row in rows if not row["attack"] and not row["harm"]]
        order = np.random.default_rng(SEED).permutation(len(texts))
        found.append(Pool(name, Stage.INPUT.value, None, tuple(texts[at] for at in order)))
    return found


def _stopped(
    classifier: Classifier, manifest: Manifest, stage: Stage, texts: Sequence[tuple[str, str | None]]
) -> dict[str, NDArray[np.float64]]:
    """Return for each label the log-odds of passages that stop what is not stopped as a whole, -inf of other texts."""
    rules = manifest.passages
    if rules is None:
        return {}
    requests = [Request(text, stage, context) for text, context in texts]
    whole = classifier.score(requests, UNLIMITED._replace(early_exit=True))
    readings = looked_closer(classifier, requests, whole, list(map(_reading, whole)), rules=rules, limits=UNLIMITED)
    found = {}
    for label in rules.margins[stage]:
        least = manifest.thresholds[label, stage]
        by_passage = [
            logit(reading.scores[label])
            if scores.probabilities[label] < least <= reading.scores[label] and reading.views.get(label) == VIEW
            else -np.inf
            for scores, reading in zip(whole, readings, strict=True)
        ]
        found[label] = np.array(by_passage)
    return found


def _reading(scores: Scores) -> Reading:
    return Reading(scores.probabilities, scores.coverage, lambda _: ((0, 1),))


def _line(found: Sequence[NDArray[np.float64]]) -> float:
    """Return the lowest score that at most the rate of the texts exceed, as the mean over sources."""
    scores = np.unique(np.concatenate([odds[np.isfinite(odds)] for odds in found]))
    rates = np.mean([(odds[:, None] >= scores[None, :]).mean(axis=0) for odds in found], axis=0)
    above = scores[rates > RATE]
    return float(above[-1]) if len(above) else -np.inf


def main() -> None:
    """Write the margins into the manifest of a model."""
    built = argparse.ArgumentParser(prog="python -m models.training.passage_margins", description=__doc__)
    built.add_argument("--data", type=Path, required=True, help="folder with calib/ and train/")
    built.add_argument("--model", type=Path, required=True, help="folder of the model")
    given = built.parse_args()
    found = with_passages(given.model, given.data)
    (given.model / MANIFEST_FILE).write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
