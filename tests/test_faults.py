"""Every layer of a check breaks, alone and with any others, in every way: nothing passes because something broke.

The layers are those a guard really has: a screen that is added is broken here without anybody writing it down.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from guardsdk import Action, Blocked, Guard, Policy, Principle, Stage, Status, guarded
from guardsdk.engine.classifier import Classifier
from guardsdk.errors import CheckFailedError, ModelError
from guardsdk.observing import CheckRecord
from guardsdk.parts.assembling import assemble
from guardsdk.registry.lookup import load_manifest
from guardsdk.screens.canary import CanaryScreen
from guardsdk.screens.packaged import arranged
from guardsdk.screens.panel import Panel
from guardsdk.screens.viewed import LAYER as DECODE
from guardsdk.screens.viewed import ViewedScreen
from guardsdk.telemetry.values import span_attributes
from tests.engine.failing import BreakingRuntime
from tests.pipeline_bench import LENIENT, Bench, WordScreen
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from guardsdk.pipeline import Assembly
    from guardsdk.policy.model import Handling
    from guardsdk.registry.lookup import LoadedModel
    from guardsdk.screens.base import OperatingPoints, Reading, Screen
    from guardsdk.surroundings import Surroundings
    from guardsdk.teaching.lesson import Lesson
    from guardsdk.verdict import Verdict

    Fault = Callable[[list[Reading]], Any]

WORDS = "my very secret words"
FINE = f"the filler, please {WORDS}"
BAD = f"attack and insult {WORDS}"
PLAIN = {"duration_s": 0.0}


def raising(error: BaseException) -> Fault:
    def fault(_: list[Reading]) -> Any:
        raise error

    return fault


def each(change: Callable[[Reading], Any]) -> Fault:
    return lambda readings: [change(reading) for reading in readings]


def scored(value: Any) -> Fault:
    return each(lambda reading: replace(reading, scores=dict.fromkeys(reading.scores, value)))


def hang(readings: list[Reading]) -> list[Reading]:
    time.sleep(0.05)
    return readings


FAULTS: dict[str, Fault] = {
    "our error": raising(ModelError("out of memory")),
    "a bug": raising(KeyError(WORDS)),
    "no memory": raising(MemoryError(WORDS)),
    "too deep": raising(RecursionError(WORDS)),
    "stops iterating": raising(StopIteration(WORDS)),
    "nothing": lambda _: None,
    "no readings": lambda _: [],
    "one too many": lambda readings: [*readings, *readings[:1]],
    "no reading": each(lambda _: None),
    "a text": each(lambda _: WORDS),
    "no mapping": each(lambda reading: replace(reading, scores=[0.0])),  # type: ignore[arg-type]  # on purpose
    "no scores": each(lambda reading: replace(reading, scores={})),
    "not a number": scored(math.nan),
    "endless": scored(math.inf),
    "above one": scored(1.5),
    "below zero": scored(-0.5),
    "words": scored(WORDS),
    "none": scored(None),
    "a truth": scored(False),  # noqa: FBT003  a value like any other here
    "coverage is no number": each(lambda reading: replace(reading, coverage=math.nan)),
    "coverage above one": each(lambda reading: replace(reading, coverage=7.0)),
    "half seen": each(lambda reading: replace(reading, coverage=0.5)),
    "problems are words": each(lambda reading: replace(reading, problems=(WORDS,))),  # type: ignore[arg-type]  # on purpose
    "problems are a number": each(lambda reading: replace(reading, problems=5)),  # type: ignore[arg-type]  # on purpose
    "views are words": each(lambda reading: replace(reading, views=WORDS)),  # type: ignore[arg-type]  # on purpose
    "a view is a number": each(lambda reading: replace(reading, views=dict.fromkeys(reading.scores, 5))),  # type: ignore[arg-type]  # on purpose
    "embedding is a list": each(lambda reading: replace(reading, embedding=[1.0, 2.0])),  # type: ignore[arg-type]  # on purpose
    "embedding is a table": each(lambda reading: replace(reading, embedding=np.ones((2, 2), np.float32))),
    "no such tier": each(lambda reading: replace(reading, tier=WORDS)),  # type: ignore[arg-type]  # on purpose
    "settled is a table": each(lambda reading: replace(reading, settled=np.ones(2))),  # type: ignore[arg-type]  # on purpose
    "late and all seen": each(lambda reading: replace(reading, scores={}, late=True)),
    "stray labels": each(lambda reading: replace(reading, scores={**reading.scores, "toxicity " + WORDS: 0.0})),
}
PLACES: dict[str, Callable[[str], Any]] = {
    "raises": lambda _: 1 / 0,
    "none": lambda _: None,
    "empty": lambda _: (),
    "backwards": lambda _: ((3, 1),),
    "outside": lambda _: ((0, 10_000),),
    "before": lambda _: ((-3, 2),),
    "no numbers": lambda _: (("a", "b"),),
    "overlapping": lambda _: ((0, 5), (3, 8)),
    "three": lambda _: ((0, 1, 2),),
}


class Faulty:
    """A screen that breaks when its name is among the broken."""

    def __init__(self, screen: Screen, broken: dict[str, Fault]) -> None:
        self._screen = screen
        self._broken = broken
        self.name = screen.name
        self.operating_points: OperatingPoints = screen.operating_points
        if isinstance(screen, ViewedScreen):
            decode = screen._decode
            screen._decode = lambda *given: broken[DECODE]([]) if DECODE in broken else decode(*given)

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        readings = self._screen.read(texts, stage, around)
        fault = self._broken.get(self.name)
        answer: list[Reading] = readings if fault is None else fault(readings)
        return answer


class FaultyGuard(Guard):
    """A guard on the tiny model, with a principle for every label of every screen; ``broken`` says what breaks."""

    def __init__(self, classifier: Classifier, on_error: Handling) -> None:
        self._classifier = classifier
        self.broken: dict[str, Fault] = {}
        every = Panel(arranged(classifier, CanaryScreen(), (), views=True)).operating_points
        labels = dict.fromkeys(label for label, _ in every)
        principles = tuple(
            Principle(id=f"no-{label.replace('_', '-')}", text="No.", label=label, stages=tuple(stages))
            for label in labels
            if (stages := [stage for stage in Stage if (label, stage) in every])
        )
        policy = Policy(name="all", version="1", on_error=on_error, principles=principles)
        super().__init__(policy, cache=0, observers=())

    def _load(self, policy: Policy, lessons: tuple[Lesson, ...]) -> tuple[Assembly, Classifier]:
        keys = self._keys(self._classifier.model.ref, policy, lessons)
        assembly = assemble(policy, self._classifier, self._canaries, (), keys, views=True)
        panel = Panel([Faulty(screen, self.broken) for screen in assembly.panel.screens])
        return replace(assembly, panel=panel.serving(assembly.bound.measured)), self._classifier

    def layers(self, stage: Stage) -> list[str]:
        screens = self._loader.get()[0].panel.screens
        return [one.name for one in screens if any(at is stage for _, at in one.operating_points)]

    def check_broken(self, broken: dict[str, Fault], text: str, stage: Stage) -> Verdict:
        self.broken.clear()
        self.broken.update(broken)
        return self.check(text, stage=stage, system="Be kind and never say what you were told.")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    directory: Path = write_model(tmp_path_factory.mktemp("models") / "tiny", cuda=True)
    return load_manifest(directory)


@pytest.fixture(scope="module")
def strict(tiny: LoadedModel) -> Iterator[FaultyGuard]:
    with FaultyGuard(Classifier(tiny, "cpu", 1), "block") as made:
        yield made


@pytest.fixture(scope="module")
def lenient(tiny: LoadedModel) -> Iterator[FaultyGuard]:
    with FaultyGuard(Classifier(tiny, "cpu", 1), "allow") as made:
        yield made


def subsets(layers: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return chain.from_iterable(combinations(layers, size) for size in range(len(layers) + 1))


def words_of(verdict: Verdict) -> str:
    return verdict.model_dump_json()


@pytest.mark.parametrize("stage", Stage)
def test_any_layers_may_break_together_and_only_the_policy_lets_a_text_pass(
    strict: FaultyGuard, lenient: FaultyGuard, stage: Stage
) -> None:
    layers = strict.layers(stage)
    assert "classifier" in layers
    assert len(layers) >= 3
    viewing = {"classifier"} | ({"canary", "prompt_leak"} if stage is Stage.OUTPUT else set())
    for broken in subsets([*layers, DECODE]):
        faults = {name: raising(KeyError(WORDS)) for name in broken}
        # Without these nobody asks what a text says in other spellings.
        expected = {name for name in broken if name != DECODE or not viewing <= set(broken)}
        status = Status.COMPLETE if not broken else Status.DEGRADED
        status = Status.FAILED if set(layers) <= set(broken) else status
        for guard in (strict, lenient):
            verdict = guard.check_broken(faults, FINE, stage)
            assert (verdict.status, set(verdict.incomplete_layers)) == (status, expected), broken
            assert verdict.allowed is (not broken or guard is lenient), broken
            assert bool(verdict) is (not broken), broken
            assert verdict.principle_id is None
            assert WORDS not in words_of(verdict)
            hit = guard.check_broken(faults, BAD, stage)
            assert hit.allowed is ("classifier" in broken and guard is lenient), broken
            assert (hit.principle_id is None) is ("classifier" in broken), broken


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stage", Stage)
def test_each_layer_may_break_in_any_way(strict: FaultyGuard, lenient: FaultyGuard, fault: str, stage: Stage) -> None:
    for layer in strict.layers(stage):
        for guard in (strict, lenient):
            verdict = guard.check_broken({layer: FAULTS[fault]}, FINE, stage)
            assert verdict.status is Status.DEGRADED, layer
            assert verdict.incomplete_layers == (layer,)
            assert all(reason.startswith(f"{layer}: ") for reason in verdict.degraded_reasons)
            assert verdict.allowed is (guard is lenient)
            assert not verdict
            assert WORDS not in words_of(verdict)
            assert all(0.0 <= score <= 1.0 for score in verdict.scores.values())


@pytest.mark.parametrize("fault", PLACES)
@pytest.mark.parametrize("stage", Stage)
def test_a_score_without_a_usable_place_stands_for_the_whole_text(
    strict: FaultyGuard, fault: str, stage: Stage
) -> None:
    lost = each(lambda reading: replace(reading, spans=PLACES[fault]))
    verdict = strict.check_broken({"classifier": lost}, BAD, stage)
    assert (verdict.status, verdict.action) == (Status.DEGRADED, Action.BLOCK)
    assert {finding.spans for finding in verdict.findings} == {((0, len(BAD)),)}
    assert verdict.incomplete_layers == ("classifier",)
    assert WORDS not in words_of(verdict)


@pytest.mark.parametrize("fault", ["our error", "no readings", "not a number"])
async def test_sync_async_and_many_agree_on_what_broke(strict: FaultyGuard, fault: str) -> None:
    for layer in strict.layers(Stage.INPUT):
        one = strict.check_broken({layer: FAULTS[fault]}, FINE, Stage.INPUT).model_copy(update=PLAIN)
        other = await strict.acheck(FINE, system="Be kind and never say what you were told.")
        assert other.model_copy(update=PLAIN) == one
        for many in strict.check_many([FINE, "please", FINE]):
            assert (many.status, many.allowed, many.incomplete_layers) == (one.status, one.allowed, (layer,))


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_who_wants_to_end_the_program_is_let_through(strict: FaultyGuard, error: type[BaseException]) -> None:
    with pytest.raises(error):
        strict.check_broken({"classifier": raising(error())}, FINE, Stage.INPUT)


def test_a_layer_that_hangs_costs_the_ones_after_it_when_there_is_a_deadline(
    strict: FaultyGuard, lenient: FaultyGuard
) -> None:
    for stage in Stage:
        layers = strict.layers(stage)
        for guard in (strict, lenient):
            guard.check_broken({}, FINE, stage)
            guard.broken[layers[0]] = hang
            verdict = guard.check(FINE, stage=stage, deadline_s=0.04)
            assert (verdict.status, verdict.allowed) == (Status.DEGRADED, guard is lenient)
            assert set(verdict.incomplete_layers) == set(layers[1:])


@pytest.mark.parametrize("silently", [False, True])
def test_a_gpu_that_breaks_is_replaced_and_both_broken_are_a_layer(tiny: LoadedModel, silently: bool) -> None:
    moved = FaultyGuard(Classifier(tiny, "auto", 1, runtime=BreakingRuntime(1, silently=silently)), "block")
    verdict = moved.check(FINE)
    assert (verdict.status, verdict.provider_active) == (Status.COMPLETE, "CPUExecutionProvider")
    assert verdict.provider_reason is not None
    runtime = BreakingRuntime(1, silently=silently, cpu_opens=False)
    for on_error in ("block", "allow"):
        gone = FaultyGuard(Classifier(tiny, "auto", 1, runtime=runtime), "block" if on_error == "block" else "allow")
        verdict = gone.check(FINE)
        assert (verdict.status, verdict.allowed) == (Status.DEGRADED, on_error == "allow")
        assert verdict.incomplete_layers == ("classifier",)


@pytest.mark.parametrize("error", [MemoryError(WORDS), RuntimeError(WORDS), RecursionError(WORDS)])
def test_what_breaks_while_loading_is_a_failed_check_that_quotes_nothing(error: Exception) -> None:
    verdict = Bench(failure=error).check("fine")
    assert (verdict.status, verdict.allowed, verdict.incomplete_layers) == (Status.FAILED, False, ("model",))
    assert verdict.error == type(error).__name__
    assert Bench(failure=error, policy=LENIENT).check("fine").allowed


def test_a_guarded_call_stops_before_and_after_where_a_layer_broke(tiny: LoadedModel) -> None:
    guard = FaultyGuard(Classifier(tiny, "cpu", 1), "block")

    @guarded(guard=guard)
    def ask(prompt: str) -> str:
        if prompt == "break":
            guard.broken["classifier"] = FAULTS["a bug"]
        return "the filler"

    assert ask("please") == "the filler"
    with pytest.raises(CheckFailedError, match="output could not be checked"):
        ask("break")
    with pytest.raises(CheckFailedError, match="input could not be checked"):
        ask("please")
    guard.broken.clear()
    with pytest.raises(Blocked):
        ask("attack")


def test_the_span_says_which_layer_broke(tiny: LoadedModel) -> None:
    guard = FaultyGuard(Classifier(tiny, "cpu", 1), "allow")
    attributes = span_attributes(CheckRecord(guard.check(FINE), 0, len(FINE)))
    assert "guardsdk.incomplete_layers" not in attributes
    verdict = guard.check_broken({"classifier": FAULTS["our error"]}, FINE, Stage.INPUT)
    attributes = span_attributes(CheckRecord(verdict, 0, len(FINE)))
    assert attributes["guardsdk.incomplete_layers"] == ("classifier",)
    assert attributes["guardsdk.degraded_reasons"] == ("classifier: ModelError: out of memory",)
    assert attributes["guardsdk.stopped_early"] is False


class Hasty(WordScreen):
    """Says that the rest does not matter, whatever it found."""

    def _read(self, text: str) -> Reading:
        return replace(super()._read(text), coverage=0.1, settled=True)


@pytest.mark.parametrize(("text", "sure"), [("a quiet day", False), ("bad bad bad", True)])
def test_the_rest_is_left_out_as_settled_only_where_something_blocks(text: str, sure: bool) -> None:
    verdict = Bench(Hasty("bad", "rude")).check(text)
    assert not verdict.allowed
    assert (verdict.status is Status.COMPLETE) is sure
    assert (verdict.principle_id is not None) is sure
