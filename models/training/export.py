"""Export step: write the trained network as an ONNX graph of fused transformer operators.

The graph is laid down operator by operator instead of traced: the fused operators of ONNX Runtime's ``com.microsoft``
domain (embedding with layer norm, attention, bias with GELU) exist for CPU and CUDA, and the result
is the same with every version of torch.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from guardsdk.engine.session import EARLY_LOGITS, STATES
from models.training.encoder import EncoderConfig, GuardModel, load
from models.training.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

OPSET = 17
IR_VERSION = 9
FUSED = "com.microsoft"
WHOLE, EARLY, LATE = "model.onnx", "model_early.onnx", "model_late.onnx"
PRODUCT, OVERALL = "heads.product", "overall"
"""The two products of the heads, which stay in float32."""
_IDS = ("input_ids", "attention_mask", "token_type_ids")


def export(model: GuardModel, folder: Path) -> None:
    """Write ``model`` to ``folder`` as float32, whole and as its two parts.

    Inputs ``input_ids``, ``attention_mask`` and ``token_type_ids`` are int64 [B, T]; outputs are ``logits`` [B, L],
    ``attention`` [B, L, T] and ``embedding`` [B, H], all float32. The early part gives ``states`` [B, T, H] besides,
    and its own logits and attention; the late part goes on from those states, those logits and the mask.
    """
    weights = {name: tensor.detach().float().cpu().numpy() for name, tensor in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, build in ((WHOLE, _whole), (EARLY, _early), (LATE, _late)):
        proto = build(weights, model.config)
        onnx.checker.check_model(proto)
        onnx.save(proto, folder / name)


class _Whole(torch.nn.Module):
    """The network with one logit per label, as the graphs have it."""

    def __init__(self, model: GuardModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        late, attention, embedding, early, early_attention = self.model(*inputs)
        return self.model.joint(late, early), attention, embedding, early, early_attention


def export_traced(model: GuardModel, path: Path) -> None:
    """Write ``model`` as torch traces it, in plain operators: the yardstick for the fused graph, never shipped."""
    example = torch.ones((1, 8), dtype=torch.int64)
    axes = {name: {0: "batch", 1: "tokens"} for name in _IDS}
    outputs = {"logits": {0: "batch"}, "attention": {0: "batch", 2: "tokens"}, "embedding": {0: "batch"}}
    early = {"early_logits": {0: "batch"}, "early_attention": {0: "batch", 2: "tokens"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The tracing exporter is the old one; the new one needs a package that nothing else here does.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Whole(model),
            (example, example, example),
            path,
            input_names=list(_IDS),
            output_names=[*outputs, *early],
            dynamic_axes=axes | outputs | early,
            opset_version=OPSET,
            dynamo=False,
        )


Weights = dict[str, "NDArray[np.float32]"]


def _whole(weights: Weights, config: EncoderConfig) -> onnx.ModelProto:
    graph = Graph()
    after = _layers(graph, weights, config, [_embedded(graph, weights, config)], range(config.layers))
    _pooling(graph)
    early, _ = _heads(graph, weights, after[config.early], "early")
    late, attention = _heads(graph, weights, after[-1], "late")
    _joint(graph, config, late, early)
    graph.hand_out(attention, "attention")
    _embedding(graph, after[config.topic_layer + 1])
    return _model(graph, config, _IDS, ("logits", "attention", "embedding"))


def _early(weights: Weights, config: EncoderConfig) -> onnx.ModelProto:
    graph = Graph()
    after = _layers(graph, weights, config, [_embedded(graph, weights, config)], range(config.early))
    _pooling(graph)
    for made, name in zip(_heads(graph, weights, after[-1], "early"), ("logits", "attention"), strict=True):
        graph.hand_out(made, name)
    _embedding(graph, after[config.topic_layer + 1])
    graph.hand_out(after[-1], STATES)
    return _model(graph, config, _IDS, ("logits", "attention", "embedding", STATES))


def _late(weights: Weights, config: EncoderConfig) -> onnx.ModelProto:
    graph = Graph()
    graph.op("Cast", ["attention_mask"], "attention_mask_32", to=TensorProto.INT32)
    after = _layers(graph, weights, config, [STATES], range(config.early, config.layers))
    _pooling(graph)
    late, attention = _heads(graph, weights, after[-1], "late")
    _joint(graph, config, late, EARLY_LOGITS)
    graph.hand_out(attention, "attention")
    return _model(graph, config, (STATES, "attention_mask", EARLY_LOGITS), ("logits", "attention"))


def _embedded(graph: Graph, weights: Weights, config: EncoderConfig) -> str:
    for name in _IDS:
        graph.op("Cast", [name], f"{name}_32", to=TensorProto.INT32)
    tables = [graph.constant(f"{name}.weight", weights[f"{name}.weight"]) for name in ("words", "places", "kinds")]
    norm = [graph.constant(f"norm.{kind}", weights[f"norm.{kind}"]) for kind in ("weight", "bias")]
    # The mask is given to the attention operators as it is; this one would only count its tokens.
    graph.nodes.append(
        helper.make_node(
            "EmbedLayerNormalization",
            ["input_ids_32", "token_type_ids_32", *tables, *norm],
            ["embedded", "unused_mask_index"],
            name="embed",
            domain=FUSED,
            epsilon=config.norm_epsilon,
        )
    )
    return "embedded"


def _layers(
    graph: Graph, weights: Weights, config: EncoderConfig, after: list[str], indices: Iterable[int]
) -> list[str]:
    """Add layers on top of the last states in ``after``; returns all states in turn."""
    for index in indices:
        after = [*after, _layer(graph, weights, config, index, after[-1])]
    return after


def _linear(graph: Graph, weights: Weights, name: str, states: str) -> str:
    """Multiply without the bias: what follows adds it in a fused operator."""
    matrix = graph.constant(f"{name}.weight", np.ascontiguousarray(weights[f"{name}.weight"].T))
    return graph.op("MatMul", [states, matrix], f"{name}.product")


def _layer(graph: Graph, weights: Weights, config: EncoderConfig, index: int, states: str) -> str:
    prefix = f"layers.{index}."

    def value(name: str) -> str:
        return graph.constant(prefix + name, weights[prefix + name])

    matrix = graph.constant(f"{prefix}qkv.weight", np.ascontiguousarray(weights[f"{prefix}qkv.weight"].T))
    mixed = graph.op(
        "Attention",
        [states, matrix, value("qkv.bias"), "attention_mask_32"],
        f"{prefix}mixed",
        domain=FUSED,
        num_heads=config.heads,
    )

    def skip_norm(linear: str, norm: str, product: str, residual: str) -> str:
        # Not the fused operator for it: on CPU that one takes three times as long as these, the first of which the
        # runtime makes a part of the product.
        biased = graph.op("Add", [product, value(f"{linear}.bias")], f"{prefix}{linear}.biased")
        joined = graph.op("Add", [biased, residual], f"{prefix}{norm}.joined")
        parts = [joined, value(f"{norm}.weight"), value(f"{norm}.bias")]
        return graph.op("LayerNormalization", parts, prefix + norm, axis=-1, epsilon=config.norm_epsilon)

    attended = skip_norm("out", "norm_attention", _linear(graph, weights, f"{prefix}out", mixed), states)
    up = _linear(graph, weights, f"{prefix}up", attended)
    active = graph.op("BiasGelu", [up, value("up.bias")], f"{prefix}active", domain=FUSED)
    return skip_norm("down", "norm_output", _linear(graph, weights, f"{prefix}down", active), attended)


def _pooling(graph: Graph) -> None:
    """Lay down what all heads pool with: which tokens count, as a bias on attention, as a column and as a number."""
    mask = graph.op("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    one = graph.constant("one", np.array(1.0, np.float32))
    low = graph.constant("low", np.array(-1e4, np.float32))
    axis1 = graph.constant("axis1", np.array([1], np.int64))
    axis2 = graph.constant("axis2", np.array([2], np.int64))
    absent = graph.op("Mul", [graph.op("Sub", [one, mask], "absent"), low], "absent_bias")
    graph.op("Unsqueeze", [absent, axis1], "pool_bias")
    column = graph.op("Unsqueeze", [mask, axis2], "mask.column")
    graph.op("ReduceSum", [column, axis1], "kept.count", keepdims=0)


def _heads(graph: Graph, weights: Weights, states: str, which: str) -> tuple[str, str]:
    """Pool ``states`` with one attention per label; names and arithmetic mirror ``encoder.Heads``.

    Returns the names of the logits [B, L] and of the attention [B, L, T].
    """

    def own(name: str) -> str:
        return f"{which}.{name}"

    # One product for both small matrices: columns are [attend | value].
    joined = np.concatenate([weights[f"{which}.{name}.weight"] for name in ("attend", "value")]).T
    offsets = np.concatenate([weights[f"{which}.{name}.bias"] for name in ("attend", "value")])
    matrix = graph.constant(tensor_name(which, "heads.weight"), np.ascontiguousarray(joined))
    both = graph.op(
        "Add",
        [
            graph.op("MatMul", [states, matrix], own(PRODUCT)),
            graph.constant(tensor_name(which, "heads.bias"), offsets),
        ],
        own("heads"),
    )
    by_label = graph.op("Transpose", [both], own("by_label"), perm=[0, 2, 1])
    attend, value = own("attend"), own("value")
    graph.nodes.append(helper.make_node("Split", [by_label], [attend, value], name=own("split"), axis=1))
    attention = graph.op("Softmax", [graph.op("Add", [attend, "pool_bias"], own("masked"))], own("attention"), axis=-1)
    weighted = graph.op("Mul", [attention, value], own("weighted"))
    local = graph.op("ReduceSum", [weighted, "axis2"], own("local"), keepdims=0)
    turned = np.ascontiguousarray(weights[f"{which}.overall.weight"].T)
    overall = graph.constant(tensor_name(which, "overall.weight"), turned)
    mean = _mean(graph, states, own("mean"))
    return graph.op("Add", [local, graph.op("MatMul", [mean, overall], own(OVERALL))], own("logits")), attention


def _joint(graph: Graph, config: EncoderConfig, late: str, early: str) -> None:
    """Give the logits of the whole network: what both sets of heads say, each by its share."""
    shares = np.array(config.early_say, np.float32)
    parts = [
        graph.op("Mul", [late, graph.constant("late_say", 1.0 - shares)], "late.said"),
        graph.op("Mul", [early, graph.constant("early_say", shares)], "early.said"),
    ]
    graph.op("Add", parts, "logits")


def tensor_name(which: str, name: str) -> str:
    """Return what a tensor of the ``late`` or the ``early`` heads is called in a graph."""
    return name if which == "late" else f"{which}.{name}"


def _sum(graph: Graph, given: str, column: str, name: str) -> str:
    """Sum ``given`` over the tokens that are 1 in ``column``."""
    kept = graph.op("Mul", [given, column], f"{name}.kept")
    return graph.op("ReduceSum", [kept, "axis1"], f"{name}.sum", keepdims=0)


def _mean(graph: Graph, given: str, name: str) -> str:
    """Average ``given`` over the tokens that are no padding."""
    return graph.op("Div", [_sum(graph, given, "mask.column", name), "kept.count"], name)


def _embedding(graph: Graph, states: str) -> None:
    """Give the direction of the mean of ``states``, the layer that still holds what a text is about.

    Of a pair it is that of the second half. The sum points where the mean does, and only the direction is given.
    """
    kinds = graph.op("Cast", ["token_type_ids"], "kinds", to=TensorProto.FLOAT)
    first = graph.op("Sub", ["one", graph.op("ReduceMax", [kinds], "paired", axes=[1], keepdims=1)], "unpaired")
    own = graph.op("Mul", ["mask", graph.op("Add", [kinds, first], "second")], "own")
    column = graph.op("Unsqueeze", [own, "axis2"], "own.column")
    graph.op("LpNormalization", [_sum(graph, states, column, "topic")], "embedding", axis=-1, p=2)


def _model(graph: Graph, config: EncoderConfig, inputs: Iterable[str], outputs: Iterable[str]) -> onnx.ModelProto:
    kinds: dict[str, tuple[int, list[Any]]] = {
        **dict.fromkeys(_IDS, (TensorProto.INT64, ["batch", "tokens"])),
        STATES: (TensorProto.FLOAT, ["batch", "tokens", config.hidden]),
        EARLY_LOGITS: (TensorProto.FLOAT, ["batch", config.labels]),
        "logits": (TensorProto.FLOAT, ["batch", config.labels]),
        "attention": (TensorProto.FLOAT, ["batch", config.labels, "tokens"]),
        "embedding": (TensorProto.FLOAT, ["batch", config.hidden]),
    }
    given, made = ([helper.make_tensor_value_info(name, *kinds[name]) for name in names] for names in (inputs, outputs))
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "guard", given, made, graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)],
        producer_name="guardsdk",
    )
    proto.ir_version = IR_VERSION
    return proto


def from_checkpoint(checkpoint: Path) -> GuardModel:
    """Load the averaged weights of a finished training run."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = GuardModel(EncoderConfig(**stored["config"]))
    load(model, stored["model"])
    return model.eval()
