"""One ONNX Runtime session behind a small interface; the only module that imports the runtime."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from guardsdk.engine.ending import inside
from guardsdk.errors import ModelError
from guardsdk.settings import runtime_telemetry_off

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    Feed = Mapping[str, NDArray[Any]]
    """Inputs of a graph by name; it uses those it declares."""

Kind = Literal["cpu", "cuda"]
PROVIDER_NAMES: dict[Kind, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
STATES = "states"
"""The output of the lower half of a split model, and the input of the upper half: [B, T, H]."""
EARLY_LOGITS = "early_logits"
"""The logits of the lower half, [B, L], for an upper half that uses them."""
SLOWER_ON_CPU = ("SkipLayerNormFusion",)
"""Graph optimisations that are slower on CPU: the runtime's fused layer norm over a sum takes three times as long as
the separate operators."""
_WAIT_US = "500"
"""Longest active wait of a thread, in microseconds: longer than the gap between operators. Older runtimes ignore it."""
_Cast = type[np.int32] | None
_INTEGERS: dict[str, _Cast] = {"tensor(int64)": None, "tensor(int32)": np.int32}
_FLOAT32 = "tensor(float)"
_MASK = "attention_mask"
_INPUTS: dict[str, dict[str, _Cast]] = {
    "input_ids": _INTEGERS,
    _MASK: _INTEGERS,
    "token_type_ids": _INTEGERS,
    STATES: {_FLOAT32: None},
    EARLY_LOGITS: {_FLOAT32: None},
}
"""Every input that the engine provides, and the types it can be cast to."""


@dataclass(slots=True)
class Outputs:
    """The outputs of one run for B rows of T tokens and L labels, all float32."""

    logits: NDArray[np.float32]
    """[B, L]"""
    attention: NDArray[np.float32] | None = None
    """[B, L, T]: how much each token counts for a label, summing to 1; ``None`` if the graph has no such output."""
    embedding: NDArray[np.float32] | None = None
    """[B, H], unit length; ``None`` if the graph has no such output."""
    states: NDArray[np.float32] | None = None
    """[B, T, H]: what the upper half of a split model continues from; ``None`` except for a lower half."""
    early: bool = False
    """Whether the lower layers alone answered, for every row."""


def tokens_fed(ids: NDArray[np.int64], mask: NDArray[np.int64], kinds: NDArray[np.int64]) -> Feed:
    """Return token ids, attention mask and token types, each [B, T], under the usual input names of graphs."""
    return {"input_ids": ids, _MASK: mask, "token_type_ids": kinds}


class Session(Protocol):
    """A loaded graph."""

    def run(self, feed: Feed) -> Outputs:
        """Run the graph on ``feed``. Any exception means that the run failed."""


class Runtime(Protocol):
    """Opens graphs."""

    def offered(self) -> Sequence[str]:
        """Return the names of the execution providers this installation was built with."""

    def open(self, path: Path, kind: Kind, threads: int) -> Session:
        """Load the graph at ``path`` on a device. Any exception means that it cannot be used there."""


class OnnxRuntime:
    """The real runtime."""

    def offered(self) -> Sequence[str]:
        """Return the names of the execution providers this installation was built with."""
        names: list[str] = runtime().get_available_providers()
        return names

    def open(self, path: Path, kind: Kind, threads: int) -> Session:
        """Load the graph at ``path``. Raises ``ModelError`` if it cannot be loaded there or has another shape."""
        return OnnxSession(path, kind, threads)


class OnnxSession:
    """An ONNX Runtime session on exactly one kind of device. Thread-safe."""

    def __init__(self, path: Path, kind: Kind, threads: int) -> None:
        """Load and optimise the graph at ``path``; ``threads`` is how many CPU threads one run may use."""
        onnxruntime = runtime()
        if kind == "cuda" and importlib.util.find_spec("nvidia") is not None:
            onnxruntime.preload_dlls()  # a CUDA installed as Python packages is not on the loader's path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        # Threads spin while waiting for the next operator of a run, but not for the next run, nor long for the first
        # one: they would start to spin when the session opens, which would double its CPU time.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry("session.intra_op.spin_duration_us", _WAIT_US)
        try:
            self._session = inside(
                lambda: onnxruntime.InferenceSession(
                    str(path),
                    options,
                    providers=[PROVIDER_NAMES[kind]],
                    disabled_optimizers=SLOWER_ON_CPU if kind == "cpu" else None,
                )
            )
        except Exception as error:  # the runtime's errors share no base class
            msg = f"model file {path} cannot be loaded on {PROVIDER_NAMES[kind]}: {first_line(error)}"
            raise ModelError(msg) from error
        if self._session.get_providers()[0] != PROVIDER_NAMES[kind]:  # the runtime falls back to CPU silently
            msg = f"{PROVIDER_NAMES[kind]} did not start"
            raise ModelError(msg)
        self._inputs = self._declared_inputs(path)
        self._outputs = self._declared_outputs(path)
        self._masked = any(name == _MASK for name, _ in self._inputs)
        """Whether the graph distinguishes padding from tokens; one made for single rows need not."""
        self._narrow = any(item.type != _FLOAT32 for item in self._session.get_outputs())
        """Whether a graph, such as a half-precision one for a GPU, has outputs other than float32."""

    def run(self, feed: Feed) -> Outputs:
        """Run the graph on ``feed``; row by row without padding if it takes no mask."""
        if not self._masked and len(feed[_MASK]) > 1 and not feed[_MASK].all():
            return _stacked([self.run(row) for row in _rows(feed)], feed[_MASK].shape[1])
        inputs = {name: feed[name] if cast is None else feed[name].astype(cast) for name, cast in self._inputs}
        values = inside(lambda: self._session.run(self._outputs, inputs))
        if self._narrow:
            values = [value.astype(np.float32) for value in values]
        return Outputs(**dict(zip(self._outputs, values, strict=True)))

    def _declared_inputs(self, path: Path) -> list[tuple[str, _Cast]]:
        declared: list[tuple[str, _Cast]] = []
        for item in self._session.get_inputs():
            types = _INPUTS.get(item.name, {})
            if item.type not in types:
                msg = f"model file {path} wants an input {item.name!r} of {item.type}, which the engine does not have"
                raise ModelError(msg)
            declared.append((item.name, types[item.type]))
        return declared

    def _declared_outputs(self, path: Path) -> list[str]:
        """Return the outputs to request, under their names in ``Outputs``."""
        declared = [item.name for item in self._session.get_outputs()]
        if "logits" not in declared:
            msg = f"model file {path} has no output 'logits', only {', '.join(declared)}"
            raise ModelError(msg)
        return ["logits", *(name for name in ("attention", "embedding", STATES) if name in declared)]


def _rows(feed: Feed) -> Iterator[Feed]:
    """Yield every row of ``feed`` separately, without its padding."""
    for row, length in enumerate(feed[_MASK].sum(axis=1).tolist()):
        yield {
            name: value[row : row + 1] if name == EARLY_LOGITS else value[row : row + 1, :length]
            for name, value in feed.items()
        }


def _stacked(rows: Sequence[Outputs], tokens: int) -> Outputs:
    """Return the outputs of single rows as those of rows padded to ``tokens``, with 0 on padding."""

    def joined(name: str, axis: int | None = None) -> NDArray[np.float32] | None:
        parts = [getattr(row, name) for row in rows]
        if parts[0] is None:
            return None
        if axis is not None:
            room = [[(0, tokens - part.shape[axis] if at == axis else 0) for at in range(part.ndim)] for part in parts]
            parts = list(map(np.pad, parts, room))
        return np.concatenate(parts)

    logits = np.concatenate([row.logits for row in rows])
    return Outputs(logits, joined("attention", 2), joined("embedding"), joined("states", 1))


def runtime() -> ModuleType:
    """Return ONNX Runtime with its telemetry disabled; imported on demand, not with the package."""
    with runtime_telemetry_off():
        import onnxruntime  # noqa: PLC0415  not with the package
    # If the host imported it first, the variable came too late; this stops most of what would still be sent.
    onnxruntime.disable_telemetry_events()
    module: ModuleType = onnxruntime
    return module


def first_line(error: Exception) -> str:
    """Return class and first line of an error of the runtime, cut to 200 characters."""
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0][:200]}"
