"""What a passage by itself must score above the thresholds: a part of the ``calibrate`` step, and a command of its own.

``python -m models.training.passage_margins --data DIR --run DIR --model DIR`` writes it into the manifest of
``--model``; ``--run`` is a folder that ``prepare`` filled. Of harmless texts that have passages each label may stop so
much by one of them alone that the rates below are kept, as the mean over sources of ``calib/``, and of our own texts
in groups that were never trained on.

Before that, what the lower layers clear is narrowed, as it is not looked at: early-exit bounds are set for texts that
all layers would stop as they are, not for those of which only a passage gives them away. And for where the lower layers
have no say, it is set below which scores texts are plainly harmless.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from tqdm import tqdm

from guardsdk import Stage
from guardsdk.engine.classifier import Request
from guardsdk.limits import UNLIMITED
from guardsdk.registry.lookup import MANIFEST_FILE, load_manifest
from guardsdk.registry.manifest import Passages
from guardsdk.screens.base import Reading
from guardsdk.screens.closer import VIEW, looked_closer, passages_of
from models.training.adapted import classifier_of
from models.training.gloss_margins import logit
from models.training.pools import Pool, pools
from models.training.prepare import HELD_OUT_FILE
from models.training.rows import Row, columns_of
from models.training.scored import negative_scores
from models.training.thresholds import threshold_at

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from numpy.typing import NDArray

    from guardsdk.engine.scores import Scores
    from guardsdk.registry.manifest import EarlyLabel, Manifest

SEED: Final = 20_261_129
CHARACTERS: Final = 120
"""Length of a passage of a prompt: about thirty tokens, one or two sentences."""
LEAST: Final = {Stage.TOOL: 300}
"""Fewest characters of a passage of a document: single lines of harmless pages look like orders."""
FEW: Final = {Stage.TOOL: 4}
"""Fewest passages of a document that is read by them. Of held-out documents with an order, passages reveal 3 in 100 of
those that have two or three and 14 of those that have more; real mail is mostly short and often looks like an order."""
RATES: Final = {Stage.INPUT: 0.002, Stage.TOOL: 0.0025}
"""Share of harmless texts of ``calib/`` with several passages that one label may stop by a passage alone."""
OWN_RATE: Final = 0.01
"""The same of our own, which were written to look bad. Most prompts have one passage."""
RAISED: Final = {Stage.INPUT: ("jailbreak", "harmful_request"), Stage.TOOL: ("prompt_injection",)}
"""Labels that passages may raise. Those of prompts hardly reveal more injections by users, while harmless prompts would
be stopped; short sentences of answers look worse than whole answers."""
SPREAD: Final = {Stage.INPUT: 0.5}
"""Share of the log of the number of passages that is subtracted: below 1, as passages of one text are correlated. None
in documents: their highest scores are so close to one another that what it takes from long ones would hide orders."""
AROUND: Final[dict[Stage, tuple[int, ...]]] = {Stage.TOOL: (100,)}
"""Characters on either side of the worst passages of a document with which they are read again."""
LOOKED_AT: Final = 0.1
"""Share of harmless texts that reach the floor of a label, averaged over sources: about as many as the lower layers
do not clear."""
NOT_CLEARED: Final = 0.1
"""Share of harmless texts that the lower layers may leave in doubt because of one label, averaged over sources."""
OWN: Final = "gen_"
"""Prefix of the sources of our own text, and the name of the pool made of them."""
FEWEST: Final = 100
MOST: Final = 1_000
"""At most ``MOST`` texts of a source are read; with fewer than ``FEWEST`` no share can be estimated."""

Stops = dict[str, "NDArray[np.float64]"]
"""For each label the log-odds [N] of a passage that stops a text not stopped as a whole, -inf for other texts."""
Wholes = dict[str, "NDArray[np.float64]"]
"""For each label the probabilities [N] of the whole texts."""


def with_passages(
    model: Path, data: Path, run: Path, *, like: Manifest | None = None, anew: Container[str] = ()
) -> Manifest:
    """Return the manifest of ``model`` with the margins and floors of passages set on texts of ``data`` and ``run``.

    The margins of a model that it is ``like`` are kept, as its thresholds are, but at the stages ``anew``.
    """
    plain = load_manifest(model).manifest
    none = {stage: dict.fromkeys(labels, 0.0) for stage, labels in RAISED.items()}
    rules = Passages(characters=CHARACTERS, least=LEAST, fewest=FEW, margins=none, spread=SPREAD, around=AROUND)
    draft = plain.model_copy(update={"passages": rules})
    found = {stage: margins(model, draft, stage, harmless(data, run, stage, rules)) for stage in RAISED}
    kept = {} if like is None or like.passages is None else like.passages.margins
    late = {stage: margin if stage in anew else kept.get(stage, margin) for stage, (margin, _) in found.items()}
    floors = {stage: floor for stage, (_, floor) in found.items()}
    return plain.model_copy(update={"passages": rules.model_copy(update={"margins": late, "floors": floors})})


def with_bounds(model: Path, data: Path, run: Path) -> Manifest:
    """Return the manifest of ``model`` with early-exit bounds low enough for what only passages give away.

    The bound of a label that passages raise comes down to the early logit that the share ``NOT_CLEARED`` of harmless
    texts of several passages reaches; it never rises.
    """
    plain = load_manifest(model).manifest
    early = plain.early_exit
    if early is None:
        return plain
    rules = Passages(characters=CHARACTERS, least=LEAST, fewest=FEW, margins={})
    stages = dict(early.stages)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        for stage, labels in RAISED.items():
            known = [pool for pool in harmless(data, run, stage, rules) if pool.source != OWN]
            heard = processes.map(partial(_early, model, stage), known)
            shown = tqdm(heard, desc=f"bounds, {stage}", unit="pool", total=len(known))
            scores = [negative_scores(pool, one, labels) for pool, one in zip(known, shown, strict=True)]
            stages[stage] = {
                label: _narrowed(bound, [one[label] for one in scores if label in one], NOT_CLEARED)
                for label, bound in stages[stage].items()
            }
    return plain.model_copy(update={"early_exit": early.model_copy(update={"stages": stages})})


def _early(model: Path, stage: Stage, pool: Pool) -> dict[str, NDArray[np.float64]]:
    """Return for each label the highest early logit [N] of each text of ``pool``."""
    both = classifier_of(model).both([Request(text, stage) for text, _ in pool.texts])
    highest = np.array([early.max(axis=0) for early, _ in both], dtype=np.float64)
    return {label: highest[:, column] for label, column in columns_of(stage.value).items()}


def _narrowed(bound: EarlyLabel, scores: Sequence[NDArray[np.float64]], rate: float) -> EarlyLabel:
    if not scores:
        return bound
    return bound.model_copy(update={"clear_below": min(bound.clear_below, threshold_at(rate, scores))})


def margins(
    model: Path, manifest: Manifest, stage: Stage, known: Sequence[Pool]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return for each label of ``stage`` how far above the threshold a passage must score, in log-odds, and its floor.

    Margins are rounded up to a tenth, and 0 where the threshold alone keeps the label's rates.
    """
    kinds: dict[tuple[str, bool], list[NDArray[np.float64]]] = {}
    wholes: dict[str, list[NDArray[np.float64]]] = {label: [] for label in RAISED[stage]}
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        stopped = processes.map(partial(_stopped, model, manifest, stage), known)
        shown = tqdm(stopped, desc=f"passages, {stage}", unit="pool", total=len(known))
        for pool, (found, scores) in zip(known, shown, strict=True):
            told = ", ".join(f"{label} {np.mean(np.isfinite(odds)):.2%}" for label, odds in found.items())
            tqdm.write(f"{pool.source}: {len(pool.texts)} texts, without margin {told}", file=sys.stderr)
            for label, odds in negative_scores(pool, found, RAISED[stage]).items():
                kinds.setdefault((label, pool.source == OWN), []).append(odds)
                if pool.source != OWN:
                    wholes[label].append(scores[label])
    late = dict.fromkeys(RAISED[stage], 0.0)
    for (label, own), each in kinds.items():
        least = logit(manifest.thresholds[label, stage])
        late[label] = max(late[label], _line(each, OWN_RATE if own else RATES[stage]) - least)
    floors = {label: round(threshold_at(LOOKED_AT, scores), 4) for label, scores in wholes.items() if scores}
    return {label: math.ceil(10.0 * margin) / 10.0 for label, margin in late.items()}, floors


