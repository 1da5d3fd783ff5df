"""Aim step: a shipped model learns to read a prompt beside the instructions it is aimed at, and stays what it is.

Only what is said beside instructions comes new: the layers, the heads, their thresholds and the files they are in are
those of the model it starts from.
"""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from benchmarks.stats import auroc
from guardsdk.registry.lookup import MANIFEST_FILE, load_manifest
from guardsdk.registry.manifest import Aimed as Reading
from guardsdk.registry.manifest import Calibration, Manifest, file_entry
from guardsdk.verdict import Stage
from models.training.aimed_graph import Aimed, aimed_graph
from models.training.aimed_pairs import LABEL, SHARES, bank_of, benign, learnt, own, parted
from models.training.aimed_states import WIDTH, Layers, said_of
from models.training.encoder import EncoderConfig
from models.training.export import WHOLE
from models.training.quantize import add_graph, drop_graph
from models.training.thresholds import TARGETS, spread, threshold_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.training.aimed_pairs import Pair
    from models.training.dataset import Prepared
    from models.training.generators.systems import Guarded

AIMED: Final = "model_aimed.onnx"
_LEARNT_FILE, _STATES_FOLDER = "aimed.pt", "states"
_TARGET = TARGETS["input"]
"""Benign prompts of ``calib/`` that may be blocked for what they are beside instructions, on top of those that are
blocked by themselves. Most stand beside instructions that somebody attacks, and ask for what these are not for: few
products see as much of that."""
_SECOND = "0.05"
"""The other rate of false positives at which its score is where that of the label is."""
_EPOCHS, _RATE, _DECAY, _BATCH, _SMOOTHING = 6, 1e-3, 0.05, 48, 0.03


def aim(data: Path, prepared: Prepared, start: Path, out: Path, *, version: str, seed: int) -> Path:
    """Write the model in the folder ``start``, with a reading beside instructions, to ``out/model``; return that.

    Ordinary prompts are those of ``prepared``, instructions and what attacks them our own, and the benign prompts of
    ``calib/`` say from where on it fires. What was learnt before, in ``out``, is not learnt again.
    """
    ours, others = parted(seed)
    layers = Layers(start, out / _STATES_FOLDER)
    if not (out / _LEARNT_FILE).is_file():
        torch.save(learn(layers, learnt(ours, prepared, seed), seed).state_dict(), out / _LEARNT_FILE)
    network = Aimed(WIDTH).eval()
    network.load_state_dict(torch.load(out / _LEARNT_FILE, weights_only=True))
    tails = [spread(layers.logits(network, pairs)) for pairs in benign(data, others, seed)]
    threshold = threshold_at(_TARGET, tails)
    _tell_held_out(layers, network, others, threshold, seed)
    second = threshold_at(float(_SECOND), tails)
    return _write(network, start, out, version=version, threshold=threshold, second=second)


def _tell_held_out(layers: Layers, network: Aimed, groups: Sequence[Guarded], threshold: float, seed: int) -> None:
    """Write down how well attacks on the instructions of ``groups`` are told from their proper use, bank by bank."""
    pairs = [pair for group in groups for pair in own(group, random.Random(f"{seed} {group.name}"))]
    banks = np.array([bank_of(group) for group in groups for _ in (*group.attacks, *group.harmless)])
    logits, attacks = layers.logits(network, pairs), np.array([pair.attack for pair in pairs])
    for bank in (*sorted(set(banks)), ""):
        chosen = banks == bank if bank else np.ones(len(pairs), bool)
        bad, scores = attacks[chosen], logits[chosen]
        tqdm.write(
            f"{bank or 'all held-out groups'}: {len(bad)} texts, area {auroc(bad.astype(int), scores):.3f}, "
            f"found {(scores[bad] >= threshold).mean():.3f}, proper use {(scores[~bad] >= threshold).mean():.3f}"
        )


def learn(layers: Layers, pairs: Sequence[Pair], seed: int) -> Aimed:
    """Return a network that tells the attacks of ``pairs`` from the others."""
    torch.manual_seed(seed)
    read = layers.states(pairs)
    wanted = torch.tensor([float(pair.attack) for pair in pairs]) * (1.0 - 2.0 * _SMOOTHING) + _SMOOTHING
    network = Aimed(WIDTH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    rng, lengths = np.random.default_rng(seed), np.array([sum(len(kinds) for _, kinds in rows) for rows in read])
    batches: list[NDArray[np.int64]] = []
    for _ in range(_EPOCHS):
        alike = np.array_split(np.argsort(lengths + rng.random(len(read))), max(1, len(read) // _BATCH))
        batches += [alike[at] for at in rng.permutation(len(alike))]
    for step, chosen in enumerate(tqdm(batches, desc="aim", unit="batch")):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * (1.0 - step / len(batches))
        said = said_of(network, [read[at] for at in chosen])
        loss = functional.binary_cross_entropy_with_logits(said, wanted[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network


def _write(network: Aimed, start: Path, out: Path, *, version: str, threshold: float, second: float) -> Path:
    """Write ``start`` with ``network`` added, in place of one it has, to ``out/model``; return that.

    The line from its logits goes through two points: at ``threshold`` it reaches that of the label, and at ``second``
    the one that the label has for as many false positives.
    """
    model, config = out / "model", EncoderConfig()
    shutil.copytree(start, model, dirs_exist_ok=True)
    drop_graph(model, AIMED)
    add_graph(aimed_graph(start / WHOLE, network, config.early, config.layers), start / WHOLE, model, AIMED)
    manifest = load_manifest(start).manifest
    own = next(label for label in manifest.labels if label.name == LABEL).stages[Stage.INPUT]
    high, low = (_log_odds(one) for one in (own.threshold, own.thresholds_by_fpr[_SECOND]))
    slope = (high - low) / (threshold - second)
    line = Calibration(slope=slope, intercept=high - slope * threshold)
    reading = Reading(graph=AIMED, label=LABEL, calibration=line, shares=SHARES)
    files = {name: file_entry(model / name) for name in (*manifest.files, AIMED)}
    final = manifest.model_copy(update={"version": version, "files": files, "aimed": reading})
    (model / MANIFEST_FILE).write_text(Manifest.model_validate(final.model_dump()).model_dump_json(indent=1) + "\n")
    return model


def _log_odds(probability: float) -> float:
    return float(np.log(probability) - np.log1p(-probability))
