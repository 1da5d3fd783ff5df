from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.providers import Plan, plan
from guardsdk.engine.runner import COOL_DOWN_S, Runner
from guardsdk.errors import ModelError
from guardsdk.verdict import Stage
from tests.engine.failing import BreakingRuntime

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.engine.session import Kind, Session
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.settings import Providers

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
ATTACK = [Request("please attack", Stage.INPUT)]


@pytest.mark.parametrize(
    ("requested", "offered", "graphs", "expected"),
    [
        ("cpu", [CUDA, CPU], ["cpu", "cuda"], Plan("cpu", may_fall_back=False, reason=None)),
        ("auto", [CUDA, CPU], ["cpu", "cuda"], Plan("cuda", may_fall_back=True, reason=None)),
        ("cuda", [CUDA, CPU], ["cpu", "cuda"], Plan("cuda", may_fall_back=False, reason=None)),
        (
            "auto",
            [CPU],
            ["cpu", "cuda"],
            Plan("cpu", may_fall_back=False, reason=f"the installed onnxruntime offers no {CUDA}"),
        ),
        ("auto", [CUDA, CPU], ["cpu"], Plan("cpu", may_fall_back=False, reason="the model has no graph for cuda")),
    ],
)
def test_the_plan(requested: Providers, offered: list[str], graphs: list[str], expected: Plan) -> None:
    assert plan(requested, offered, graphs) == expected


