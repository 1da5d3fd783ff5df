"""A run beside others takes one thread, on a session of its own, and answers what a run on many threads does."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from guardsdk.engine import classifier as classifier_module
from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.runner import Runner
from guardsdk.engine.session import OnnxRuntime
from guardsdk.registry.lookup import load_manifest
from guardsdk.verdict import Stage
from tests.engine.test_turns import wait_until
from tests.tiny import write_early

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.engine.session import Kind, Outputs, Session
    from guardsdk.registry.lookup import LoadedModel

PATIENCE_S = 60


class Counting(OnnxRuntime):
    """Notes the threads of what it opens, and opens no session of one thread where it ``refuses``."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.threads: list[int] = []
        self._refuses = refuses

    def open(self, path: Path, kind: Kind, threads: int) -> Session:
        self.threads.append(threads)
        if self._refuses and threads == 1:
            raise MemoryError
        return super().open(path, kind, threads)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_early(tmp_path_factory.mktemp("early") / "tiny")


@pytest.fixture(scope="module")
def model(directory: Path) -> LoadedModel:
    return load_manifest(directory)


def run(runner: Runner, tokens: int, *, one_thread: bool, seed: int = 0) -> Outputs:
    ids = np.random.default_rng(seed).integers(7, 30, (1, tokens))
    return runner.run(ids, np.ones_like(ids), np.zeros_like(ids), one_thread=one_thread)


def assert_equal(found: Outputs, due: Outputs) -> None:
    for field in fields(due):
        assert np.array_equal(getattr(found, field.name), getattr(due, field.name)), field.name


@pytest.mark.parametrize("tokens", [1, 4, 13, 40, 131, 253])
def test_the_shipped_model_answers_to_the_bit_whatever_the_threads(model_directory: Path, tokens: int) -> None:
    runner = Runner(load_manifest(model_directory), "cpu", 2, OnnxRuntime())
    ids = np.random.default_rng(tokens).integers(1000, 20_000, (1, tokens))
    many, one = (runner.run(ids, np.ones_like(ids), np.zeros_like(ids), one_thread=choice) for choice in (False, True))
    assert_equal(one, many)


def test_the_session_of_one_thread_is_opened_when_it_is_first_needed_and_once(model: LoadedModel) -> None:
    runtime = Counting()
    runner = Runner(model, "cpu", 2, runtime)
    due = run(runner, 9, one_thread=False)
    assert runtime.threads == [2, 2]
    for _ in range(2):
        assert_equal(run(runner, 9, one_thread=True), due)
    assert runtime.threads == [2, 2, 1, 1]
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: run(runner, 9, one_thread=True), range(32)):
            assert_equal(found, due)
    assert runtime.threads == [2, 2, 1, 1]


def test_nobody_waits_for_whoever_opens_it(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Counting()
    runner = Runner(model, "cpu", 2, runtime)
    opening, goes_on = threading.Event(), threading.Event()
    plain = runtime.open

    def slow(path: Path, kind: Kind, threads: int) -> Session:
        opening.set()
        assert goes_on.wait(PATIENCE_S)
        return plain(path, kind, threads)

    monkeypatch.setattr(runtime, "open", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(run, runner, 9, one_thread=True)
        try:
            assert opening.wait(PATIENCE_S)
            beside = run(runner, 9, one_thread=True)
            assert not first.done()
        finally:
            goes_on.set()
        assert_equal(first.result(PATIENCE_S), beside)


def test_checks_do_without_where_it_cannot_be_opened(model: LoadedModel) -> None:
    runtime = Counting(refuses=True)
    runner = Runner(model, "cpu", 2, runtime)
    due = run(runner, 9, one_thread=False)
    for _ in range(2):
        assert_equal(run(runner, 9, one_thread=True), due)
    assert runtime.threads == [2, 2, 1]  # tried once


def test_files_that_changed_since_the_start_are_not_opened(directory: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(directory, tmp_path / "tiny")
    runtime = Counting()
    runner = Runner(load_manifest(copied), "cpu", 2, runtime)
    due = run(runner, 9, one_thread=False)
    (copied / "model_early.onnx").write_bytes((copied / "model_late.onnx").read_bytes())
    assert_equal(run(runner, 9, one_thread=True), due)
    assert runtime.threads == [2, 2]


def test_callers_who_line_up_run_on_one_thread_and_a_lone_one_does_not(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier_module, "usable_cores", lambda: 2)
    runtime = Counting()
    made = Classifier(model, "cpu", 2, runtime=runtime)
    texts = [Request("filler " * at + "attack", Stage.INPUT) for at in range(24)]
    due = [made.score([one])[0].probabilities for one in texts]
    assert runtime.threads == [2, 2]
    held, goes_on = threading.Event(), threading.Event()
    plain = Runner.run
    seen: list[bool] = []

    def slow(runner: Runner, *rows: Any, one_thread: bool) -> Outputs:
        seen.append(one_thread)
        held.set()
        assert goes_on.wait(PATIENCE_S)
        return plain(runner, *rows, one_thread=one_thread)

    monkeypatch.setattr(Runner, "run", slow)
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(made.score, [texts[0]])]
        assert held.wait(PATIENCE_S)
        futures += [pool.submit(made.score, [one]) for one in texts[1:]]
        wait_until(made._loaded().turns, 15)
        goes_on.set()
        assert [future.result(PATIENCE_S)[0].probabilities for future in futures] == due
    assert seen[:16] == [False, *[True] * 15]
    assert runtime.threads == [2, 2, 1, 1]
