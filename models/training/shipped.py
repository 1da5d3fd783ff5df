"""A shipped model as the start of a training run: its int8 weights dequantized to float32.

Starting from it saves learning everything again, and the float32 weights of earlier runs are not kept. The CUDA graph
holds every weight under its name in the network, as float32 or as integers with a scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from guardsdk.registry.lookup import MANIFEST_FILE
from guardsdk.registry.manifest import Manifest
from models.training.encoder import EncoderConfig, GuardModel
from models.training.export import EARLY
from models.training.network import tensor_name
from models.training.quantize import CUDA_GRAPH

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_TRANSPOSED = (".qkv.weight", ".out.weight", ".up.weight", ".down.weight")
"""Matrices the graph keeps as [in, out], the network as [out, in]."""


def widened(folder: Path) -> dict[str, Any]:
    """Return the model in ``folder`` in the form that ``train`` stores: ``model`` (name to tensor) and ``legs``.

    There is no ``config``. Raises ``FileNotFoundError`` where the folder has no such model.
    """
    path = folder / CUDA_GRAPH
    if not path.is_file():
        msg = f"{path} is missing: --start takes a model.pt or the folder of a model made by this recipe"
        raise FileNotFoundError(msg)
    stored = _tensors(path)
    if (early := folder / EARLY).is_file():
        stored = _tensors(early) | stored
    model = GuardModel(EncoderConfig())
    # Models from before there were early heads have none.
    absent = "" if tensor_name("early", "heads.weight") in stored else "early."
    weights = {
        name: _tensor(name, stored, model.config)
        for name in model.state_dict()
        if not absent or not name.startswith(absent)
    }
    manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    return {"model": weights, "legs": [{"the weights of": f"{manifest.name} {manifest.version}"}]}


def _tensors(path: Path) -> dict[str, Any]:
    """Return the tensors of a graph by name, those stored as integers dequantized."""
    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            integers, scale, zero = (stored[name] for name in node.input)
            stored[node.output[0]] = (integers.astype(np.float32) - zero.astype(np.float32)) * scale
    return stored


def _tensor(name: str, stored: dict[str, Any], config: EncoderConfig) -> Tensor:
    which, _, rest = name.partition(".")
    if which not in {"late", "early"}:
        found = stored[name].T if name.endswith(_TRANSPOSED) else stored[name]
    elif rest == "overall.weight":
        found = stored[tensor_name(which, rest)].T
    elif rest == "value.bias":
        found = stored[tensor_name(which, rest)]
    elif rest == "attend.bias":  # cancels in the softmax, so no graph has it
        found = np.zeros(config.labels)
    else:
        joined = stored[tensor_name(which, "heads.weight")].T
        found = joined[: config.labels] if rest == "attend.weight" else joined[config.labels :]
    return torch.from_numpy(np.array(found, np.float32, order="C"))
