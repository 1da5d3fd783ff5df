from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.errors import ModelError, ModelNotFoundError
from guardsdk.registry.lookup import load_manifest, verify_files
from guardsdk.verdict import Stage
from tests.tiny import write_export

if TYPE_CHECKING:
    from pathlib import Path

CONFIG: dict[str, Any] = {
    "id2label": {"0": "SAFE", "1": "Prompt Injection"},
    "model_type": "bert",
    "max_position_embeddings": 64,
    "architectures": ["BertForSequenceClassification"],
}


def test_an_export_is_described_from_its_config(tmp_path: Path) -> None:
    model = load_manifest(write_export(tmp_path / "My Model", CONFIG))
    manifest = model.manifest
    assert manifest.name == "local-my-model"
    assert [label.name for label in manifest.labels] == ["safe", "prompt_injection"]
    assert manifest.labels[1].definition == "Prompt Injection"
    assert set(manifest.labels[0].stages) == set(Stage)
    assert manifest.labels[0].stages[Stage.TOOL].threshold == 0.5
    assert (manifest.max_tokens, manifest.overlap_tokens, manifest.context_tokens) == (64, 12, 0)
    assert manifest.paired == frozenset()
    assert manifest.graphs == {"cpu": "model.onnx", "cuda": "model.onnx"}
    verify_files(model)


@pytest.mark.parametrize(
    ("changes", "activation"),
    [
        ({}, "softmax"),
        ({"problem_type": "single_label_classification"}, "softmax"),
        ({"problem_type": "multi_label_classification"}, "sigmoid"),
        ({"id2label": {"0": "toxic"}}, "sigmoid"),
    ],
)
def test_the_problem_type_says_how_logits_are_read(tmp_path: Path, changes: dict[str, Any], activation: str) -> None:
    assert load_manifest(write_export(tmp_path / "m", {**CONFIG, **changes})).activation == activation


def test_roberta_counts_positions_after_its_padding(tmp_path: Path) -> None:
    config = {**CONFIG, "model_type": "roberta", "pad_token_id": 1, "max_position_embeddings": 514}
    assert load_manifest(write_export(tmp_path / "m", config)).manifest.max_tokens == 512


def test_the_digest_follows_the_weights(tmp_path: Path) -> None:
    first = load_manifest(write_export(tmp_path / "a" / "m", CONFIG))
    same = load_manifest(write_export(tmp_path / "b" / "m", CONFIG))
    other = load_manifest(write_export(tmp_path / "c" / "m", CONFIG, strong=3.0))
    assert first.ref == same.ref
    assert first.ref.digest != other.ref.digest


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, r"id2label: "),
        ({"id2label": {}}, r"id2label: "),
        ({"id2label": {"0": "a", "2": "b"}}, r"id2label: must number"),
        ({"id2label": {"0": "A b", "1": "a-b"}}, r"id2label: labels must differ"),
        ({"id2label": {"0": "a"}, "max_position_embeddings": 4}, "cannot be used"),
    ],
)
def test_an_unusable_config_names_file_and_key(tmp_path: Path, config: dict[str, Any], named: str) -> None:
    with pytest.raises(ModelError, match=rf"config\.json: .*{named}"):
        load_manifest(write_export(tmp_path / "m", config))


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_an_incomplete_export_names_what_is_missing(tmp_path: Path, name: str) -> None:
    directory = write_export(tmp_path / "m", CONFIG)
    (directory / name).unlink()
    with pytest.raises(ModelNotFoundError, match=name):
        load_manifest(directory)


def test_the_digest_follows_how_the_logits_are_read(tmp_path: Path) -> None:
    as_one = load_manifest(write_export(tmp_path / "m", CONFIG))
    as_many = load_manifest(write_export(tmp_path / "m", {**CONFIG, "problem_type": "multi_label_classification"}))
    assert as_one.ref.digest != as_many.ref.digest
