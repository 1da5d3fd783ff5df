"""Sequence classifiers exported by other tools in the usual layout, described from their ``config.json``.

The layout is ``config.json`` with ``id2label``, ``tokenizer.json``, and ``model.onnx`` with an output ``logits``. The
calibration of such a model is unknown, so its probabilities are used as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict, Field, ValidationError

from guardsdk.errors import ModelError, ModelNotFoundError, first_problem
from guardsdk.frozen import Frozen
from guardsdk.registry.external import external_files
from guardsdk.registry.manifest import CONFIG_FILE, Calibration, Label, LabelStage, Manifest, file_entry
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from pathlib import Path

_GRAPHS = ("model.onnx", "onnx/model.onnx")
_TOKENIZER = "tokenizer.json"
_LONGEST_WINDOW = 512
"""Tokens; longer windows cost more than they gain, and few classifiers were trained on them."""


class _Config(Frozen):
    """The keys of ``config.json`` that are used; a real one has dozens more."""

    model_config = ConfigDict(extra="ignore")

    id2label: dict[int, str] = Field(min_length=1)
    problem_type: str | None = None
    max_position_embeddings: int | None = None
    pad_token_id: int | None = None
    model_type: str = "unknown"


def describe(directory: Path) -> tuple[Manifest, Literal["sigmoid", "softmax"]]:
    """Create a manifest for the exported model in ``directory``.

    Every label gets the identity calibration, the threshold 0.5 and all stages; the model is given no context. A
    sigmoid is applied for ``problem_type`` ``multi_label_classification`` or a single label, else a softmax. Reads
    every file once for its checksum. Raises ``ModelNotFoundError`` for a missing file and ``ModelError`` that names the
    invalid key of ``config.json``.
    """
    config = _read_config(directory)
    graph = next((name for name in _GRAPHS if (directory / name).is_file()), None)
    if graph is None or not (directory / _TOKENIZER).is_file():
        missing = _GRAPHS[0] if graph is None else _TOKENIZER
        msg = f"model file {missing} is missing from {directory}"
        raise ModelNotFoundError(msg)
    weights = external_files(directory, graph)
    if absent := [name for name in weights if not (directory / name).is_file()]:
        msg = f"model file {absent[0]}, which {graph} opens, is missing from {directory}"
        raise ModelNotFoundError(msg)
    names = _label_names(config, directory)
    as_given = LabelStage(calibration=Calibration(slope=1.0, intercept=0.0), threshold=0.5)
    # RoBERTa-style models number positions from the padding id on, which shortens the longest input.
    reserved = (config.pad_token_id or 0) + 1 if "roberta" in config.model_type else 0
    positions = (config.max_position_embeddings or _LONGEST_WINDOW) - reserved
    max_tokens = min(_LONGEST_WINDOW, positions)
    try:
        manifest = Manifest(
            name=re.sub(r"[^a-z0-9]+", "-", f"local-{directory.resolve().name}".lower()).strip("-"),
            version="0",
            created="unknown",
            base_model=config.model_type,
            licence="unknown",
            graphs={"cpu": graph, "cuda": graph},
            files={name: file_entry(directory / name) for name in (graph, _TOKENIZER, *weights)},
            labels=tuple(
                Label(name=name, definition=text, stages=dict.fromkeys(Stage, as_given)) for name, text in names
            ),
            max_tokens=max_tokens,
            overlap_tokens=max_tokens // 5,
            context_tokens=0,
        )
    except ValidationError as error:
        msg = f"{directory / CONFIG_FILE}: describes a model that cannot be used: {first_problem(error)}"
        raise ModelError(msg) from None
    multi = config.problem_type == "multi_label_classification" or len(names) == 1
    return manifest, "sigmoid" if multi else "softmax"


def _read_config(directory: Path) -> _Config:
    path = directory / CONFIG_FILE
    try:
        return _Config.model_validate_json(path.read_bytes())
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ModelError(msg) from error
    except ValidationError as error:
        msg = f"{path}: {first_problem(error)}"
        raise ModelError(msg) from None


def _label_names(config: _Config, directory: Path) -> list[tuple[str, str]]:
    """Return identifier and original spelling of every label, in the order of the logit columns."""
    if sorted(config.id2label) != list(range(len(config.id2label))):
        msg = f"{directory / CONFIG_FILE}: id2label: must number the labels from 0 without a gap"
        raise ModelError(msg)
    names: list[tuple[str, str]] = []
    for _, text in sorted(config.id2label.items()):
        name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
        names.append((name if name[:1].isalpha() else f"label_{name}", text))
    if len({name for name, _ in names}) != len(names):
        msg = f"{directory / CONFIG_FILE}: id2label: labels must differ in their letters and digits"
        raise ModelError(msg)
    return names
