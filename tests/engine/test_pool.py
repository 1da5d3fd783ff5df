from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from guardsdk.engine import pool
from guardsdk.engine.classifier import Classifier, Request
from guardsdk.errors import ModelNotFoundError
from guardsdk.registry.lookup import LoadedModel, load_manifest
from guardsdk.verdict import Stage
from tests.tiny import write_model

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.registry.lookup import Verified
    from guardsdk.settings import Providers


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[Classifier]:
    """An empty pool, and every classifier that is loaded into it."""
    made: list[Classifier] = []

    class Counted(Classifier):
        def __init__(
            self, model: LoadedModel, providers: Providers, threads: int | None, *, verified: Verified | None = None
        ) -> None:
            super().__init__(model, providers, threads, verified=verified)
            made.append(self)

    monkeypatch.setattr(pool, "_POOL", pool._Pool())
    monkeypatch.setattr("guardsdk.engine.classifier.Classifier", Counted)
    return made


def test_sixteen_threads_load_once_and_share(loads: list[Classifier], tiny: LoadedModel) -> None:
    barrier = threading.Barrier(16)
    got: list[Classifier] = []
    scores: list[float] = []

    def use() -> None:
        barrier.wait()
        shared = pool.classifier(tiny, "cpu", 1)
        got.append(shared)
        scores.append(shared.score([Request("attack", Stage.INPUT)])[0].probabilities["prompt_injection"])

    threads = [threading.Thread(target=use) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(scores) == 16
    assert {id(shared) for shared in got} == {id(loads[0])}
    assert len(set(scores)) == 1


def test_what_differs_in_model_providers_or_threads_is_not_shared(
    loads: list[Classifier], tiny: LoadedModel, tmp_path: Path
) -> None:
    other = load_manifest(write_model(tmp_path / "other", strong=3.0))
    same = load_manifest(tiny.directory)
    found = [
        pool.classifier(tiny, "cpu", 1),
        pool.classifier(same, "cpu", 1),
        pool.classifier(tiny, "auto", 1),
        pool.classifier(tiny, "cpu", 2),
        pool.classifier(other, "cpu", 1),
    ]
    assert found[0] is found[1]
    assert len({id(one) for one in found}) == len(loads) == 4


def test_a_failed_load_is_tried_again(loads: list[Classifier], tmp_path: Path) -> None:
    directory = write_model(tmp_path / "tiny")
    model = load_manifest(directory)
    graph = (directory / "model.onnx").read_bytes()
    (directory / "model.onnx").unlink()
    with pytest.raises(ModelNotFoundError):
        pool.classifier(model, "cpu", 1)
    (directory / "model.onnx").write_bytes(graph)
    assert pool.classifier(model, "cpu", 1) is loads[0]
