"""Quantize step: int8 weights for CPU, the same int8 weights for a CUDA graph, and the measurements behind the choice.

Dynamic int8 quantizes activations at run time; CUDA has no kernels for it. So two graphs share one weight file: the CPU
graph multiplies integers, the CUDA graph dequantizes the same integers to float32 when it is loaded.
"""

from __future__ import annotations

import json
import logging
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import IO, TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from tqdm import tqdm

from guardsdk.engine.cores import usable_cores
from guardsdk.engine.session import OnnxSession, tokens_fed
from models.training.dataset import Prepared, held_out_batches
from models.training.export import EARLY, LATE, PADDED, WHOLE, export_traced, from_checkpoint
from models.training.network import OVERALL, PRODUCT
from models.training.rows import LABELS, STAGES, STAGES_OF

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from guardsdk.engine.session import Feed

CUDA_GRAPH, WEIGHTS = "model_cuda.onnx", "weights.bin"
CPU_GRAPHS = (WHOLE, EARLY, LATE)
_SMALL_HEADS = [f"{which}.{name}_MatMul" for which in ("late", "early") for name in (PRODUCT, OVERALL)]
"""Nodes left in float32: they hold a few thousand weights, and the decisions depend on them."""
_INLINE = 1024
"""Tensors of fewer bytes stay inside the graph file."""
_ALIGNMENT = 64
_SAMPLE = 1000
_FALSE_POSITIVES = 0.01


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to quantize and what it did on held-out text."""

    fused: bool
    """Whether the graph is of fused operators, or as torch traces it."""
    per_channel: bool
    reduce_range: bool
    agreement: float = 0.0
    """Share of decisions equal to float32's, each label at the threshold of 1 % false positives in float32."""
    largest_difference: float = 0.0
    """Largest change of a logit."""
    relative_time: float = 0.0
    """Median over runs of the time relative to float32, both timed in alternation."""
    size: int = 0
    """Bytes of the graph with its weights."""

    @property
    def name(self) -> str:
        """Return the name of the variant in reports."""
        graph = "fused" if self.fused else "traced"
        channel = "per-channel" if self.per_channel else "per-tensor"
        return f"{graph}, {channel}, {'7' if self.reduce_range else '8'}-bit weights"

    @property
    def file_name(self) -> str:
        """Return the name of its graph file."""
        return self.name.replace(", ", "_").replace(" ", "-") + ".onnx"


def quantize(out: Path, prepared: Prepared) -> Path:
    """Quantize ``out/float/model.onnx`` in several ways, measure, and write the chosen one to ``out/model``.

    7-bit weights (``reduce_range``) cannot overflow the 16-bit sums of CPUs without VNNI instructions, so they decide
    alike on every CPU; they are chosen unless they cost more than half a percentage point of agreement. The
    measurements go to ``out/quantize.json``.
    """
    full = out / "float" / WHOLE
    feeds, labels, stages = _sample(prepared)
    reference = _logits(_session(full), feeds)
    thresholds, asked = _thresholds(reference, labels, stages)

    def agreement(logits: NDArray[np.float32]) -> float:
        return float(((logits >= thresholds) == (reference >= thresholds))[asked].mean())

    traced = out / "float" / "traced.onnx"
    export_traced(from_checkpoint(out / "model.pt"), traced)
    variants = []
    ways = [*product((True,), (False, True), (False, True)), (False, True, True)]
    for fused, per_channel, reduce_range in tqdm(ways, desc="quantize", unit="graph"):
        variant = Variant(fused, per_channel, reduce_range)
        path = out / "variants" / variant.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(variant, full if fused else traced, path)
        found = _logits(_session(path), feeds)
        variants.append(
            replace(
                variant,
                agreement=agreement(found),
                largest_difference=float(np.abs(found - reference)[asked].max()),
                relative_time=_relative_time(path, full, feeds),
                size=path.stat().st_size,
            )
        )
    chosen = choose(variants)
    model = out / "model"
    model.mkdir(parents=True, exist_ok=True)
    parts = [out / "variants" / name for name in CPU_GRAPHS]
    for part in parts:
        _write(chosen, full.with_name(part.name), part)
    share_weights(parts, full.with_name(PADDED), model)
    shared = _logits(_session(model / CUDA_GRAPH), feeds)
    report = {
        "variants": [asdict(variant) | {"name": variant.name} for variant in variants],
        "chosen": chosen.name,
        "widened_agreement": agreement(shared),
        "decisions": int(asked.sum()),
    }
    (out / "quantize.json").write_text(json.dumps(report, indent=1) + "\n")
    return model


def _write(variant: Variant, full: Path, path: Path) -> None:
    """Quantize the graph ``full`` to ``path`` in the way of ``variant``."""
    with _warnings_off():  # the quantizer advises a pre-processing that fused graphs lack
        quantize_dynamic(
            full,
            path,
            per_channel=variant.per_channel,
            reduce_range=variant.reduce_range,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_SMALL_HEADS,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )


