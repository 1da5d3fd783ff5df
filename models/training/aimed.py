"""Aim step: a shipped model learns to read a prompt beside the instructions it is aimed at, and stays what it is.

Only what is said beside instructions comes new: the heads, their thresholds and the files they are in are those of the
model it starts from. The reading has upper layers of its own, which learn together with the network on them.
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
from models.training.aimed_graph import aimed_graph
from models.training.aimed_pairs import LABEL, SHARES, bank_of, benign, learnt, own, parted
from models.training.aimed_reader import AIMED, Reader, logits_of, padded
from models.training.export import WHOLE
from models.training.quantize import add_graph, drop_graph
from models.training.thresholds import TARGETS, spread, threshold_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from models.training.aimed_pairs import Pair
    from models.training.dataset import Prepared
    from models.training.generators.systems import Guarded

_LEARNT_FILE = "aimed.pt"
_TARGET = TARGETS["input"]
"""Benign prompts of ``calib/`` that may be blocked for what they are beside instructions, on top of those that are
blocked on their own. Most stand beside instructions that somebody attacks, and ask for what these are not for: few
products see as much of that."""
_SECOND = "0.05"
"""The other false-positive rate at which its score is where that of the label is."""
_EPOCHS: Final = 2
_RATE, _FASTER = 1.5e-4, 4
"""Highest learning rate of the layers, and how many times that of the network on them is."""
_DECAY, _BATCH, _SMOOTHING, _WARM_UP, _CLIP = 0.02, 48, 0.03, 0.1, 1.0
_MIXED = 8
"""Tokens by which pairs of a batch may differ in length, but for those of rare lengths."""


def aim(data: Path, prepared: Prepared, start: Path, out: Path, *, version: str, seed: int) -> Path:
    """Write the model in the folder ``start``, with a reading beside instructions, to ``out/model``; return that.

    Ordinary prompts are those of ``prepared``, instructions and what attacks them our own, and the benign prompts of
    ``calib/`` say from where on it fires. What was learnt before, in ``out``, is not learnt again.
    """
    ours, others = parted(seed)
    reader = Reader(start)
    if (out / _LEARNT_FILE).is_file():
        reader.load_state_dict(torch.load(out / _LEARNT_FILE, weights_only=True))
    else:
        learn(reader, [learnt(ours, prepared, f"{seed} {epoch}") for epoch in range(_EPOCHS)], seed)
        torch.save(reader.state_dict(), out / _LEARNT_FILE)
    model = _with_graph(reader, start, out)
    tails = [spread(logits_of(model / AIMED, pairs)) for pairs in benign(data, others, seed)]
    threshold, second = (threshold_at(rate, tails) for rate in (_TARGET, float(_SECOND)))
    _tell_held_out(model, others, threshold, seed)
    _write_manifest(start, model, version=version, threshold=threshold, second=second)
    return model


def _tell_held_out(model: Path, groups: Sequence[Guarded], threshold: float, seed: int) -> None:
    """Write down how well attacks on the instructions of ``groups`` are told from their proper use, bank by bank."""
    pairs = [pair for group in groups for pair in own(group, random.Random(f"{seed} {group.name}"))]
    banks = np.array([bank_of(group) for group in groups for _ in (*group.attacks, *group.harmless)])
    logits, attacks = logits_of(model / AIMED, pairs), np.array([pair.attack for pair in pairs])
    for bank in (*sorted(set(banks)), ""):
        chosen = banks == bank if bank else np.ones(len(pairs), bool)
        bad, scores = attacks[chosen], logits[chosen]
        tqdm.write(
            f"{bank or 'all held-out groups'}: {len(bad)} texts, area {auroc(bad.astype(int), scores):.3f}, "
            f"found {(scores[bad] >= threshold).mean():.3f}, proper use {(scores[~bad] >= threshold).mean():.3f}"
        )


def learn(reader: Reader, epochs: Sequence[Sequence[Pair]], seed: int) -> None:
    """Teach ``reader`` to tell the attacks among the pairs of each of ``epochs`` from the others."""
    torch.manual_seed(seed)
    layers = list(reader.upper().values())
    groups = [{"params": layers, "factor": 1}, {"params": list(reader.network.parameters()), "factor": _FASTER}]
    optimizer = torch.optim.AdamW(groups, weight_decay=_DECAY, betas=(0.9, 0.98))
    batches = list(_batches(epochs, np.random.default_rng(seed)))
    reader.train()
    for step, pairs in enumerate(tqdm(batches, desc="aim", unit="batch")):
        done = step / len(batches)
        for group in optimizer.param_groups:
            group["lr"] = _RATE * group["factor"] * min(1.0, done / _WARM_UP) * (1.0 - done)
        rows = [pair.rows() for pair in pairs]
        logits = reader(*padded([row for of in rows for row in of]))
        said = torch.stack([read.amax() for read in logits.split([len(of) for of in rows])])
        wanted = torch.tensor([float(pair.attack) for pair in pairs]) * (1.0 - 2.0 * _SMOOTHING) + _SMOOTHING
        loss = functional.binary_cross_entropy_with_logits(said, wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_([*layers, *reader.network.parameters()], _CLIP)
        optimizer.step()
    reader.eval()


def _batches(epochs: Sequence[Sequence[Pair]], rng: np.random.Generator) -> Iterator[list[Pair]]:
    """Yield the pairs of each epoch in batches of about one length, in random order."""
    for pairs in epochs:
        lengths = np.array([len(pair.system) + len(pair.text) for pair in pairs])
        order = np.argsort(lengths + rng.random(len(pairs)) * _MIXED)
        alike = np.array_split(order, max(1, len(pairs) // _BATCH))
        yield from ([pairs[at] for at in alike[which]] for which in rng.permutation(len(alike)))


def _with_graph(reader: Reader, start: Path, out: Path) -> Path:
    """Write ``start`` with what ``reader`` learnt, in place of a reading it has, to ``out/model``; return that."""
    model = out / "model"
    shutil.copytree(start, model, dirs_exist_ok=True)
    drop_graph(model, AIMED)
    add_graph(aimed_graph(start / WHOLE, reader.network, reader.upper()), start / WHOLE, model, AIMED)
    return model


def _write_manifest(start: Path, model: Path, *, version: str, threshold: float, second: float) -> None:
    """Write the manifest of ``start`` with the reading of ``model`` in it.

    The line from its logits goes through two points: at ``threshold`` it reaches that of the label, and at ``second``
    the one that the label has for as many false positives.
    """
    manifest = load_manifest(start).manifest
    own = next(label for label in manifest.labels if label.name == LABEL).stages[Stage.INPUT]
    high, low = (_log_odds(one) for one in (own.threshold, own.thresholds_by_fpr[_SECOND]))
    slope = (high - low) / (threshold - second)
    line = Calibration(slope=slope, intercept=high - slope * threshold)
    reading = Reading(graph=AIMED, label=LABEL, calibration=line, shares=SHARES)
    files = {name: file_entry(model / name) for name in (*manifest.files, AIMED)}
    final = manifest.model_copy(update={"version": version, "files": files, "aimed": reading})
    (model / MANIFEST_FILE).write_text(Manifest.model_validate(final.model_dump()).model_dump_json(indent=1) + "\n")


def _log_odds(probability: float) -> float:
    return float(np.log(probability) - np.log1p(-probability))
