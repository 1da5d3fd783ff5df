"""Weights that a graph keeps apart are found, compared and part of the digest, whatever their files are called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import onnx
import pytest
from onnx import external_data_helper

from guardsdk.engine.classifier import Classifier, Request
from guardsdk.errors import ChecksumMismatchError, ModelError, ModelNotFoundError
from guardsdk.registry.external import external_files
from guardsdk.registry.lookup import load_manifest, verify_files
from guardsdk.registry.manifest import file_entry
from guardsdk.verdict import Stage
from tests.tiny import write_export, write_model

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = {"id2label": {"0": "prompt_injection", "1": "toxicity"}, "problem_type": "multi_label_classification"}


def put_apart(graph: Path, *names: str) -> None:
    """Move the largest tensors of ``graph`` to files of these names, one each; a name alone is written down."""
    model = onnx.load(graph)
    tensors = sorted(model.graph.initializer, key=lambda one: len(one.raw_data), reverse=True)
    for tensor, name in zip(tensors, names, strict=False):
        if ".." not in name and not name.startswith("/"):
            (graph.parent / name).write_bytes(tensor.raw_data)
        external_data_helper.set_external_data(tensor, name, offset=0, length=len(tensor.raw_data))
        tensor.ClearField("raw_data")
    onnx.save(model, graph)


@pytest.mark.parametrize("name", ["model.onnx_data", "model.onnx_data_1", "onnx__MatMul_12", "w" * 150])
def test_weights_apart_are_part_of_what_is_compared(tmp_path: Path, name: str) -> None:
    directory = write_export(tmp_path / "theirs", CONFIG)
    put_apart(directory / "model.onnx", name)
    model = load_manifest(directory)
    assert set(model.manifest.files) == {"model.onnx", "tokenizer.json", name}
    (score,) = Classifier(model, "cpu", 1).score([Request("please attack", Stage.INPUT)])
    assert score.probabilities["prompt_injection"] > 0.9

    weights = directory / name
    weights.write_bytes(bytes(len(weights.read_bytes())))
    with pytest.raises(ChecksumMismatchError):
        verify_files(model)
    assert load_manifest(directory).ref.digest != model.ref.digest
    weights.unlink()
    with pytest.raises(ModelNotFoundError, match=name):
        load_manifest(directory)


def test_names_are_those_below_the_folder_of_the_model(tmp_path: Path) -> None:
    directory = write_export(tmp_path / "theirs", CONFIG)
    (directory / "onnx").mkdir()
    (directory / "model.onnx").rename(directory / "onnx" / "model.onnx")
    put_apart(directory / "onnx" / "model.onnx", "weights.bin")
    assert external_files(directory, "onnx/model.onnx") == ["onnx/weights.bin"]
    assert "onnx/weights.bin" in load_manifest(directory).manifest.files


@pytest.mark.parametrize("name", ["../weights.bin", "/etc/hostname", "a/../../weights.bin"])
def test_a_graph_that_opens_a_file_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    directory = write_export(tmp_path / "theirs", CONFIG)
    put_apart(directory / "model.onnx", name)
    with pytest.raises(ModelError, match="not in its folder"):
        load_manifest(directory)


def test_a_manifest_has_to_name_what_its_graph_opens(tmp_path: Path) -> None:
    directory = write_model(tmp_path / "tiny")
    graph = directory / "model.onnx"
    put_apart(graph, "aside.bin")
    path = directory / "manifest.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["files"]["model.onnx"] = json.loads(file_entry(graph).model_dump_json())
    path.write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(ChecksumMismatchError, match=r"opens aside\.bin"):
        verify_files(load_manifest(directory))
    described["files"]["aside.bin"] = json.loads(file_entry(directory / "aside.bin").model_dump_json())
    path.write_text(json.dumps(described), encoding="utf-8")
    verify_files(load_manifest(directory))


def test_an_empty_file_opens_nothing(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    assert external_files(tmp_path, "model.onnx") == []
