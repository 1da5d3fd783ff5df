"""Teach step: a network six times the size learns the same labels, and then scores every row.

It is pretrained on far more text than the encoder that ships, so its scores of a text carry more than the one label
that the text's source gives. ``train --taught`` pulls the encoder towards them.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.stats import auroc
from models.training.dataset import MASKED, Prepared, Shares, draw
from models.training.encoder import EncoderConfig, Heads
from models.training.losses import loss_of, targets_of
from models.training.masters import Masters, compute_type, rate_at
from models.training.prepare import SHOWN_FILE
from models.training.rows import LABELS, STAGES
from models.training.smollm import load_smollm
from models.training.train import SAID_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from models.training.train import Recipe

MOST_TOKENS = 384
"""About one window of the encoder in the teacher's tokens; denser text is cut at its end."""
_OPENINGS = {
    ("input", False): "User:\n{text}",
    ("input", True): "System:\n{context}\n\nUser:\n{text}",
    ("tool", False): "Document:\n{text}",
    ("tool", True): "Document:\n{text}",
    ("output", False): "Assistant:\n{text}",
    ("output", True): "User:\n{context}\n\nAssistant:\n{text}",
}
_HEAD_FACTOR = 10.0
_LAYER_DECAY = 0.97
_BLOCK = 20_000
_STEP = 32
"""Batch widths are multiples of this: few shapes, little padding."""


class Teacher(nn.Module):
    """The pretrained layers below one attention-pooled head per label."""

    def __init__(self, backbone: PreTrainedModel) -> None:
        """Put heads that start with equal attention on ``backbone``, whose word embeddings are frozen."""
        super().__init__()
        self.backbone = backbone
        self.backbone.get_input_embeddings().requires_grad_(False)  # noqa: FBT003  torch's own signature
        self.heads = Heads(EncoderConfig(hidden=backbone.config.hidden_size))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits [B, L] of ``ids`` [B, T], padded at the end to at least the longest of ``lengths`` [B].

        Attention is causal: padding at the end changes no token before it, so the backbone needs no mask.
        """
        states = self.backbone(input_ids=ids, use_cache=False).last_hidden_state
        mask = (torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]).to(states.dtype)
        logits: Tensor = self.heads(states, (1.0 - mask) * -1e4, mask[:, :, None])[0]
        return logits


class Shown:
    """What a teacher sees of every row, as its own token ids."""

    def __init__(
        self, texts: Sequence[tuple[str, str]], stages: Sequence[int], tokenizer: PreTrainedTokenizerBase
    ) -> None:
        """Lay out and tokenize ``texts``, pairs of text and context, by their ``stages``, indices into ``STAGES``."""
        laid = [
            _OPENINGS[STAGES[stage], bool(context)].format(text=text, context=context)
            for (text, context), stage in zip(texts, stages, strict=True)
        ]
        self.rows: list[NDArray[np.int32]] = []
        for at in tqdm(range(0, len(laid), 8192), desc="tokenize", unit="block"):
            coded = tokenizer(laid[at : at + 8192], add_special_tokens=False, truncation=True, max_length=MOST_TOKENS)
            self.rows += [np.array(ids or [0], np.int32) for ids in coded["input_ids"]]
        self.lengths = np.array([len(row) for row in self.rows])

    @classmethod
    def read(cls, path: Path, stages: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> Shown:
        """Read ``shown.jsonl.gz`` as ``prepare`` wrote it."""
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return cls([tuple(json.loads(line)) for line in lines], stages, tokenizer)

    def batches(self, chosen: NDArray[np.int64], tokens: int) -> Iterator[NDArray[np.int64]]:
        """Cut ``chosen`` rows into batches of up to ``tokens`` tokens, rows of similar length together."""
        for at in range(0, len(chosen), _BLOCK):
            block = chosen[at : at + _BLOCK]
            block = block[np.argsort(self.lengths[block], kind="stable")]
            first = 0
            for end in range(1, len(block) + 1):
                if end == len(block) or (end - first + 1) * _width(self.lengths[block[end]]) > tokens:
                    yield block[first:end]
                    first = end

    def batch(self, rows: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the padded ids [B, T] and the lengths [B] of ``rows``."""
        lengths = self.lengths[rows]
        ids = np.zeros((len(rows), _width(int(lengths.max()))), np.int64)
        for at, row in enumerate(rows):
            ids[at, : lengths[at]] = self.rows[row]
        return torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device)


