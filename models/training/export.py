"""Export step: write the trained network as ONNX graphs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import torch

from models.training.encoder import EncoderConfig, GuardModel, load
from models.training.network import IDS, OPSET, Network

if TYPE_CHECKING:
    from pathlib import Path

WHOLE, EARLY, LATE = "model.onnx", "model_early.onnx", "model_late.onnx"
PADDED = "padded.onnx"
"""Graph of the whole network for padded batches, from which the CUDA graph is made."""


def export(model: GuardModel, folder: Path) -> None:
    """Write ``model`` to ``folder`` as float32: whole and as its two parts, and whole for padded rows.

    Inputs ``input_ids`` and ``token_type_ids`` are int32 [B, T], of rows that all have T tokens; those of ``PADDED``
    are int64, with an ``attention_mask``. Outputs are ``logits`` [B, L], ``attention`` [B, L, T] and ``embedding`` [B,
    H], all float32. The early part outputs logits and attention of the early heads, and the ``states`` [B, T, H]; the
    late part takes these states and early logits instead of ids, and has no embedding.
    """
    weights = {name: tensor.detach().float().cpu().numpy() for name, tensor in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, build, padded in (
        (WHOLE, Network.whole, False),
        (EARLY, Network.early, False),
        (LATE, Network.late, False),
        (PADDED, Network.whole, True),
    ):
        proto = build(Network(weights, model.config, padded=padded))
        onnx.checker.check_model(proto)
        onnx.save(proto, folder / name)


class _Whole(torch.nn.Module):
    """The network with both sets of heads mixed into one logit per label, as in the graphs."""

    def __init__(self, model: GuardModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        late, attention, embedding, early, early_attention = self.model(*inputs)
        return self.model.joint(late, early), attention, embedding, early, early_attention


def export_traced(model: GuardModel, path: Path) -> None:
    """Write ``model`` as torch traces it, in plain operators: a reference for the fused graph, never shipped."""
    example = torch.ones((1, 8), dtype=torch.int64)
    axes = {name: {0: "batch", 1: "tokens"} for name in IDS}
    outputs = {"logits": {0: "batch"}, "attention": {0: "batch", 2: "tokens"}, "embedding": {0: "batch"}}
    early = {"early_logits": {0: "batch"}, "early_attention": {0: "batch", 2: "tokens"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The tracing exporter is the old one; the new one needs a package that nothing else here needs.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Whole(model),
            (example, example, example),
            path,
            input_names=list(IDS),
            output_names=[*outputs, *early],
            dynamic_axes=axes | outputs | early,
            opset_version=OPSET,
            dynamo=False,
        )


def from_checkpoint(checkpoint: Path) -> GuardModel:
    """Load the averaged weights of a finished training run."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = GuardModel(EncoderConfig(**stored["config"]))
    load(model, stored["model"])
    return model.eval()
