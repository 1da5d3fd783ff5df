"""Train step: masked multi-label training of encoder and heads, resumable at any moment.

Where the machine has instructions for bfloat16, the forward and backward pass run on a bfloat16 copy of the weights:
several times faster on CPUs with matrix units for it, many times slower on CPUs that emulate it. The optimizer always
works on float32 master weights, so that rounding loses no update.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from benchmarks.stats import auroc
from models.training.dataset import (
    MASKED,
    Batch,
    Plan,
    Prepared,
    Shares,
    collate,
    held_out_batches,
    is_named,
    plan_epoch,
)
from models.training.emoji import name_emoji
from models.training.encoder import EncoderConfig, GuardModel, Seen, load, load_base
from models.training.losses import Kept, likeness_of, loss_of, targets_of, taught
from models.training.masters import Masters, compute_type, rate_at
from models.training.rows import LABELS, STAGES
from models.training.soup import begun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CHECKPOINT_SECONDS = 120.0
SAID_FILE = "said.npz"
"""The teacher's logits for every row."""
REPORTED = 6000
"""Held-out rows scored at the end of a run; up to twice as many, see ``held_out_batches``."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything besides the data that decides the result of a training run."""

    seed: int = 20261123
    epochs: int = 2
    batch_tokens: int = 6144
    max_tokens: int = 256
    learning_rate: float = 2e-4
    head_factor: float = 6.0
    """Learning-rate factor of the heads, which start from scratch."""
    layer_decay: float = 0.9
    """Learning-rate factor of each layer relative to the one above it (Howard and Ruder 2018)."""
    weight_decay: float = 0.01
    warmup: float = 0.05
    smoothing: float = 0.03
    """Label smoothing, which keeps templated attacks from driving logits past those of natural ones."""
    token_drop: float = 0.06
    average: float = 0.998
    """Decay of the moving average of the weights, which is what is exported."""
    clip: float = 1.0
    early_factor: float = 0.5
    """Weight in the loss of the early heads' cross-entropy against the late ones."""
    as_int8_from: float = 1.0
    """Share of the run after which int8 rounding is imitated, so that the int8 graph decides alike."""
    share: float = 1.0
    """Share of each source's quota that an epoch draws."""
    own_share: float = 1.0
    """The same for the text of our own generators."""
    short_share: float | None = None
    """The same for our own sources whose rows are short; None for ``own_share``."""
    frozen_layers: int = 0
    """Number of lowest layers that are not trained, nor the embeddings: for a short run that continues a trained
    model."""
    learnt_share: float | None = None
    """The same as ``share`` for sources, public and own, that ``learn`` is about; None for no difference."""
    early_only: bool = False
    """Train the early heads alone: averaging models loses what each of them learnt for its own encoder."""
    taught: float = 0.0
    """Weight of the teacher in the target of a known label; an unknown label has the teacher alone, at this weight."""
    stage_shares: tuple[tuple[str, float], ...] = ()
    """Factors by stage on the shares of the sources that are mostly read at it."""
    learn: tuple[str, ...] = ()
    """What is learnt from labels, each ``STAGE``, ``STAGE:LABEL`` or a prefix of source names; everything where empty.
    All other predictions are held to those of the start or of another model. This needs frozen layers, as only what
    lies above them is copied from that model."""


def _factor(name: str, config: EncoderConfig, recipe: Recipe) -> float:
    part, *rest = name.split(".")
    if part in {"late", "early"}:
        return recipe.head_factor
    depth = config.layers - 1 - int(rest[0]) if part == "layers" else config.layers
    return float(recipe.layer_decay**depth)


def _forward(model: GuardModel, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor, Seen]:
    """Return the late and the early logits, [B, L] each, and the states they are read from."""
    inputs = (batch.input_ids, batch.attention_mask, batch.token_type_ids)
    seen = model.seen(*(torch.from_numpy(each).to(device) for each in inputs))
    late, early = (
        heads(seen.after[at], seen.bias, seen.mask)[0]
        for heads, at in ((model.late, -1), (model.early, model.config.early))
    )
    return late, early, seen


