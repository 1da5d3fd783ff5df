"""The network as ONNX graphs of fused transformer operators, built operator by operator instead of traced.

The fused operators of ONNX Runtime's ``com.microsoft`` domain (embedding with layer norm, attention, GELU) exist for
CPU and CUDA, and the graph is the same with every version of torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from guardsdk.engine.session import EARLY_LOGITS, STATES
from models.training.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx
    from numpy.typing import NDArray

    from models.training.encoder import EncoderConfig

    Weights = dict[str, NDArray[np.float32]]

OPSET = 17
IR_VERSION = 9
FUSED = "com.microsoft"
IDS = ("input_ids", "attention_mask", "token_type_ids")
PRODUCT, OVERALL = "heads.product", "overall"
"""The two matrix products of the heads, which stay in float32."""
_FAR = 1e4
"""Offset of an attention logit that leaves a token without weight."""


class Network:
    """Builds the graphs of the network, for padded batches or for rows of one length.

    The engine runs row by row on CPU, where a mask would only cost time: without one the runtime has an attention
    kernel that is faster on long rows, and no operators need to count tokens. On a GPU many rows run together, with a
    mask.
    """

    def __init__(self, weights: Weights, config: EncoderConfig, *, padded: bool) -> None:
        """Start with an empty graph; ``weights`` are named as in ``encoder.GuardModel``."""
        self._graph = Graph()
        self._weights = weights
        self._config = config
        self._padded = padded

    def whole(self) -> onnx.ModelProto:
        """Return the whole network: ids to ``logits``, ``attention`` and ``embedding``."""
        config, graph = self._config, self._graph
        after = self._layers([self._embedded()], range(config.layers))
        self._pooling()
        early, _ = self._heads(after[config.early], "early")
        late, attention = self._heads(after[-1], "late")
        self._joint(late, early)
        graph.hand_out(attention, "attention")
        self._embedding(after[config.topic_layer + 1])
        return self._model(self._ids(), ("logits", "attention", "embedding"))

    def early(self) -> onnx.ModelProto:
        """Return the lower part: ids to the early heads' ``logits`` and ``attention``, ``embedding`` and ``states``."""
        config, graph = self._config, self._graph
        after = self._layers([self._embedded()], range(config.early))
        self._pooling()
        for made, name in zip(self._heads(after[-1], "early"), ("logits", "attention"), strict=True):
            graph.hand_out(made, name)
        self._embedding(after[config.topic_layer + 1])
        graph.hand_out(after[-1], STATES)
        return self._model(self._ids(), ("logits", "attention", "embedding", STATES))

    def late(self) -> onnx.ModelProto:
        """Return the upper part: the lower one's ``states`` and logits to ``logits`` and ``attention``."""
        config, graph = self._config, self._graph
        mask = ("attention_mask",) if self._padded else ()
        for name in mask:
            graph.op("Cast", [name], f"{name}_32", to=TensorProto.INT32)
        after = self._layers([STATES], range(config.early, config.layers))
        self._pooling()
        late, attention = self._heads(after[-1], "late")
        self._joint(late, EARLY_LOGITS)
        graph.hand_out(attention, "attention")
        return self._model((STATES, *mask, EARLY_LOGITS), ("logits", "attention"))

    def _ids(self) -> tuple[str, ...]:
        return IDS if self._padded else tuple(name for name in IDS if name != "attention_mask")

    def _constant(self, name: str) -> str:
        return self._graph.constant(name, self._weights[name])

    def _turned(self, name: str, stored: str | None = None) -> str:
        """Add the weight ``name``, transposed for multiplication from the right, under the name ``stored``."""
        return self._graph.constant(stored or name, np.ascontiguousarray(self._weights[name].T))

    def _embedded(self) -> str:
        graph = self._graph
        if self._padded:
            for name in IDS:
                graph.op("Cast", [name], f"{name}_32", to=TensorProto.INT32)
        ids = [f"{name}_32" if self._padded else name for name in ("input_ids", "token_type_ids")]
        tables = [self._constant(f"{name}.weight") for name in ("words", "places", "kinds")]
        norm = [self._constant(f"norm.{kind}") for kind in ("weight", "bias")]
        # Without the mask: the attention operators take it as it is, and this one would only count its tokens.
        graph.nodes.append(
            helper.make_node(
                "EmbedLayerNormalization",
                [*ids, *tables, *norm],
                ["embedded", "unused_mask_index"],
                name="embed",
                domain=FUSED,
                epsilon=self._config.norm_epsilon,
            )
        )
        return "embedded"

    def _layers(self, after: list[str], indices: Iterable[int]) -> list[str]:
        """Add layers on top of the last states in ``after``; returns the names of all states."""
        for index in indices:
            after = [*after, self._layer(f"layers.{index}.", after[-1])]
        return after

    def _linear(self, name: str, states: str) -> str:
        """Add a matrix product and its bias, which the runtime fuses into one operator."""
        product = self._graph.op("MatMul", [states, self._turned(f"{name}.weight")], f"{name}.product")
        return self._graph.op("Add", [product, self._constant(f"{name}.bias")], f"{name}.biased")

    def _layer(self, prefix: str, states: str) -> str:
        graph = self._graph

        def skip_norm(linear: str, norm: str, given: str, residual: str) -> str:
            # Not the fused operator for sum and norm: on CPU it takes three times as long as these two.
            joined = graph.op("Add", [self._linear(prefix + linear, given), residual], f"{prefix}{norm}.joined")
            parts = [joined, self._constant(f"{prefix}{norm}.weight"), self._constant(f"{prefix}{norm}.bias")]
            return graph.op("LayerNormalization", parts, prefix + norm, axis=-1, epsilon=self._config.norm_epsilon)

        attended = skip_norm("out", "norm_attention", self._mixed(prefix, states), states)
        # Without its optional bias, which the product adds almost for free: Gelu with bias takes half as long again.
        active = graph.op("Gelu", [self._linear(f"{prefix}up", attended)], f"{prefix}active", domain=FUSED)
        return skip_norm("down", "norm_output", active, attended)

    def _mixed(self, prefix: str, states: str) -> str:
        """Add self-attention."""
        graph, heads = self._graph, self._config.heads
        if self._padded:
            matrix, bias = self._turned(f"{prefix}qkv.weight"), self._constant(f"{prefix}qkv.bias")
            given = [states, matrix, bias, "attention_mask_32"]
            return graph.op("Attention", given, f"{prefix}mixed", domain=FUSED, num_heads=heads)
        # The operator above would cut the quantized product by heads, whose columns are too few for its kernels.
        thirds = [f"{prefix}{part}" for part in ("query", "key", "value")]
        graph.split(self._linear(f"{prefix}qkv", states), thirds, axis=-1)
        return graph.op("MultiHeadAttention", thirds, f"{prefix}mixed", domain=FUSED, num_heads=heads)

    def _pooling(self) -> None:
        """Add what all heads pool with: axes and, for padded rows, the mask as a bias and a column, and its sum."""
        graph = self._graph
        graph.constant("axis1", np.array([1], np.int64))
        graph.constant("axis2", np.array([2], np.int64))
        if not self._padded:
            return
        mask = graph.op("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
        one = graph.constant("one", np.array(1.0, np.float32))
        low = graph.constant("low", np.array(-_FAR, np.float32))
        absent = graph.op("Mul", [graph.op("Sub", [one, mask], "absent"), low], "absent_bias")
        graph.op("Unsqueeze", [absent, "axis1"], "pool_bias")
        column = graph.op("Unsqueeze", [mask, "axis2"], "mask.column")
        graph.op("ReduceSum", [column, "axis1"], "kept.count", keepdims=0)

    def _heads(self, states: str, which: str) -> tuple[str, str]:
        """Pool ``states`` with one attention per label; names and arithmetic mirror ``encoder.Heads``.

        Returns the names of the logits [B, L] and of the attention [B, L, T].
        """
        graph, weights = self._graph, self._weights

        def own(name: str) -> str:
            return f"{which}.{name}"

        # One product for both small matrices, with columns [attend | value]. The bias of ``attend`` is left out, as the
        # softmax cancels what all tokens share; that of ``value`` is added once at the end.
        joined = np.concatenate([weights[f"{which}.{name}.weight"] for name in ("attend", "value")]).T
        matrix = graph.constant(tensor_name(which, "heads.weight"), np.ascontiguousarray(joined))
        both = graph.op("MatMul", [states, matrix], own(PRODUCT))
        attend, value = own("attend"), own("value")
        graph.split(graph.op("Transpose", [both], own("by_label"), perm=[0, 2, 1]), [attend, value], axis=1)
        if self._padded:
            attend = graph.op("Add", [attend, "pool_bias"], own("masked"))
        attention = graph.op("Softmax", [attend], own("attention"), axis=-1)
        weighted = graph.op("Mul", [attention, value], own("weighted"))
        local = graph.op("ReduceSum", [weighted, "axis2"], own("local"), keepdims=0)
        overall = self._turned(f"{which}.overall.weight", tensor_name(which, "overall.weight"))
        offset = graph.constant(tensor_name(which, "value.bias"), weights[f"{which}.value.bias"])
        through = graph.op("MatMul", [self._mean(states, own("mean")), overall], own(OVERALL))
        return graph.op("Sum", [local, through, offset], own("logits")), attention

    def _joint(self, late: str, early: str) -> None:
        """Add the logits of the whole network: those of both sets of heads, weighted by ``early_say``."""
        graph, shares = self._graph, np.array(self._config.early_say, np.float32)
        parts = [
            graph.op("Mul", [late, graph.constant("late_say", 1.0 - shares)], "late.said"),
            graph.op("Mul", [early, graph.constant("early_say", shares)], "early.said"),
        ]
        graph.op("Add", parts, "logits")

    def _mean(self, given: str, name: str) -> str:
        """Average ``given`` [B, T, H] over the tokens that are not padding."""
        graph = self._graph
        if not self._padded:
            return graph.op("ReduceMean", [given], name, axes=[1], keepdims=0)
        kept = graph.op("Mul", [given, "mask.column"], f"{name}.kept")
        return graph.op("Div", [graph.op("ReduceSum", [kept, "axis1"], f"{name}.sum", keepdims=0), "kept.count"], name)

    def _embedding(self, states: str) -> None:
        """Add the embedding: the unit-length mean of ``states``, the layer that still encodes what a text is about.

        For a pair it is that of the second half. With offsets as far apart as ``_FAR`` a softmax averages over the
        tokens of the largest one: those of the second half or, where there is none, all.
        """
        graph = self._graph
        kinds = graph.op("Cast", ["token_type_ids"], "kinds", to=TensorProto.FLOAT)
        far = graph.op("Mul", [kinds, graph.constant("far", np.array(_FAR, np.float32))], "apart")
        row = graph.op("Unsqueeze", [far, "axis1"], "apart.row")
        if self._padded:
            row = graph.op("Add", [row, graph.op("Mul", ["pool_bias", "far"], "never")], "apart.kept")
        own = graph.op("Softmax", [row], "own", axis=-1)
        mean = graph.op("MatMul", [own, states], "topic")
        direction = graph.op("LpNormalization", [mean], "direction", axis=-1, p=2)
        graph.op("Squeeze", [direction, "axis1"], "embedding")

    def _model(self, inputs: Iterable[str], outputs: Iterable[str]) -> onnx.ModelProto:
        config = self._config
        # The operators take int32: on CPU it is cheaper to cast before a run than in the graph.
        ids = TensorProto.INT64 if self._padded else TensorProto.INT32
        kinds: dict[str, tuple[int, list[Any]]] = {
            **dict.fromkeys(IDS, (ids, ["batch", "tokens"])),
            STATES: (TensorProto.FLOAT, ["batch", "tokens", config.hidden]),
            EARLY_LOGITS: (TensorProto.FLOAT, ["batch", config.labels]),
            "logits": (TensorProto.FLOAT, ["batch", config.labels]),
            "attention": (TensorProto.FLOAT, ["batch", config.labels, "tokens"]),
            "embedding": (TensorProto.FLOAT, ["batch", config.hidden]),
        }
        given, made = (
            [helper.make_tensor_value_info(name, *kinds[name]) for name in names] for names in (inputs, outputs)
        )
        proto = helper.make_model(
            helper.make_graph(self._graph.nodes, "guard", given, made, self._graph.initializers),
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(FUSED, 1)],
            producer_name="guardsdk",
        )
        proto.ir_version = IR_VERSION
        return proto


def tensor_name(which: str, name: str) -> str:
    """Return the name in a graph of a tensor of the ``late`` or the ``early`` heads."""
    return name if which == "late" else f"{which}.{name}"
