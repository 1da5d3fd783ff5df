"""The shape of LLM Guard's prompt injection scanner: a DeBERTa-v3-base classifier in float32, with random weights.

Speed does not depend on the values of the weights. The graph follows the paper (He et al. 2021, arXiv:2006.03654,
and its third version, arXiv:2111.09543): disentangled attention from content to position and back, with shared
projections. It flatters the scanner: its tokenizer and its own Python are left out, relative positions are given as
input, and the embedding table is short. Text is cut at 512 tokens, as the scanner does.
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from guardsdk.settings import runtime_telemetry_off

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

LONGEST = 512
_LAYERS, _HIDDEN, _INNER, _HEADS = 12, 768, 3072, 12
_SPAN = 256
"""Buckets of relative positions on each side."""
_FARTHEST = 512
_WORDS = 1000
_SCALE = 0.02


class _Graph:
    """Collects nodes, and weights in one file beside the graph."""

    def __init__(self, folder: Path) -> None:
        import onnx

        self._onnx = onnx
        self._weights = (folder / "weights.bin").open("wb")
        self._random = np.random.default_rng(0)
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.initializers)}"
        values = self._random.standard_normal(shape, dtype=np.float32) * np.float32(_SCALE)
        tensor = self._onnx.TensorProto(name=name, data_type=self._onnx.TensorProto.FLOAT, dims=shape)
        place = self._weights.tell()
        self._weights.write(values.tobytes())
        tensor.data_location = self._onnx.TensorProto.EXTERNAL
        for key, value in (("location", "weights.bin"), ("offset", str(place)), ("length", str(values.nbytes))):
            tensor.external_data.add(key=key, value=value)
        self.initializers.append(tensor)
        return name

    def constant(self, value: NDArray[np.generic]) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(self._onnx.numpy_helper.from_array(value, name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def linear(self, states: str, inputs: int, outputs: int) -> str:
        return self.op("Add", self.op("MatMul", states, self.weight(inputs, outputs)), self.weight(outputs))

    def norm(self, states: str) -> str:
        return self.op("LayerNormalization", states, self.weight(_HIDDEN), self.weight(_HIDDEN), epsilon=1e-7)

    def gelu(self, states: str) -> str:
        half, one = self.constant(np.array([0.5], np.float32)), self.constant(np.array([1.0], np.float32))
        erf = self.op("Erf", self.op("Div", states, self.constant(np.array([math.sqrt(2.0)], np.float32))))
        return self.op("Mul", self.op("Mul", states, self.op("Add", erf, one)), half)

    def save(self, path: Path, output: str) -> None:
        self._weights.close()
        make = self._onnx.helper
        kinds = self._onnx.TensorProto
        inputs = [
            make.make_tensor_value_info("ids", kinds.INT64, [1, "tokens"]),
            make.make_tensor_value_info("places", kinds.INT64, [_HEADS, "tokens", "tokens"]),
        ]
        graph = make.make_graph(
            self.nodes, "deberta", inputs, [make.make_tensor_value_info(output, kinds.FLOAT, None)], self.initializers
        )
        self._onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9), path)


def write_graph(path: Path) -> None:
    """Write the graph to ``path`` and its weights, 340 MB, beside it. Raises ``ModuleNotFoundError`` without onnx."""
    graph = _Graph(path.parent)
    states = graph.norm(graph.op("Gather", graph.weight(_WORDS, _HIDDEN), "ids"))
    relative = graph.norm(graph.weight(2 * _SPAN, _HIDDEN))
    shape = graph.constant(np.array([-1, _HEADS, _HIDDEN // _HEADS], np.int64))
    for _ in range(_LAYERS):
        states = _layer(graph, states, relative, shape)
    first = graph.op("Gather", states, graph.constant(np.array(0, np.int64)), axis=1)
    graph.save(path, graph.linear(graph.gelu(graph.linear(first, _HIDDEN, _HIDDEN)), _HIDDEN, 2))


def _layer(graph: _Graph, states: str, relative: str, shape: str) -> str:
    def heads(values: str) -> str:
        return graph.op("Transpose", graph.op("Reshape", values, shape), perm=[1, 0, 2])

    def across(left: str, right: str) -> str:
        return graph.op("MatMul", left, graph.op("Transpose", right, perm=[0, 2, 1]))

    def project() -> tuple[str, str]:
        weight, bias = graph.weight(_HIDDEN, _HIDDEN), graph.weight(_HIDDEN)
        own = graph.op("Add", graph.op("MatMul", states, weight), bias)
        places = graph.op("Add", graph.op("MatMul", relative, weight), bias)
        return heads(own), heads(places)

    query, query_places = project()
    key, key_places = project()
    to_place = graph.op("GatherElements", across(query, key_places), "places", axis=2)
    from_place = graph.op("GatherElements", across(key, query_places), "places", axis=2)
    summed = graph.op("Add", across(query, key), to_place)
    summed = graph.op("Add", summed, graph.op("Transpose", from_place, perm=[0, 2, 1]))
    scale = graph.constant(np.array([1.0 / math.sqrt(3 * _HIDDEN // _HEADS)], np.float32))
    weights = graph.op("Softmax", graph.op("Mul", summed, scale), axis=-1)
    mixed = graph.op("MatMul", weights, heads(graph.linear(states, _HIDDEN, _HIDDEN)))
    joined = graph.op(
        "Reshape", graph.op("Transpose", mixed, perm=[1, 0, 2]), graph.constant(np.array([1, -1, _HIDDEN], np.int64))
    )
    attended = graph.norm(graph.op("Add", graph.linear(joined, _HIDDEN, _HIDDEN), states))
    inner = graph.gelu(graph.linear(attended, _HIDDEN, _INNER))
    return graph.norm(graph.op("Add", graph.linear(inner, _INNER, _HIDDEN), attended))


def places(tokens: int) -> NDArray[np.int64]:
    """Return the bucket [heads, T, T] of every relative position: exact up to half the span, logarithmic beyond."""
    offset = np.arange(tokens)[:, None] - np.arange(tokens)[None, :]
    near = _SPAN // 2
    far = np.maximum(np.abs(offset), 1)
    steps = np.ceil(np.log(far / near) / math.log((_FARTHEST - 1) / near) * (near - 1)) + near
    buckets = np.where(np.abs(offset) <= near, offset, (steps * np.sign(offset)).astype(np.int64))
    clipped = np.clip(buckets + _SPAN, 0, 2 * _SPAN - 1).astype(np.int64)
    return np.broadcast_to(clipped, (_HEADS, tokens, tokens)).copy()


class Deberta:
    """The scanner's model, ready to be timed; a context manager that removes its file of weights."""

    def __init__(self, threads: int) -> None:
        """Write the graph and load it on ``threads`` threads. Raises ``ModuleNotFoundError`` without onnx."""
        with runtime_telemetry_off():
            import onnxruntime as ort

        self._folder = tempfile.TemporaryDirectory()
        path = Path(self._folder.name) / "model.onnx"
        write_graph(path)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def seconds(self, tokens: int) -> float:
        """Wall seconds of one run on a text of ``tokens`` tokens, cut at ``LONGEST``."""
        shown = min(tokens, LONGEST)
        feed = {"ids": np.arange(shown, dtype=np.int64)[None] % _WORDS, "places": places(shown)}
        start = time.perf_counter()
        self._session.run(None, feed)
        return time.perf_counter() - start

    def __enter__(self) -> Self:
        """Return the loaded model."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the weights."""
        del self._session
        self._folder.cleanup()
