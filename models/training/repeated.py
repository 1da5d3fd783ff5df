"""What is added to the mean of two readings of a short prompt: a part of the ``calibrate`` step, and its own command.

``python -m models.training.repeated --data DIR --run DIR --model DIR`` writes it into the manifest of ``--model``;
``--run`` is a folder that ``prepare`` filled. As much is added as keeps the rates below: of harmless short prompts a
label may stop so many by both readings together that the text by itself does not, as the mean over sources of
``calib/``, and of our own prompts in groups that were never trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk import Stage
from guardsdk.engine.classifier import Request
from guardsdk.limits import UNLIMITED
from guardsdk.registry.lookup import MANIFEST_FILE, load_manifest
from guardsdk.registry.manifest import Repeated
from guardsdk.screens.repeated import VIEW, read_twice
from models.training.adapted import classifier_of
from models.training.gloss_margins import logit
from models.training.passage_margins import LOOKED_AT, OWN, line, reading
from models.training.pools import Pool, pools
from models.training.prepare import HELD_OUT_FILE
from models.training.rows import Row
from models.training.thresholds import threshold_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guardsdk.registry.manifest import Manifest

SEED: Final = 20_261_129
LABEL: Final = "prompt_injection"
"""Of jailbreaks and harmful requests no more are found by it, at equal shares of harmless prompts fewer."""
CHARACTERS: Final = 400
"""Some hundred tokens: twice as many fit into a window."""
RATES: Final = {False: 0.001, True: 0.005}
"""Share of harmless short prompts that may be stopped besides, of others and of our own, which were written to look
bad."""
MOST_ADDED: Final = 2.0
"""Log-odds, where harmless text would allow more."""
FEWEST: Final = 25
MOST: Final = 1_000
"""Prompts of one source: of fewer than the first no share can be told."""


def with_repeated(model: Path, data: Path, run: Path) -> Manifest:
    """Return the manifest of ``model`` with what the texts in ``data`` and ``run`` let it add."""
    plain = load_manifest(model).manifest
    floor, added = 0.0, MOST_ADDED
    trial = Repeated(characters=CHARACTERS, added={Stage.INPUT: {LABEL: MOST_ADDED}})
    odds: dict[bool, list[NDArray[np.float64]]] = {False: [], True: []}
    wholes = []
    for pool in harmless(data, run):
        stopped, scores = _read(model, trial, pool, plain.thresholds[LABEL, Stage.INPUT])
        odds[pool.source == OWN].append(stopped)
        sys.stderr.write(f"{pool.source}: {len(pool.texts)} prompts, at most {np.mean(np.isfinite(stopped)):.2%}\n")
        if pool.source != OWN:
            wholes.append(scores)
    for own, each in odds.items():
        if each:
            added = min(added, logit(plain.thresholds[LABEL, Stage.INPUT]) - line(each, RATES[own]))
    if wholes:
        floor = round(threshold_at(LOOKED_AT, wholes), 4)
    rules = trial.model_copy(
        update={
            "added": {Stage.INPUT: {LABEL: math.floor(10.0 * added) / 10.0}},
            "floors": {Stage.INPUT: {LABEL: floor}},
        }
    )
    return plain.model_copy(update={"repeated": rules})


def harmless(data: Path, run: Path) -> list[Pool]:
    """Return the short prompts that are read for it, of our own one of each group."""
    texts = {
        pool.source: [text for text in pool.texts if len(text[0]) <= CHARACTERS]
        for pool in pools(data, SEED)
        if pool.label is None and pool.stage == Stage.INPUT and LABEL in (pool.negative_of or (LABEL,))
    }
    own: dict[str, tuple[str, str | None]] = {}
    with (run / HELD_OUT_FILE).open(encoding="utf-8") as lines:
        for row in (Row(**json.loads(text)) for text in lines):
            harmless_here = row.stage == Stage.INPUT and row.labels.get(LABEL) == 0
            if harmless_here and row.source.startswith(OWN) and len(row.text) <= CHARACTERS:
                own.setdefault(row.group, (row.text, None))
    found = []
    for source, given in {**texts, OWN: list(own.values())}.items():
        some = random.Random(SEED).sample(given, min(MOST, len(given)))
        if len(some) >= FEWEST:
            found.append(Pool(source, Stage.INPUT.value, None, tuple(some)))
    return found


def _read(
    model: Path, trial: Repeated, pool: Pool, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean log-odds of texts of ``pool`` that are not stopped as they stand, and what all layers score.

    The first are -inf for texts that are stopped, or that nobody reads twice.
    """
    classifier, limits = classifier_of(model), UNLIMITED._replace(early_exit=True)
    requests = [Request(text, Stage.INPUT) for text, _ in pool.texts]
    seen = classifier.score(requests, limits)
    readings = read_twice(classifier, requests, seen, list(map(reading, seen)), rules=trial, limits=limits)
    odds = [
        logit(twice.scores[LABEL]) - MOST_ADDED
        if once.probabilities[LABEL] < threshold and twice.views.get(LABEL) == VIEW
        else -np.inf
        for once, twice in zip(seen, readings, strict=True)
    ]
    full = classifier.score(requests, UNLIMITED)
    return np.array(odds), np.array([scores.probabilities[LABEL] for scores in full])


def main() -> None:
    """Write what is added into the manifest of a model."""
    built = argparse.ArgumentParser(prog="python -m models.training.repeated", description=__doc__)
    built.add_argument("--data", type=Path, required=True, help="folder with calib/")
    built.add_argument("--run", type=Path, required=True, help="folder that prepare filled")
    built.add_argument("--model", type=Path, required=True, help="folder of the model")
    given = built.parse_args()
    found = with_repeated(given.model, given.data, given.run)
    (given.model / MANIFEST_FILE).write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