def _width(length: int) -> int:
    return -(-length // _STEP) * _STEP


def teach(prepared: Prepared, out: Path, recipe: Recipe) -> Path:
    """Train a teacher on the rows of ``prepared`` and write its logits for all of them, [N, L], to ``said.npz``.

    Does nothing where that exists; a stopped run continues after its last whole epoch. Raises ``FileNotFoundError``
    where the pretrained weights or ``shown.jsonl.gz`` are missing.
    """
    said = out / SAID_FILE
    if said.is_file():
        return said
    if not (out / SHOWN_FILE).is_file():
        msg = f"{out / SHOWN_FILE} is missing: run the prepare step first"
        raise FileNotFoundError(msg)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    tokenizer, backbone = load_smollm("AutoModel")
    shown = Shown.read(out / SHOWN_FILE, prepared.stage.tolist(), tokenizer)
    teacher = Teacher(backbone).to(device, compute_type(device)).train()
    masters = Masters(teacher, recipe, _factor_of(backbone.config.num_hidden_layers))
    _learn(teacher, masters, shown, prepared, out / "teacher.pt")
    masters.settle()
    everything = score(teacher, shown, recipe.batch_tokens)
    np.savez(said, allow_pickle=False, said=everything.astype(np.float16))
    tqdm.write(report(prepared, everything))
    return said


def _factor_of(layers: int) -> Callable[[str], float]:
    """Return weight name to learning-rate factor: heads start from scratch, lower layers should change least."""

    def factor(name: str) -> float:
        if name.startswith("heads."):
            return _HEAD_FACTOR
        parts = name.split(".")
        depth = layers - 1 - int(parts[2]) if parts[1] == "layers" else 0
        return float(_LAYER_DECAY**depth)

    return factor


def _learn(teacher: Teacher, masters: Masters, shown: Shown, data: Prepared, checkpoint: Path) -> None:
    recipe, device = masters.recipe, next(teacher.parameters()).device
    rng = np.random.default_rng(recipe.seed)
    shares = Shares.asked(recipe)
    plans = []
    for _ in range(recipe.epochs):
        batches = list(shown.batches(draw(data, rng, shares), recipe.batch_tokens))
        plans.append([batches[at] for at in rng.permutation(len(batches))])
    total, step, done = sum(map(len, plans)), 0, 0
    if checkpoint.is_file():
        stored = torch.load(checkpoint, map_location=device, weights_only=True)
        masters.restore(stored["masters"])
        done = stored["step"]
    progress = tqdm(total=total, initial=done, desc="teach", unit="batch", smoothing=0.02, mininterval=10)
    for plan in plans:
        for rows in plan:
            step += 1
            if step <= done:
                continue
            logits = teacher(*shown.batch(rows, device))
            loss = loss_of(logits, *targets_of(torch.from_numpy(data.labels[rows]).to(device), recipe.smoothing))
            loss.backward()  # type: ignore[no-untyped-call]
            masters.step(rate_at(step, total, recipe), step)
            progress.update()
            if step % 50 == 0:
                progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
        if step > done:
            torch.save({"masters": masters.state(), "step": step}, checkpoint)
    progress.close()


@torch.no_grad()
def score(teacher: Teacher, shown: Shown, tokens: int) -> NDArray[np.float32]:
    """Return the logits [N, L] of every row of ``shown``."""
    device = next(teacher.parameters()).device
    teacher.eval()
    logits = np.zeros((len(shown.rows), len(LABELS)), np.float32)
    for rows in tqdm(shown.batches(np.arange(len(shown.rows)), tokens), desc="say", unit="batch", mininterval=10):
        logits[rows] = teacher(*shown.batch(rows, device)).float().cpu().numpy()
    return logits


def report(data: Prepared, logits: NDArray[np.float32]) -> str:
    """Return the AUROC of each label on held-out rows; for information, nothing is chosen by it."""
    parts = []
    for column, name in enumerate(LABELS):
        known = data.held_out & (data.labels[:, column] != MASKED)
        if known.any():
            parts.append(f"{name} {auroc(data.labels[known, column], logits[known, column]):.4f}")
    return "held-out AUROC of the teacher " + ", ".join(parts)