def train(
    prepared: Prepared,
    out: Path,
    recipe: Recipe,
    config: EncoderConfig | None = None,
    *,
    start: Sequence[Path] = (),
    keep: Mapping[str, Sequence[Path]] | None = None,
) -> Path:
    """Train and return the path of ``model.pt`` below ``out``; a stopped run continues from ``checkpoint.pt``.

    ``config`` other than the default starts from random weights (the smoke run). ``start`` holds finished ``model.pt``
    or folders of shipped models, whose mean the run continues instead of the published base weights. ``keep`` maps a
    stage, or ``""`` for the other stages, to such files of the reference models, whose predictions are kept of all that
    ``recipe.learn`` does not name; without it ``start`` is the reference. Another one can win back what later runs have
    lost. Runs on CUDA where it can.

    Raises ``RuntimeError`` where ``recipe`` contradicts itself, or ``start`` and ``keep`` differ in the frozen layers.
    """
    final = out / "model.pt"
    if final.is_file():
        return final
    keep = keep or {}
    _require_sound(recipe, prepared, keep)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    model = GuardModel(config or EncoderConfig())
    legs = []
    if start:
        before = begun(start)
        load(model, before["model"])
        legs += before["legs"]
    elif config is None:
        load_base(model)
    if config is None:
        name_emoji(model.words.weight.data)
        # Only the stage tokens' rows would need to move, and the layers above can tell a stage by its word's vector.
        model.words.requires_grad_(False)  # noqa: FBT003  torch's own signature
    if recipe.frozen_layers:
        for part in (model.words, model.places, model.kinds, model.norm, *model.layers[: recipe.frozen_layers]):
            part.requires_grad_(False)  # noqa: FBT003  torch's own signature
    if recipe.early_only:
        for name, weight in model.named_parameters():
            weight.requires_grad_(name.startswith("early."))
    # Weights that are not trained are stored as they were loaded, not as the narrower type rounds them.
    kept = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    model = model.to(device, compute_type(device)).train()
    kept_loss = None
    if recipe.learn:
        held = {stage: _held(model, recipe, paths) for stage, paths in keep.items()}
        kept_loss = Kept(held.pop("", model), recipe.frozen_layers, recipe.learn, held).to(device)
    masters = Masters(model, recipe, lambda name: _factor(name, model.config, recipe))
    _loop(model, kept_loss, masters, prepared, out)
    averaged = kept | {name: tensor.cpu() for name, tensor in masters.average.items()}
    stored = {"model": averaged, "config": asdict(model.config), "legs": [*legs, asdict(recipe)]}
    torch.save(stored, final)
    tqdm.write(_held_out_report(model, masters, prepared, device))
    return final


def _held(model: GuardModel, recipe: Recipe, keep: Sequence[Path]) -> GuardModel:
    """Return the mean of ``keep``; ``RuntimeError`` where its frozen layers are not those of ``model``."""
    held = GuardModel(model.config)
    load(held, begun(keep)["model"])
    held = held.to(next(model.parameters())).train()
    # Word embeddings are not compared: the rows of emoji are set again at every start.
    mine, other = (
        nn.ModuleList((each.places, each.kinds, each.norm, *each.layers[: recipe.frozen_layers]))
        for each in (model, held)
    )
    # The mean of equal weights may differ from them in the last digit.
    if not all(
        torch.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(mine.parameters(), other.parameters(), strict=True)
    ):
        msg = (
            f"--keep and --start differ in the {recipe.frozen_layers} layers that stay as they are, on top of which "
            "both are run: freeze fewer, or start from a run that froze as many"
        )
        raise RuntimeError(msg)
    return held


def _require_sound(recipe: Recipe, prepared: Prepared, keep: Mapping[str, Sequence[Path]]) -> None:
    """Raise ``RuntimeError`` where ``recipe`` contradicts itself or ``keep``, or would learn what does not exist."""
    if keep and not recipe.learn:
        msg = "--keep is for what --learn does not name: without --learn everything is learnt, and nothing kept"
        raise RuntimeError(msg)
    if unknown := keep.keys() - {"", *STAGES}:
        msg = f"--keep takes PATH or STAGE=PATH, and {min(unknown)!r} is no stage: they are {', '.join(STAGES)}"
        raise RuntimeError(msg)
    if recipe.learn and not recipe.frozen_layers:
        msg = "--learn keeps what the start says of all else, on top of layers that stay: give --frozen-layers, too"
        raise RuntimeError(msg)
    for name in recipe.learn:
        if ":" in name or name in STAGES or any(is_named(source, (name,)) for source in prepared.sources):
            continue
        msg = f"--learn takes STAGE, STAGE:LABEL or a source, and {name!r} is none: stages are {', '.join(STAGES)}"
        raise RuntimeError(msg)


