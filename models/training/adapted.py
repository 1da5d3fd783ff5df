"""Early-exit bounds that hold against an adaptive attacker: part of the calibrate step.

Attacks as collected say little about attacks that are tuned against the early score. The attacker of
``benchmarks.early_attack`` is therefore run on attacks of ``calib/`` and of held-out groups, and the bounds are lowered
below the scores that it reaches on texts that all layers would still block.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain, zip_longest
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from benchmarks.early_attack import LONGEST, search
from guardsdk.engine.classifier import Classifier, Request
from guardsdk.registry.lookup import load_manifest
from guardsdk.verdict import Stage
from models.training.rows import columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from guardsdk.registry.manifest import EarlyLabel
    from models.training.pools import Pool

ATTACKS = 100
"""At most this many attacks are adapted per stage."""
BUDGET = 40
"""Model evaluations that the search may spend on each attack."""
CLEARED = 0.08
"""Share of the attacks that may still be cleared once adapted. At 0.02, half of the harmless prompts would have to run
through all layers."""
_FAR = 1e6
"""Added to the early margin shown to the attacker, so that it never sees success and uses its whole budget."""

Given = tuple[str, str | None]
"""Text and context."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Limits of one stage by logit column: ``bounds`` of the early logits, and the ``least`` late logits that block.

    A window is cleared when all of its early logits are below their bounds.
    """

    stage: str
    bounds: Mapping[int, float]
    least: Mapping[int, float]


def lowered(
    model: Path,
    stage: str,
    found: Mapping[str, EarlyLabel],
    least: Mapping[str, float],
    known: Sequence[Pool],
    *,
    seed: int,
    attacks: int = ATTACKS,
) -> tuple[dict[str, EarlyLabel], float]:
    """Lower the early bounds ``found`` of ``stage``, all by the same step, until few adapted attacks are cleared.

    ``least`` maps each blocking label to the lowest late logit at which it blocks; attacks are drawn in turn from the
    pools of ``known`` that are positives of these labels. Returns the lowered bounds and the step, in logits.
    """
    columns = columns_of(stage)
    lines = Lines(
        stage,
        {columns[label]: one.clear_below for label, one in found.items()},
        {columns[label]: value for label, value in least.items()},
    )
    texts = _drawn([pool for pool in known if pool.stage == stage and pool.label in least], seed)[:attacks]
    if not texts:
        return dict(found), 0.0
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        reached = processes.map(partial(_nearest, model, lines), texts, map(str, range(len(texts))))
        nearest = [one for one in tqdm(reached, desc=f"adapted {stage}", total=len(texts)) if one is not None]
    step = max(0.0, -float(np.quantile(nearest, CLEARED))) if nearest else 0.0
    return {label: one.model_copy(update={"clear_below": one.clear_below - step}) for label, one in found.items()}, step


def _drawn(pools: Sequence[Pool], seed: int) -> list[Given]:
    """Draw attacks from every pool in turn, except blank ones and those longer than ``LONGEST`` characters."""
    rng = np.random.default_rng(seed)
    shuffled = [[pool.texts[at] for at in rng.permutation(len(pool.texts))] for pool in pools]
    inturn = (one for one in chain.from_iterable(zip_longest(*shuffled)) if one is not None)
    return [one for one in inturn if 0 < len(one[0].strip()) <= LONGEST]


def _nearest(model: Path, lines: Lines, given: Given, seed: str) -> float | None:
    """Return the smallest early margin that the attack ``given`` reaches by adapting while all layers still block it.

    A margin below 0 would be cleared early. Returns None where the unchanged attack is not blocked.
    """
    text, context = given
    classifier = classifier_of(model)
    nearest = np.inf

    def margins(tried: str) -> tuple[float, float]:
        nonlocal nearest
        early, full = classifier.both([Request(tried, Stage(lines.stage), context)])[0]
        away = max(float(window[at]) - bound for window in early for at, bound in lines.bounds.items())
        blocked = max(float(window[at]) - value for window in full for at, value in lines.least.items())
        if blocked >= 0.0:
            nearest = min(nearest, away)
        return away + _FAR, blocked

    if margins(text)[1] < 0.0:
        return None
    search(text, margins, "hole", BUDGET, seed)
    return nearest


@cache
def classifier_of(model: Path) -> Classifier:
    """Load the model in a folder, once per process."""
    return Classifier(load_manifest(model), "cpu", 1)
