"""The network that learns to read a prompt beside instructions: a shipped model whose upper layers go on learning.

Shapes: B rows, T tokens, H hidden units.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from guardsdk.engine.cores import usable_cores
from models.training.aimed_graph import WIDTH, Aimed
from models.training.encoder import EncoderConfig, GuardModel, Layer, load
from models.training.shipped import widened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.training.aimed_pairs import Pair, Row

AIMED: Final = "model_aimed.onnx"
FROZEN: Final = 2
"""Lower layers that stay those of the shipped model: words and phrases are there, what they are for is above."""
_DROPPED = 0.1
"""Share of what each upper layer adds to the states that is hidden while it learns."""


class Reader(nn.Module):
    """Pairs in, one logit per row out: the layers of a shipped model with a network of their own on them."""

    def __init__(self, start: Path) -> None:
        """Take the weights of the model in ``start``, and of what it reads beside instructions, where it does."""
        super().__init__()
        self.encoder = GuardModel(EncoderConfig())
        load(self.encoder, widened(start)["model"])
        self.encoder.requires_grad_(requires_grad=False)
        for layer in self._upper:
            layer.requires_grad_()
            layer.dropped = _DROPPED
        self.network = Aimed(WIDTH)
        if (start / AIMED).is_file():
            self._go_on(start / AIMED)

    def _go_on(self, path: Path) -> None:
        """Take the network of the graph at ``path``, and its own layers, where it has such."""
        stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
        for prefix, module in (("aimed.", self.network), ("aimed.layers.", self.encoder.layers)):
            for name, weight in module.state_dict().items():
                found = stored.get(f"{prefix}{name}")
                if (integers := stored.get(f"{prefix}{name}_quantized")) is not None:
                    found = integers * stored[f"{prefix}{name}_scale"]
                if found is not None:
                    weight.copy_(torch.from_numpy(np.array(found.T)))  # a vector turned is itself

    @property
    def _upper(self) -> list[Layer]:
        return [layer for layer in self.encoder.layers[FROZEN:] if isinstance(layer, Layer)]

    def upper(self) -> dict[str, nn.Parameter]:
        """Return the weights of the layers that are not those of the shipped model, by their names in the encoder."""
        return {name: weight for name, weight in self.encoder.named_parameters() if weight.requires_grad}

    def forward(self, ids: Tensor, mask: Tensor, kinds: Tensor) -> Tensor:
        """Return logits [B] of rows, [B, T] each: ``mask`` is 0 on padding, ``kinds`` 1 on the prompt."""
        after = self.encoder.seen(ids, mask, kinds).after
        config = self.encoder.config
        states = torch.cat([after[config.early], after[config.layers]], -1)
        logits: Tensor = self.network(states, mask.to(states.dtype), kinds.to(states.dtype))
        return logits


def padded(rows: Sequence[Row]) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids, mask and token types of ``rows``, [B, T] each."""
    longest = max(ids.size for ids, _ in rows)
    made = torch.zeros(3, len(rows), longest, dtype=torch.long)
    for at, (ids, kinds) in enumerate(rows):
        made[:, at, : ids.size] = torch.from_numpy(np.stack([ids[0], np.ones_like(ids[0]), kinds[0]]).astype(np.int64))
    return made[0], made[1], made[2]


def logits_of(path: Path, pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Return what the graph at ``path`` says of each of ``pairs``, [N]: of its rows the one that says most counts."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def said(pair: Pair) -> float:
        feeds = ({"input_ids": ids, "token_type_ids": kinds} for ids, kinds in pair.rows())
        return max(float(session.run(["logits"], feed)[0][0, 0]) for feed in feeds)

    with ThreadPoolExecutor(usable_cores()) as pool:
        return np.fromiter(pool.map(said, pairs), np.float64, len(pairs))