def _loop(model: GuardModel, kept_loss: Kept | None, masters: Masters, data: Prepared, out: Path) -> None:
    recipe, device, checkpoint = masters.recipe, next(model.parameters()).device, out / "checkpoint.pt"
    done = 0
    if checkpoint.is_file():
        stored = torch.load(checkpoint, map_location=device, weights_only=True)
        masters.restore(stored["masters"])
        done = stored["step"]
    rng = np.random.default_rng(recipe.seed)
    shares = Shares.asked(recipe)
    plans = [
        plan_epoch(data, rng, tokens=recipe.batch_tokens, max_tokens=recipe.max_tokens, shares=shares)
        for _ in range(recipe.epochs)
    ]
    steps = [rows for plan in plans for rows in plan]
    total, saved, tokens = len(steps), time.monotonic(), 0
    progress = tqdm(total=total, initial=done, desc="train", unit="batch", smoothing=0.02)
    running = 0.0
    named = np.array([is_named(source, recipe.learn) for source in data.sources], np.float32)
    said = read_said(out, len(data.stage)) if recipe.taught else None
    for step, batch in enumerate(_collated(data, steps, recipe, done, device), start=done + 1):
        model.imitate_int8(on=step > recipe.as_int8_from * total)
        late, early, seen = _forward(model, batch, device)
        targets = targets_of(torch.from_numpy(batch.labels).to(device), recipe.smoothing)
        stages = torch.from_numpy(data.stage[batch.rows]).to(device).long()
        if said is not None:
            heard = torch.from_numpy(np.where(batch.whole[:, None], said[batch.rows], np.nan)).to(device)
            targets = taught(targets, heard, stages, recipe.taught)
        if kept_loss is None:
            loss = loss_of(late, *targets)
        else:
            whole = torch.from_numpy(named[data.source[batch.rows]]).to(device)
            loss = kept_loss(late, seen, stages, whole, targets)
        loss = loss + recipe.early_factor * likeness_of(early, late)
        loss.backward()  # type: ignore[no-untyped-call]
        masters.step(rate_at(step, total, recipe), step)
        running = 0.98 * running + 0.02 * loss.item() if running else loss.item()
        tokens += batch.input_ids.size
        progress.update()
        progress.set_postfix(loss=f"{running:.4f}", tokens=f"{tokens:,}", refresh=False)
        if time.monotonic() - saved > CHECKPOINT_SECONDS or step == total:
            _save(checkpoint, {"masters": masters.state(), "step": step})
            saved = time.monotonic()
    progress.close()
    model.imitate_int8(on=False)


class _Collation(Dataset[Batch]):
    """The batches of a run by step number, for worker processes that lay them out ahead of a GPU."""

    def __init__(self, data: Prepared, steps: Plan, recipe: Recipe) -> None:
        self.data, self.steps, self.recipe = data, steps, recipe

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, at: int) -> Batch:
        # Seeded by the step, so that a resumed run masks the same tokens.
        rng = np.random.default_rng((self.recipe.seed, at + 1))
        return collate(self.data, self.steps[at], drop=self.recipe.token_drop, rng=rng)


def _collated(data: Prepared, steps: Plan, recipe: Recipe, done: int, device: torch.device) -> Iterable[Batch]:
    """Yield the batches after the first ``done``."""
    ahead = min(8, (os.cpu_count() or 1) - 1) if device.type == "cuda" else 0
    left = range(done, len(steps))
    batches = _Collation(data, steps, recipe)
    return DataLoader(batches, batch_size=None, sampler=left, num_workers=ahead)


def read_said(out: Path, rows: int) -> NDArray[np.float32]:
    """Return the teacher's logits for each of the N ``rows``, [N, L].

    Raises ``FileNotFoundError`` that names the step to run first, and ``RuntimeError`` if rows came after it.
    """
    path = out / SAID_FILE
    if not path.is_file():
        msg = f"{path} is missing: run the teach step first"
        raise FileNotFoundError(msg)
    with np.load(path) as stored:
        said: NDArray[np.float32] = stored["said"].astype(np.float32)
    if len(said) != rows:
        msg = f"{path} is about {len(said)} rows, not the {rows} there are now: delete it and run the teach step again"
        raise RuntimeError(msg)
    return said


def _save(path: Path, stored: dict[str, object]) -> None:
    """Replace the checkpoint by renaming a complete file, so that a kill never leaves half of one."""
    fresh = path.with_suffix(".new")
    torch.save(stored, fresh)
    fresh.replace(path)


def _held_out_report(model: GuardModel, masters: Masters, data: Prepared, device: torch.device) -> str:
    """Score the held-out groups with the averaged weights; for information, nothing is chosen by it."""
    masters.settle()
    with torch.no_grad():
        scores, labels = [], []
        for batch in held_out_batches(data, tokens=16384, most=REPORTED):
            scores.append(_forward(model, batch, device)[0].float().cpu().numpy())
            labels.append(batch.labels)
    if not scores:
        return "nothing held out"
    all_scores, all_labels = np.concatenate(scores), np.concatenate(labels)
    parts = []
    for column, name in enumerate(LABELS):
        known = all_labels[:, column] != MASKED
        parts.append(f"{name} {auroc(all_labels[known, column], all_scores[known, column]):.4f}")
    return "held-out AUROC " + ", ".join(parts)