@pytest.mark.parametrize(
    ("offered", "graphs", "why"),
    [([CPU], ["cpu", "cuda"], "offers no CUDA"), ([CUDA, CPU], ["cpu"], "no graph for cuda")],
)
def test_cuda_that_was_asked_for_and_is_missing_is_an_error(offered: list[str], graphs: list[str], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        plan("cuda", offered, graphs)


def test_auto_uses_a_gpu_that_passes_its_probe(tiny: LoadedModel) -> None:
    runtime = BreakingRuntime(good_runs=100)
    classifier = Classifier(tiny, "auto", 1, runtime=runtime)
    assert classifier.provider == (CUDA, None)
    assert runtime.opened == [("model_cuda.onnx", "cuda")]


@pytest.mark.parametrize("silently", [False, True])
def test_auto_leaves_a_gpu_that_fails_its_probe_and_says_why(tiny: LoadedModel, *, silently: bool) -> None:
    classifier = Classifier(tiny, "auto", 1, runtime=BreakingRuntime(good_runs=0, silently=silently))
    provider, reason = classifier.provider
    assert provider == CPU
    assert reason is not None
    assert f"{CUDA} did not pass its probe run" in reason
    assert "\n" not in reason
    assert classifier.score(ATTACK)[0].probabilities["prompt_injection"] > 0.9


def test_a_requested_gpu_that_fails_its_probe_is_an_error(tiny: LoadedModel) -> None:
    with pytest.raises(ModelError, match="illegal memory access"):
        Classifier(tiny, "cuda", 1, runtime=BreakingRuntime(good_runs=0))


@pytest.mark.parametrize("requested", ["auto", "cuda"])
@pytest.mark.parametrize("silently", [False, True])
def test_a_gpu_that_breaks_later_is_replaced_and_no_text_is_lost(
    tiny: LoadedModel, requested: Providers, *, silently: bool
) -> None:
    runtime = BreakingRuntime(good_runs=2, silently=silently)
    classifier = Classifier(tiny, requested, 1, runtime=runtime)
    assert classifier.score(ATTACK)[0].probabilities["prompt_injection"] > 0.9
    assert classifier.provider[0] == CUDA
    texts = [Request("filler " * count + word, Stage.INPUT) for word in ("attack", "please") for count in (1, 30, 90)]
    reference = Classifier(tiny, "cpu", 1).score(texts)
    found = classifier.score(texts)
    assert [scores.probabilities for scores in found] == [scores.probabilities for scores in reference]
    assert all(scores.coverage == 1.0 for scores in found)
    provider, reason = classifier.provider
    assert provider == CPU
    assert reason is not None
    assert f"{CUDA} failed during a run" in reason
    assert runtime.opened == [("model_cuda.onnx", "cuda"), ("model.onnx", "cpu")]


def test_many_threads_that_see_the_failure_open_one_replacement(tiny: LoadedModel) -> None:
    runtime = BreakingRuntime(good_runs=1)
    classifier = Classifier(tiny, "auto", 1, runtime=runtime)
    barrier = threading.Barrier(8)
    found: list[float] = []

    def check() -> None:
        barrier.wait()
        found.append(classifier.score(ATTACK)[0].probabilities["prompt_injection"])

    threads = [threading.Thread(target=check) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert min(found) > 0.9
    assert [kind for _, kind in runtime.opened] == ["cuda", "cpu"]


def test_without_any_working_device_the_error_is_a_model_error(tiny: LoadedModel) -> None:
    with pytest.raises(ModelError, match="no memory"):
        Classifier(tiny, "auto", 1, runtime=BreakingRuntime(good_runs=0, cpu_opens=False))
    classifier = Classifier(tiny, "auto", 1, runtime=BreakingRuntime(good_runs=1, cpu_opens=False))
    with pytest.raises(ModelError, match="no memory"):
        classifier.score(ATTACK)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def runs_on(runner: Runner) -> str:
    row = np.ones((1, 8), dtype=np.int64)
    assert runner.run(row, row, np.zeros_like(row)).logits.shape == (1, 2)
    return runner.active.kind


def test_a_gpu_is_tried_again_after_a_cool_down_that_grows_with_every_failure(tiny: LoadedModel) -> None:
    clock, runtime = Clock(), BreakingRuntime(good_runs=2)
    runtime.good_runs_later = [0, 2, 100]
    runner = Runner(tiny, "auto", 1, runtime, clock)
    assert [runs_on(runner), runs_on(runner)] == ["cuda", "cpu"]
    assert "failed during a run" in (runner.active.reason or "")
    clock.now += COOL_DOWN_S - 1
    assert runs_on(runner) == "cpu"
    clock.now += 1  # the first new session fails its probe run
    assert runs_on(runner) == "cpu"
    clock.now += COOL_DOWN_S
    assert runs_on(runner) == "cpu"
    clock.now += COOL_DOWN_S  # twice as long as before; the second works for one run
    assert runs_on(runner) == "cuda"
    assert runner.active.reason is None
    assert runs_on(runner) == "cpu"
    clock.now += 4 * COOL_DOWN_S - 1
    assert runs_on(runner) == "cpu"
    clock.now += 1
    assert [runs_on(runner) for _ in range(5)] == ["cuda"] * 5
    assert [kind for _, kind in runtime.opened] == ["cuda", "cpu", "cuda", "cuda", "cpu", "cuda"]


def test_while_one_caller_tries_the_gpu_again_the_others_go_on_with_the_cpu(tiny: LoadedModel) -> None:
    clock, runtime = Clock(), BreakingRuntime(good_runs=1)
    runtime.good_runs_later = [100]
    runner = Runner(tiny, "auto", 1, runtime, clock)
    assert runs_on(runner) == "cpu"
    clock.now += COOL_DOWN_S
    opening, goes_on = threading.Event(), threading.Event()
    plain = runtime.open

    def slow(path: Path, kind: Kind, threads: int) -> Session:
        opening.set()
        assert goes_on.wait(60)
        return plain(path, kind, threads)

    runtime.open = slow  # type: ignore[method-assign]
    first = threading.Thread(target=runs_on, args=(runner,))
    first.start()
    assert opening.wait(60)
    assert [runs_on(runner) for _ in range(3)] == ["cpu"] * 3
    goes_on.set()
    first.join()
    assert runs_on(runner) == "cuda"


def test_a_cpu_that_was_asked_for_is_never_left(tiny: LoadedModel) -> None:
    clock, runtime = Clock(), BreakingRuntime(good_runs=100)
    runner = Runner(tiny, "cpu", 1, runtime, clock)
    clock.now += 10 * COOL_DOWN_S
    assert runs_on(runner) == "cpu"
    assert [kind for _, kind in runtime.opened] == ["cpu"]
