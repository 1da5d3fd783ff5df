"""Model files that change after they were compared, and before they are opened, or long after: none is used."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard, Status
from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.session import OnnxRuntime, runtime
from guardsdk.errors import ChecksumMismatchError, ModelError
from guardsdk.parts.assembling import find_classifier
from guardsdk.registry.external import external_files
from guardsdk.registry.lookup import load_manifest, verify_files
from guardsdk.registry.manifest import file_entry
from guardsdk.settings import Settings
from guardsdk.verdict import Stage
from tests.engine.failing import BreakingRuntime
from tests.engine.test_providers import Clock
from tests.tiny import WEAK, write_graph, write_manifest, write_model

if TYPE_CHECKING:
    from types import ModuleType

    from guardsdk.engine.session import Kind, Session
    from guardsdk.registry.manifest import FileEntry

ATTACK = [Request("attack", Stage.INPUT)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_model(tmp_path / "tiny", cuda=True)


def blind(path: Path) -> None:
    """Put a graph in its place that fits in every way and finds nothing."""
    write_graph(path, strong=WEAK)


class Exchanging(OnnxRuntime):
    """Somebody exchanges a file just when it was compared and is about to be opened."""

    def open(self, path: Path, kind: Kind, threads: int) -> Session:
        blind(path)
        return super().open(path, kind, threads)


def test_a_file_exchanged_between_comparing_and_opening_is_refused(directory: Path) -> None:
    with pytest.raises(ChecksumMismatchError, match="changed while they were opened: the model is refused"):
        Classifier(load_manifest(directory), "cpu", 1, runtime=Exchanging())


def test_a_file_exchanged_while_the_runtime_is_imported_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow_import() -> ModuleType:
        blind(directory / "model.onnx")
        return runtime()

    monkeypatch.setattr("guardsdk.engine.session.runtime", slow_import)
    verdict = Guard(models=directory, observers=()).check("attack")
    assert (verdict.status, verdict.allowed) == (Status.FAILED, False)
    assert "ChecksumMismatchError" in (verdict.error or "")


def test_every_file_is_read_once_for_its_checksum_however_many_guards_there_are(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def noted(path: Path) -> FileEntry:
        if path.parent == directory:
            read.append(path.name)
        return file_entry(path)

    monkeypatch.setattr("guardsdk.registry.lookup.file_entry", noted)
    first, second = (find_classifier(directory, Settings(), "cpu", None) for _ in range(2))
    assert first is second
    assert sorted(read) == sorted(load_manifest(directory).manifest.files)


def test_a_link_that_is_turned_to_another_version_meanwhile_is_noticed(directory: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(directory)
    model = load_manifest(link)
    turned = tmp_path / "turned"
    turned.symlink_to(write_model(tmp_path / "next", cuda=True))
    with pytest.raises(ChecksumMismatchError, match="current were changed"), verify_files(model).unchanged():
        turned.replace(link)
    with verify_files(load_manifest(link)).unchanged():
        (link / "README.md").write_text("Of no consequence.")


def test_what_a_gpu_leaves_to_the_cpu_is_compared_again(directory: Path) -> None:
    classifier = Classifier(load_manifest(directory), "auto", 1, runtime=BreakingRuntime(good_runs=2))
    assert classifier.score(ATTACK)[0].probabilities["prompt_injection"] > 0.9
    blind(directory / "model.onnx")
    with pytest.raises(ChecksumMismatchError, match=r"model\.onnx has sha256"):
        classifier.score(ATTACK)


def test_what_a_gpu_is_tried_again_with_is_compared_again(directory: Path) -> None:
    clock, runtime = Clock(), BreakingRuntime(good_runs=1)
    classifier = Classifier(load_manifest(directory), "auto", 1, runtime=runtime)
    runner = classifier._loaded().runner
    runner._clock = clock
    assert classifier.score(ATTACK)[0].probabilities["prompt_injection"] > 0.9  # and the CPU took over
    blind(directory / "model_cuda.onnx")
    runtime.good_runs_later = [100]
    clock.now += 1000.0
    assert classifier.score(ATTACK)[0].probabilities["prompt_injection"] > 0.9
    assert classifier.provider[0] == "CPUExecutionProvider"


def test_a_folder_that_is_gone_fails_the_check_when_the_gpu_does(directory: Path) -> None:
    classifier = Classifier(load_manifest(directory), "auto", 1, runtime=BreakingRuntime(good_runs=1))
    directory.rename(directory.with_name("elsewhere"))
    with pytest.raises(ModelError, match="is missing from"):
        classifier.score(ATTACK)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", ["slope", "intercept", "reference_quantiles"])
def test_a_calibration_that_is_no_number_is_refused(directory: Path, key: str, wrong: float) -> None:
    content = write_manifest(directory)
    entry: dict[str, Any] = content["labels"][0]["stages"]["input"]
    if key == "reference_quantiles":
        entry[key] = [0.0, wrong]
    else:
        entry["calibration"] = {**entry["calibration"], key: wrong}
    (directory / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=rf"manifest\.json: labels\.0\.stages\.input\..*{key}"):
        load_manifest(directory)
    verdict = Guard(models=directory, observers=()).check("attack")
    assert (verdict.status, verdict.allowed) == (Status.FAILED, False)


def test_a_graph_that_is_emptied_while_it_is_looked_through_is_refused(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, opened = directory / "model.onnx", Path.open

    def emptied_first(path: Path, *given: Any, **named: Any) -> Any:
        if path == graph:
            os.truncate(graph, 0)
        return opened(path, *given, **named)

    monkeypatch.setattr(Path, "open", emptied_first)
    with pytest.raises(ChecksumMismatchError, match=r"model\.onnx was emptied while it was read"):
        external_files(directory, graph.name)
