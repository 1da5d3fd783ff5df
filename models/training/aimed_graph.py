"""The graph that reads a prompt beside the instructions it is aimed at: a small network on the layers of a model.

The lower layers are those of the shipped graph, stored once for both; the upper ones were trained on such pairs and are
its own. Shapes: B pairs, T tokens, H hidden units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from models.training.encoder import EncoderConfig
from models.training.graph import Graph
from models.training.network import FUSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

UNITS: Final = 96
"""Of each token, for either half of the pair."""
TOGETHER: Final = 32
"""Of the pair."""
_DROPPED: Final = 0.4
"""Share of what is read of the tokens that is hidden while it learns: there are few instructions to learn from."""
_FAR = 1e4
_STEPS = 63
"""Integers on either side of zero that a weight is rounded to, as in the shipped graphs (``encoder._as_int8``)."""
_CONFIG = EncoderConfig()
WIDTH: Final = 2 * _CONFIG.hidden
"""Numbers of a token that the network is given: the states after the early layers and after all."""


class Aimed(nn.Module):
    """The states after two layers of a pair in, one logit out: whether the prompt is an attack on the instructions."""

    def __init__(self, width: int) -> None:
        """Make one with random weights for states of ``width`` numbers, both layers together."""
        super().__init__()
        self.tokens = nn.Linear(width, 2 * UNITS)
        self.joint = nn.Linear(4 * UNITS, TOGETHER)
        self.logit = nn.Linear(TOGETHER, 1)
        self.drop = nn.Dropout(_DROPPED)

    def forward(self, states: Tensor, mask: Tensor, kinds: Tensor) -> Tensor:
        """Return logits [B] for ``states`` [B, T, 2 H]; ``kinds`` [B, T] is 1 on the prompt, ``mask`` 0 on padding."""
        units = functional.gelu(self.tokens(states)).chunk(2, -1)
        read: list[Tensor] = []
        for half, of in zip(units, (mask * (1.0 - kinds), mask * kinds), strict=True):
            column = of[:, :, None]
            read += [(half + (column - 1.0) * _FAR).amax(1), (half * column).sum(1) / column.sum(1).clamp(min=1.0)]
        logit: Tensor = self.logit(functional.gelu(self.joint(self.drop(torch.cat(read, -1)))))
        return logit[:, 0]


def aimed_graph(whole: Path, network: Aimed, upper: Mapping[str, Tensor]) -> onnx.ModelProto:
    """Return the graph at ``whole`` with ``network`` on its layers in place of its heads: ``logits`` [B, 1] out.

    It is for rows one at a time, without a mask. ``upper`` are the weights, by their names in the encoder, that it has
    in place of those of ``whole``: matrices are rounded to integers as those are.
    """
    proto = onnx.load(whole)
    names = [f"layers.{last - 1}.norm_output" for last in (_CONFIG.early, _CONFIG.layers)]
    kept = _below(proto, names)
    del proto.graph.node[:], proto.graph.output[:]
    proto.graph.node.extend(kept)
    _drop_unused(proto)
    _replace(proto, upper)
    graph, weights = Graph(), {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}

    def linear(name: str, given: str) -> str:
        matrix = graph.constant(f"aimed.{name}.weight", np.ascontiguousarray(weights[f"{name}.weight"].T))
        product = graph.op("MatMul", [given, matrix], f"aimed.{name}.product")
        return graph.op(
            "Add", [product, graph.constant(f"aimed.{name}.bias", weights[f"{name}.bias"])], f"aimed.{name}.biased"
        )

    graph.constant("aimed.last", np.array([2], np.int64))
    graph.constant("aimed.axis", np.array([1], np.int64))
    graph.constant("aimed.one", np.array(1.0, np.float32))
    graph.constant("aimed.far", np.array(_FAR, np.float32))
    both = graph.op("Concat", names, "aimed.states", axis=-1)
    units = graph.op("Gelu", [linear("tokens", both)], "aimed.units", domain=FUSED)
    halves = ["aimed.instructions", "aimed.prompt"]
    graph.split(units, halves, axis=-1)
    kinds = graph.op("Cast", ["token_type_ids"], "aimed.kinds", to=TensorProto.FLOAT)
    prompt = graph.op("Unsqueeze", [kinds, "aimed.last"], "aimed.of_prompt")
    others = graph.op("Sub", ["aimed.one", prompt], "aimed.of_instructions")
    read = []
    for half, own, other in zip(halves, (others, prompt), (prompt, others), strict=True):
        away = graph.op("Mul", [other, "aimed.far"], f"{half}.away")
        present = graph.op("Sub", [half, away], f"{half}.present")
        read.append(graph.op("ReduceMax", [present], f"{half}.highest", axes=[1], keepdims=0))
        total = graph.op("ReduceSum", [graph.op("Mul", [half, own], f"{half}.own"), "aimed.axis"], f"{half}.sum")
        count = graph.op("ReduceSum", [own, "aimed.axis"], f"{half}.tokens")
        count = graph.op("Max", [count, "aimed.one"], f"{half}.count")  # a row that is tried out is no pair
        mean = graph.op("Div", [total, count], f"{half}.mean")
        read.append(graph.op("Squeeze", [mean, "aimed.axis"], f"{half}.of"))
    joint = linear("joint", graph.op("Concat", read, "aimed.read", axis=-1))
    made = linear("logit", graph.op("Gelu", [joint], "aimed.together", domain=FUSED))
    graph.hand_out(made, "logits")
    proto.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1]))
    proto.graph.node.extend(graph.nodes)
    proto.graph.initializer.extend(graph.initializers)
    return proto


def _below(proto: onnx.ModelProto, outputs: Sequence[str]) -> list[onnx.NodeProto]:
    """Return the nodes that ``outputs`` are made by, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(proto.graph.node):
        if wanted & set(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def _drop_unused(proto: onnx.ModelProto) -> None:
    used = {name for node in proto.graph.node for name in node.input}
    kept = [tensor for tensor in proto.graph.initializer if tensor.name in used]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)


def _replace(proto: onnx.ModelProto, upper: Mapping[str, Tensor]) -> None:
    """Give ``proto`` the weights ``upper`` in place of its own, under names that say whose they are."""
    new: dict[str, NDArray[np.generic]] = {}
    for name, tensor in upper.items():
        value = tensor.detach().numpy()
        if value.ndim > 1:
            new[f"{name}_quantized"], new[f"{name}_scale"] = _rounded(value.T)
        else:
            new[name] = np.array(value)
    stored = {tensor.name: tensor for tensor in proto.graph.initializer}
    for name, value in new.items():
        stored[name].CopyFrom(numpy_helper.from_array(value, f"aimed.{name}"))
    for node in proto.graph.node:
        node.input[:] = [f"aimed.{name}" if name in new else name for name in node.input]


def _rounded(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round each column of ``matrix`` [in, out] to 7 bits around zero; returns the integers and a scale per column."""
    scale = (np.abs(matrix).max(0).clip(1e-8) / _STEPS).astype(np.float32)
    return np.round(matrix / scale).astype(np.int8), scale