@contextmanager
def _warnings_off() -> Iterator[None]:
    """Silence log messages below errors; the quantizer logs to the root logger, which has no other switch."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(before)


def choose(variants: Sequence[Variant]) -> Variant:
    """Return the fused variant with 7-bit weights that agrees best.

    Where the best fused variant agrees by more than half a percentage point better, that one is returned.
    """
    fused = [one for one in variants if one.fused]
    best = max(fused, key=lambda one: one.agreement)
    safe = max((one for one in fused if one.reduce_range), key=lambda one: one.agreement)
    return safe if safe.agreement >= best.agreement - 0.005 else best


def _session(path: Path) -> OnnxSession:
    return OnnxSession(path, "cpu", usable_cores())


def _sample(prepared: Prepared) -> tuple[list[Feed], NDArray[np.int8], NDArray[np.int8]]:
    """Return feeds of one held-out row each, as the engine runs them, with their labels [N, L] and stages [N]."""
    feeds, labels, stages = [], [], []
    batches = list(held_out_batches(prepared, tokens=256))
    for at in np.random.default_rng(0).permutation(len(batches))[:_SAMPLE]:
        batch = batches[at]
        feeds.append(tokens_fed(batch.input_ids, batch.attention_mask, batch.token_type_ids))
        labels.append(batch.labels[0])
        stages.append(prepared.stage[batch.rows[0]])
    return feeds, np.stack(labels), np.array(stages)


def _logits(session: OnnxSession, feeds: Iterable[Feed]) -> NDArray[np.float32]:
    return np.concatenate([session.run(feed).logits for feed in feeds])


def _thresholds(
    logits: NDArray[np.float32], labels: NDArray[np.int8], stages: NDArray[np.int8]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return for each decision [N, L] the logit at 1 % false positives among the label's known negatives at that stage.

    The second array [N, L] marks the decisions that are made: labels that are read at the stage and have negatives
    there.
    """
    thresholds = np.zeros_like(logits)
    asked = np.zeros(logits.shape, bool)
    for column, name in enumerate(LABELS):
        for stage in STAGES_OF[name]:
            here = stages == STAGES.index(stage)
            negative = logits[here & (labels[:, column] == 0), column]
            if len(negative):
                thresholds[here, column] = np.quantile(negative, 1 - _FALSE_POSITIVES)
                asked[here, column] = True
    return thresholds, asked


def _relative_time(path: Path, full: Path, feeds: Sequence[Feed]) -> float:
    sessions = (_session(path), _session(full))
    times: tuple[list[float], list[float]] = ([], [])
    for feed in feeds[:80]:
        for session, taken in zip(sessions, times, strict=True):
            started = time.perf_counter()
            session.run(feed)
            taken.append(time.perf_counter() - started)
    return float(np.median(np.array(times[0]) / np.array(times[1])))


def share_weights(quantized: Sequence[Path], full: Path, folder: Path) -> None:
    """Write the graphs of ``quantized``, the whole one first, and a CUDA graph of ``full`` to ``folder``.

    All share one weight file. Every tensor of ``full`` that the first holds as integers becomes a ``DequantizeLinear``
    of those integers.
    """
    cpu, cuda = [onnx.load(path) for path in quantized], onnx.load(full)
    integers = {tensor.name: tensor for tensor in cpu[0].graph.initializer}
    kept, added = [], []
    for tensor in cuda.graph.initializer:
        stored = integers.get(f"{tensor.name}_quantized")
        if stored is None:
            kept.append(tensor)
            continue
        parts = [stored, integers[f"{tensor.name}_scale"], integers[f"{tensor.name}_zero_point"]]
        kept += parts
        axis = 1 if len(parts[1].dims) and parts[1].dims[0] > 1 else None
        added.append(helper.make_node("DequantizeLinear", [part.name for part in parts], [tensor.name], axis=axis))
    nodes = [*added, *cuda.graph.node]
    del cuda.graph.initializer[:], cuda.graph.node[:]
    cuda.graph.initializer.extend(kept)
    cuda.graph.node.extend(nodes)
    offsets: dict[str, tuple[int, int]] = {}
    with (folder / WEIGHTS).open("wb") as weights:
        for model in (*cpu, cuda):
            for tensor in model.graph.initializer:
                _move_out(tensor, weights, offsets)
    for path, model in zip(quantized, cpu, strict=True):
        onnx.save(model, folder / path.name)
    onnx.save(cuda, folder / CUDA_GRAPH)


def add_graph(proto: onnx.ModelProto, beside: Path, folder: Path, name: str) -> None:
    """Write ``proto`` to ``folder`` as ``name``, its weights appended to those of the model with the graph ``beside``.

    Tensors that both have by name are stored once and are not compared: ``proto`` must have the same values there.
    """
    stored = onnx.load(beside, load_external_data=False).graph.initializer
    known = {tensor.name: external_data_helper.ExternalDataInfo(tensor) for tensor in stored if tensor.external_data}
    offsets = {one: (int(info.offset or 0), int(info.length or 0)) for one, info in known.items()}
    with (folder / WEIGHTS).open("ab") as weights:
        for tensor in proto.graph.initializer:
            _move_out(tensor, weights, offsets)
    onnx.save(proto, folder / name)


def drop_graph(folder: Path, name: str) -> None:
    """Delete the graph ``name`` in ``folder``, if present, and the end of the weight file that no other graph uses."""
    (folder / name).unlink(missing_ok=True)
    ends = [
        int(info.offset or 0) + int(info.length or 0)
        for graph in folder.glob("*.onnx")
        for tensor in onnx.load(graph, load_external_data=False).graph.initializer
        if tensor.external_data and (info := external_data_helper.ExternalDataInfo(tensor))
    ]
    os.truncate(folder / WEIGHTS, max(ends, default=0))


def _move_out(tensor: onnx.TensorProto, weights: IO[bytes], offsets: dict[str, tuple[int, int]]) -> None:
    """Move the bytes of a large tensor to the shared file, once per name."""
    if not tensor.HasField("raw_data") or len(tensor.raw_data) < _INLINE:
        return
    if tensor.name not in offsets:
        place = weights.tell() + -weights.tell() % _ALIGNMENT
        weights.write(b"\0" * (place - weights.tell()) + tensor.raw_data)
        offsets[tensor.name] = (place, len(tensor.raw_data))
    place, length = offsets[tensor.name]
    external_data_helper.set_external_data(tensor, WEIGHTS, offset=place, length=length)
    tensor.ClearField("raw_data")
