from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from guardsdk.errors import ChecksumMismatchError, ModelError, ModelNotFoundError
from guardsdk.registry import lookup
from guardsdk.registry.lookup import find_model, load_manifest, verify_files
from guardsdk.settings import Settings
from guardsdk.verdict import Stage
from tests.tiny import write_manifest, write_model

if TYPE_CHECKING:
    from pathlib import Path


def test_the_explicit_directory_wins_over_the_settings(directory: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other")
    assert find_model(directory, Settings(model=other)) == directory
    assert find_model(str(directory), Settings()) == directory
    assert find_model(None, Settings(model=other)) == other


def test_a_directory_asked_for_is_never_replaced_by_another(directory: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(ModelNotFoundError, match="missing"):
        find_model(missing, Settings(model=directory))
    with pytest.raises(ModelNotFoundError, match="GUARDSDK_MODEL"):
        find_model(None, Settings(model=missing))


def test_a_directory_without_a_model_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"neither manifest\.json nor config\.json") as caught:
        find_model(tmp_path, Settings())
    assert isinstance(caught.value, ModelError)


def test_the_packaged_model_comes_first_and_its_absence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "guardsdk"
    monkeypatch.setattr(lookup, "_PACKAGE", package)
    with pytest.raises(ModelNotFoundError, match="pass a model directory"):
        find_model(None, Settings())
    checkout = write_model(tmp_path / "site" / "models" / "guard-minilm-l6")
    assert find_model(None, Settings()) == checkout
    packaged = write_model(package / "_models" / "guard-minilm-l6")
    assert find_model(None, Settings()) == packaged


def test_reading_gives_name_version_and_a_digest_of_the_contents(directory: Path, tmp_path: Path) -> None:
    model = load_manifest(directory)
    assert (model.ref.name, model.ref.version, model.activation) == ("tiny", "1.0.0", "sigmoid")
    assert len(model.ref.digest) == 64
    same = load_manifest(write_model(tmp_path / "same"))
    assert same.ref.digest == model.ref.digest
    write_manifest(directory, overlap_tokens=5)
    assert load_manifest(directory).ref.digest != model.ref.digest


def test_a_manifest_from_before_there_were_context_stages_reads_it_on_output_and_keeps_its_digest(
    directory: Path,
) -> None:
    before = load_manifest(directory)
    assert before.manifest.paired == {Stage.OUTPUT}
    digests = [before.ref.digest]
    for stages in (["output"], ["input", "output"], []):
        write_manifest(directory, context_stages=stages)
        made = load_manifest(directory)
        assert made.manifest.paired == set(stages)
        digests.append(made.ref.digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    # By the fields of the day, as a release from before there was this one read it.
    known = before.manifest.model_dump_json(exclude={"context_stages", "aimed", "gloss_margins", "passages"})
    files = "".join(f"{name}\0{one.size}\0{one.sha256}\n" for name, one in sorted(before.manifest.files.items()))
    assert digests[0] == hashlib.sha256(f"{files}{known}".encode()).hexdigest()


def test_a_model_without_room_for_a_context_reads_none(directory: Path) -> None:
    write_manifest(directory, context_tokens=0, context_stages=["input", "output"])
    assert load_manifest(directory).manifest.paired == frozenset()


def test_a_document_is_never_read_beside_a_context(directory: Path) -> None:
    write_manifest(directory, context_stages=["tool"])
    with pytest.raises(ModelError, match="must not name tool"):
        load_manifest(directory)


def test_a_sound_directory_passes(directory: Path) -> None:
    model = load_manifest(directory)
    verify_files(model)
    assert set(model.manifest.files) == {"model.onnx", "tokenizer.json"}


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_one_changed_byte_is_refused(directory: Path, name: str) -> None:
    content = bytearray((directory / name).read_bytes())
    content[len(content) // 2] ^= 1
    (directory / name).write_bytes(content)
    with pytest.raises(ChecksumMismatchError, match=rf"{name} has sha256 [0-9a-f]{{64}}.*refused"):
        verify_files(load_manifest(directory))


def test_a_truncated_file_is_refused_by_its_size(directory: Path) -> None:
    path = directory / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ChecksumMismatchError, match=r"model\.onnx has \d+ bytes"):
        verify_files(load_manifest(directory))


def test_a_missing_file_is_named(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"tokenizer\.json is missing"):
        verify_files(load_manifest(directory))


NOT_A_NUMBER = {
    "name": "toxicity",
    "definition": "A threshold nothing is above.",
    "stages": {
        "input": {
            "calibration": {"slope": 1.0, "intercept": 0.0},
            "threshold": 0.5,
            "thresholds_by_fpr": {"0.001": float("nan")},
        }
    },
}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"overlap_tokens": -1}, r"overlap_tokens: "),
        ({"surprise": 1}, r"surprise: "),
        ({"labels": []}, r"labels: "),
        ({"graphs": {}}, r"graphs must name a file"),
        ({"schema_version": 2}, r"schema_version: "),
        ({"overlap_tokens": 20}, r"overlap_tokens \(20\)"),
        ({"gloss_margins": {"input": {"refusal": 1.0}}}, r"gloss_margins\.input must name labels .* 'refusal' is none"),
        (
            {"passages": {"characters": 40, "margins": {"output": {"prompt_injection": 1.0}}}},
            r"passages\.margins\.output must name labels .* 'prompt_injection' is non",
        ),
        ({"passages": {"characters": 39, "margins": {}}}, r"passages\.characters: "),
        ({"gloss_margins": {"input": {"toxicity": -1.0}}}, r"gloss_margins\.input\.toxicity: "),
        ({"labels": [NOT_A_NUMBER]}, r"thresholds_by_fpr\.0\.001: "),
    ],
)
def test_an_unusable_manifest_names_file_and_key(directory: Path, changes: dict[str, object], named: str) -> None:
    write_manifest(directory, **changes)
    with pytest.raises(ModelError, match=rf"manifest\.json: .*{named}"):
        load_manifest(directory)


def test_a_manifest_that_is_no_json_names_the_file(directory: Path) -> None:
    (directory / "manifest.json").write_bytes(b"\xff{")
    with pytest.raises(ModelError, match=r"manifest\.json: Invalid JSON"):
        load_manifest(directory)


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx"])
def test_a_manifest_cannot_reach_outside_its_directory(directory: Path, name: str) -> None:
    content = write_manifest(directory)
    files = {**content["files"], name: content["files"]["model.onnx"]}
    write_manifest(directory, files=files)
    with pytest.raises(ModelError, match="must lie inside"):
        load_manifest(directory)