def harmless(data: Path, run: Path, stage: Stage, rules: Passages) -> list[Pool]:
    """Return pools of harmless texts with several passages, from ``calib/`` and one of each held-out own group."""
    read = [pool for pool in pools(data, SEED) if pool.label is None and pool.stage == stage]
    own: dict[str, tuple[str, str | None]] = {}
    with (run / HELD_OUT_FILE).open(encoding="utf-8") as lines:
        for row in (Row(**json.loads(line)) for line in lines):
            known = all(row.labels.get(label) == 0 for label in RAISED[stage]) and not any(row.labels.values())
            if row.stage == stage and row.source.startswith(OWN) and known:
                own.setdefault(row.group, (row.text, None))
    found = []
    for pool in (*read, Pool(OWN, stage.value, None, tuple(own.values()))):
        several = [text for text in pool.texts if passages_of(text[0], stage, rules)]
        several = random.Random(SEED).sample(several, min(MOST, len(several)))
        if len(several) >= FEWEST:
            found.append(replace(pool, texts=tuple(several)))
    return found


def _stopped(model: Path, manifest: Manifest, stage: Stage, pool: Pool) -> tuple[Stops, Wholes]:
    """Return what passages of ``pool`` stop, and the scores of its whole texts by all layers."""
    rules = manifest.passages
    if rules is None:
        return {}, {}
    classifier, limits = classifier_of(model), UNLIMITED._replace(early_exit=True)
    requests = [Request(text, stage) for text, _ in pool.texts]
    whole = classifier.score(requests, limits)
    readings = looked_closer(classifier, requests, whole, list(map(_reading, whole)), rules=rules, limits=limits)
    full = classifier.score(requests, UNLIMITED)
    scored = {label: np.array([scores.probabilities[label] for scores in full]) for label in RAISED[stage]}
    found = {}
    for label in RAISED[stage]:
        least = manifest.thresholds[label, stage]
        by_passage = [
            logit(reading.scores[label])
            if scores.probabilities[label] < least <= reading.scores[label] and reading.views.get(label) == VIEW
            else -np.inf
            for scores, reading in zip(whole, readings, strict=True)
        ]
        found[label] = np.array(by_passage)
    return found, scored


def _reading(scores: Scores) -> Reading:
    return Reading(scores.probabilities, scores.coverage, lambda _: ((0, 1),))


def _line(found: Sequence[NDArray[np.float64]], rate: float) -> float:
    """Return the highest score that more than ``rate`` of the texts reach, averaged over sources; -inf for none."""
    scores = np.unique(np.concatenate([odds[np.isfinite(odds)] for odds in found]))
    rates = np.mean([(odds[:, None] >= scores[None, :]).mean(axis=0) for odds in found], axis=0)
    above = scores[rates > rate]
    return float(above[-1]) if len(above) else -np.inf


def main() -> None:
    """Write bounds and margins into the manifest of a model."""
    built = argparse.ArgumentParser(prog="python -m models.training.passage_margins", description=__doc__)
    built.add_argument("--data", type=Path, required=True, help="folder with calib/")
    built.add_argument("--run", type=Path, required=True, help="folder that prepare filled")
    built.add_argument("--model", type=Path, required=True, help="folder of the model")
    given = built.parse_args()
    for step in (with_bounds, with_passages):
        found = step(given.model, given.data, given.run)
        (given.model / MANIFEST_FILE).write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
