"""Export step: write the trained network as an ONNX graph of fused transformer operators.

The graph is laid down operator by operator instead of traced: the fused operators of ONNX Runtime's ``com.microsoft``
domain (embedding with layer norm, attention, skip layer norm, bias with GELU) exist for CPU and CUDA, and the result
is the same with every version of torch.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from models.training.encoder import EncoderConfig, GuardModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

OPSET = 17
IR_VERSION = 9
FUSED = "com.microsoft"


class _Graph:
    """Collects nodes and initializers."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def op(self, kind: str, inputs: list[str], name: str, *, domain: str = "", **attributes: Any) -> str:  # noqa: ANN401
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}_{kind}", domain=domain, **attributes))
        return name


def export(model: GuardModel, path: Path) -> None:
    """Write ``model`` to ``path`` as float32.

    Inputs ``input_ids``, ``attention_mask`` and ``token_type_ids`` are int64 [B, T]; outputs are ``logits`` [B, L],
    ``attention`` [B, L, T] and ``embedding`` [B, H], all float32.
    """
    weights = {name: tensor.detach().float().cpu().numpy() for name, tensor in model.state_dict().items()}
    proto = _build(weights, model.config)
    onnx.checker.check_model(proto)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, path)


def export_traced(model: GuardModel, path: Path) -> None:
    """Write ``model`` as torch traces it, in plain operators: the yardstick for the fused graph, never shipped."""
    example = torch.ones((1, 8), dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "tokens"} for name in names}
    path.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # The tracing exporter is the old one; the new one needs a package that nothing else here does.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            (example, example, example),
            path,
            input_names=names,
            output_names=["logits", "attention", "embedding"],
            dynamic_axes=axes
            | {"logits": {0: "batch"}, "attention": {0: "batch", 2: "tokens"}, "embedding": {0: "batch"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _build(weights: Mapping[str, NDArray[np.float32]], config: EncoderConfig) -> onnx.ModelProto:
    graph = _Graph()
    for name in ("input_ids", "attention_mask", "token_type_ids"):
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
    states = early = "embedded"
    for index in range(config.layers):
        states = _layer(graph, weights, config, index, states)
        early = states if index == config.topic_layer else early
    _heads(graph, weights, states, early)
    return _model(graph, config)


def _linear(graph: _Graph, weights: Mapping[str, NDArray[np.float32]], name: str, states: str) -> str:
    """Multiply without the bias: what follows adds it in a fused operator."""
    matrix = graph.constant(f"{name}.weight", np.ascontiguousarray(weights[f"{name}.weight"].T))
    return graph.op("MatMul", [states, matrix], f"{name}.product")


def _layer(
    graph: _Graph, weights: Mapping[str, NDArray[np.float32]], config: EncoderConfig, index: int, states: str
) -> str:
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
        return graph.op(
            "SkipLayerNormalization",
            [product, residual, value(f"{norm}.weight"), value(f"{norm}.bias"), value(f"{linear}.bias")],
            prefix + norm,
            domain=FUSED,
            epsilon=config.norm_epsilon,
        )

    attended = skip_norm("out", "norm_attention", _linear(graph, weights, f"{prefix}out", mixed), states)
    up = _linear(graph, weights, f"{prefix}up", attended)
    active = graph.op("BiasGelu", [up, value("up.bias")], f"{prefix}active", domain=FUSED)
    return skip_norm("down", "norm_output", _linear(graph, weights, f"{prefix}down", active), attended)


def _heads(graph: _Graph, weights: Mapping[str, NDArray[np.float32]], states: str, early: str) -> None:
    """Pool with one attention per label; names and arithmetic mirror ``GuardModel.forward``.

    The embedding is the mean of ``early``, the states of the layer that still holds what a text is about.
    """
    mask = graph.op("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    one = graph.constant("one", np.array(1.0, np.float32))
    low = graph.constant("low", np.array(-1e4, np.float32))
    axis1 = graph.constant("axis1", np.array([1], np.int64))
    axis2 = graph.constant("axis2", np.array([2], np.int64))
    absent = graph.op("Mul", [graph.op("Sub", [one, mask], "absent"), low], "absent_bias")
    bias = graph.op("Unsqueeze", [absent, axis1], "pool_bias")

    # One product for both small matrices: columns are [attend | value].
    joined = np.concatenate([weights["attend.weight"], weights["value.weight"]]).T
    offsets = np.concatenate([weights["attend.bias"], weights["value.bias"]])
    both = graph.op(
        "Add",
        [
            graph.op("MatMul", [states, graph.constant("heads.weight", np.ascontiguousarray(joined))], "heads.product"),
            graph.constant("heads.bias", offsets),
        ],
        "heads",
    )
    by_label = graph.op("Transpose", [both], "heads.by_label", perm=[0, 2, 1])
    graph.nodes.append(helper.make_node("Split", [by_label], ["attend", "value"], name="heads.split", axis=1))
    graph.op("Softmax", [graph.op("Add", ["attend", bias], "attend.masked")], "attention", axis=-1)
    weighted = graph.op("Mul", ["attention", "value"], "weighted")
    local = graph.op("ReduceSum", [weighted, axis2], "local", keepdims=0)

    column = graph.op("Unsqueeze", [mask, axis2], "mask.column")
    count = graph.op("ReduceSum", [column, axis1], "kept.count", keepdims=0)

    def mean_of(given: str, name: str) -> str:
        total = graph.op(
            "ReduceSum", [graph.op("Mul", [given, column], f"{name}.kept"), axis1], f"{name}.sum", keepdims=0
        )
        return graph.op("Div", [total, count], name)

    mean = mean_of(states, "mean")
    overall = graph.constant("overall.weight", np.ascontiguousarray(weights["overall.weight"].T))
    graph.op("Add", [local, graph.op("MatMul", [mean, overall], "overall")], "logits")
    graph.op("LpNormalization", [mean_of(early, "topic")], "embedding", axis=-1, p=2)


def _model(graph: _Graph, config: EncoderConfig) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", config.labels]),
        helper.make_tensor_value_info("attention", TensorProto.FLOAT, ["batch", config.labels, "tokens"]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", config.hidden]),
    ]
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "guard", inputs, outputs, graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)],
        producer_name="guardsdk",
    )
    proto.ir_version = IR_VERSION
    return proto


def from_checkpoint(checkpoint: Path) -> GuardModel:
    """Load the averaged weights of a finished training run."""
    stored = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = GuardModel(EncoderConfig(**stored["config"]))
    model.load_state_dict(stored["model"])
    return model.eval()
