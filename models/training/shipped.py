"""A shipped model as the start of a training run: its int8 weights widened to float32.

What a model has learnt need not be learnt again, and the float32 weights of earlier runs are kept by nobody. The CUDA
graph holds every weight under its name in the network, as float32 or as integers with a scale.
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
from models.training.quantize import CUDA_GRAPH

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_TRANSPOSED = (".qkv.weight", ".out.weight", ".up.weight", ".down.weight", "overall.weight")
"""Matrices the graph keeps as [in, out], the network as [out, in]."""


def widened(folder: Path) -> dict[str, Any]:
    """Read the model in ``folder`` as what ``train`` stores: ``model`` (name to tensor) and ``legs``.

    Raises ``FileNotFoundError`` where the folder has no such model.
    """
    path = folder / CUDA_GRAPH
    if not path.is_file():
        msg = f"{path} is missing: --start takes a model.pt or the folder of a model made by this recipe"
        raise FileNotFoundError(msg)
    graph = onnx.load(path).graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "DequantizeLinear":
            integers, scale, zero = (stored[name] for name in node.input)
            stored[node.output[0]] = (integers.astype(np.float32) - zero.astype(np.float32)) * scale
    config = EncoderConfig()
    weights = {name: _tensor(name, stored, config) for name in GuardModel(config).state_dict()}
    manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    return {"model": weights, "legs": [{"the weights of": f"{manifest.name} {manifest.version}"}]}


def _tensor(name: str, stored: dict[str, Any], config: EncoderConfig) -> Tensor:
    part, _, kind = name.partition(".")
    if part in {"attend", "value"}:
        joined = stored["heads.weight"].T if kind == "weight" else stored["heads.bias"]
        found = joined[: config.labels] if part == "attend" else joined[config.labels :]
    else:
        found = stored[name].T if name.endswith(_TRANSPOSED) else stored[name]
    return torch.from_numpy(np.array(found, np.float32, order="C"))
