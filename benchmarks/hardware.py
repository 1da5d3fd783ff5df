"""What the machine is, its peak int8 throughput, and how much work one check needs."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from guardsdk.settings import runtime_telemetry_off

if TYPE_CHECKING:
    from collections.abc import Iterable

_PRODUCTS = ("MatMul", "Gemm", "Attention")
_SMALLEST_WEIGHT = 8
"""Matrices with a side below this are the heads' last columns: too little work to count."""
_PEAK_SHAPES = ((256, 384, 1536), (512, 1024, 1024), (1024, 2048, 1024))
"""Rows, inner dimension and columns of the products tried; the fastest is the peak."""
_PEAK_ROUNDS = 200
"""Repetitions of each, some two seconds: a neighbour on the same CPU may take half of it for a moment."""


def machine() -> dict[str, Any]:
    """Processor, usable cores, system and the versions that matter for speed."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    known = dict(_field(line) for line in lines if ":" in line)
    flags = set(known.get("flags", "").split())
    return {
        "processor": known.get("model name") or platform.processor() or platform.machine(),
        "int8_instructions": sorted(flags & {"avx2", "avx512bw", "avx512_vnni", "avx_vnni", "amx_int8"}),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("onnxruntime", "tokenizers", "numpy", "pydantic")},
    }


def _field(line: str) -> tuple[str, str]:
    name, value = line.split(":", 1)
    return name.strip(), value.strip()


@dataclass(frozen=True, slots=True)
class Work:
    """Multiply-adds of one forward pass."""

    per_token: int
    """Products with weights."""
    attention: int
    """Sum of the hidden sizes of the attention layers; each costs ``2 * tokens * tokens`` times its own size."""

    def multiply_adds(self, tokens: int) -> int:
        """Multiply-adds for a window of ``tokens``."""
        return tokens * self.per_token + 2 * tokens * tokens * self.attention


def work(graph: Path) -> Work:
    """Count the weight matrices that matrix products read; embedding tables are looked up, not multiplied.

    Raises ``ModuleNotFoundError`` where ``onnx``, which the package itself never needs, is not installed.
    """
    import onnx

    loaded = onnx.load(str(graph), load_external_data=False).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in loaded.initializer}
    makers = {name: node for node in loaded.node for name in node.output}
    per_token = attention = 0
    for node in loaded.node:
        if not any(product in node.op_type for product in _PRODUCTS):
            continue
        found = _matrices(shapes.get(name, ()) for name in node.input)
        per_token += sum(rows * columns for rows, columns in found)
        if "Attention" in node.op_type:
            while not found:  # given query, key and value: what they are made of is as wide
                node = makers[node.input[0]]  # noqa: PLW2901  up to the product that made them
                found = _matrices(shapes.get(name, ()) for name in node.input)
            attention += found[0][0]
    return Work(per_token, attention)


def _matrices(shapes: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    matrix_rank = 2
    return [shape for shape in shapes if len(shape) == matrix_rank and min(shape) >= _SMALLEST_WEIGHT]


def int8_peak(threads: int) -> float:
    """Fastest int8 matrix product the runtime reaches here, in operations (two per multiply-add) a second.

    Uses ``MatMulInteger`` (uint8 times int8, the types of the model's own products) on ``threads`` threads.
    Raises ``ModuleNotFoundError`` where ``onnx`` is not installed.
    """
    import onnx

    with runtime_telemetry_off():
        import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    best = 0.0
    generator = np.random.default_rng(0)
    for rows, inner, columns in _PEAK_SHAPES:
        weight = generator.integers(-64, 64, (inner, columns), dtype=np.int8)
        made = onnx.helper.make_model(
            onnx.helper.make_graph(
                [onnx.helper.make_node("MatMulInteger", ["a", "b"], ["y"])],
                "peak",
                [onnx.helper.make_tensor_value_info("a", onnx.TensorProto.UINT8, [rows, inner])],
                [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.INT32, [rows, columns])],
                [onnx.numpy_helper.from_array(weight, "b")],
            ),
            opset_imports=[onnx.helper.make_opsetid("", 17)],
            ir_version=9,
        )
        session = ort.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
        feed = {"a": generator.integers(0, 128, (rows, inner), dtype=np.uint8)}
        clock = time.thread_time if threads == 1 else time.perf_counter
        for _ in range(_PEAK_ROUNDS):
            start = clock()
            session.run(None, feed)
            best = max(best, 2 * rows * inner * columns / (clock() - start))
    return best
