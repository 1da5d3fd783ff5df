"""Time budgets: what was not scored in time is said, and never taken for harmless."""

from __future__ import annotations

import asyncio
import base64
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Action, Guard, Policy, Status, limits
from guardsdk.errors import InputError, InputTypeError
from guardsdk.limits import Limits
from guardsdk.policy import OnError
from guardsdk.screens.panel import Panel
from guardsdk.surroundings import NOWHERE
from guardsdk.verdict import Stage
from tests.pipeline_bench import LENIENT, POLICY, Bench, WordScreen
from tests.tiny import rambling, write_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from guardsdk.screens.base import Reading
    from guardsdk.surroundings import Surroundings

PATIENT = 3600.0


def test_a_long_text_has_an_end_to_its_time_where_nobody_gave_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_LONG", 10)
    monkeypatch.setattr(limits, "_DEFAULT_S", 1e-9)
    short, long = Bench().check("a day"), Bench().check("a day that is quiet")
    assert short.status is Status.COMPLETE
    assert long.status is not Status.COMPLETE
    assert not long.allowed
    assert Bench(deadline_s=math.inf).check("a day that is quiet")
    assert Bench(deadline_s=PATIENT).check("a day that is quiet")


class Clock:
    """A clock that goes on by one second whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    monkeypatch.setattr("guardsdk.limits.time.monotonic", ticking)
    return ticking


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


def slow_guard(tiny: Path, **options: Any) -> Guard:
    policy = Policy.from_toml(
        f"""
        name = "tiny"
        version = "1"
        on_error = "{options.pop("on_error", "block")}"
        [[principle]]
        id = "no-attack"
        text = "No."
        label = "prompt_injection"
        stages = ["input", "tool"]
        """
    )
    guard = Guard(policy, models=tiny, providers="cpu", observers=(), **options)
    guard.warmup()
    return guard


def test_past_the_deadline_scoring_stops_and_the_verdict_says_how_far_it_came(tiny: Path, clock: Clock) -> None:
    del clock
    guard = slow_guard(tiny)
    verdict = guard.check(rambling(500), deadline_s=12.0)
    assert (verdict.status, verdict.action, verdict.allowed) == (Status.DEGRADED, Action.BLOCK, False)
    assert 0.0 < verdict.coverage < 1.0
    assert verdict.incomplete_layers == ("classifier",)
    (reason,) = verdict.degraded_reasons
    assert reason == f"classifier: only {verdict.coverage:.1%} of the characters were scored when the deadline passed"
    assert not verdict.stopped_early


def test_what_was_found_in_time_is_a_block_by_its_principle(tiny: Path, clock: Clock) -> None:
    del clock
    verdict = slow_guard(tiny, early_stop=False).check("attack " + rambling(500), deadline_s=12.0)
    assert (verdict.status, verdict.principle_id) == (Status.DEGRADED, "no-attack")


def test_only_a_policy_lets_a_late_check_pass_and_it_is_still_not_true(tiny: Path, clock: Clock) -> None:
    del clock
    verdict = slow_guard(tiny, on_error="allow", deadline_s=12.0).check(rambling(500))
    assert (verdict.status, verdict.allowed, bool(verdict)) == (Status.DEGRADED, True, False)


def test_a_late_verdict_is_not_remembered(tiny: Path, clock: Clock) -> None:
    del clock
    guard = slow_guard(tiny)
    assert guard.check(rambling(500), deadline_s=12.0).status is Status.DEGRADED
    verdict = guard.check(rambling(500), deadline_s=1e9)
    assert (verdict.status, verdict.coverage, verdict.cached) == (Status.COMPLETE, 1.0, False)


def test_of_many_texts_the_late_ones_are_failed_and_the_early_ones_complete(tiny: Path, clock: Clock) -> None:
    del clock
    verdicts = slow_guard(tiny).check_many([f"filler {'please ' * at}" for at in range(12)], deadline_s=8.0)
    assert [verdict.status for verdict in verdicts][:3] == [Status.COMPLETE] * 3
    late = verdicts[-1]
    assert (late.status, late.allowed, late.coverage, late.scores) == (Status.FAILED, False, 0.0, {})
    assert late.error == "classifier: only 0.0% of the characters were scored when the deadline passed"


def test_a_deadline_that_is_never_reached_changes_nothing(tiny: Path) -> None:
    guard = slow_guard(tiny, cache=0)
    plain = {"duration_s": 0.0}
    text = rambling(100)
    assert guard.check(text, deadline_s=PATIENT).model_copy(update=plain) == guard.check(text).model_copy(update=plain)


@pytest.mark.parametrize("seconds", [float("inf"), 1e300, 10**400], ids=["infinite", "huge", "beyond floats"])
def test_a_deadline_beyond_what_locks_can_wait_for_is_none(seconds: float) -> None:
    assert Limits.within(seconds).left_s is None


@pytest.mark.parametrize("seconds", [math.inf, 10**400], ids=["infinite", "beyond floats"])
async def test_a_check_with_all_the_time_there_is_does_not_fall_back_on_the_guards(tiny: Path, seconds: float) -> None:
    guard = slow_guard(tiny, deadline_s=1e-9)
    assert (await guard.acheck("one day", deadline_s=seconds)).status is Status.COMPLETE
    assert (await guard.acheck_many(["two days"], deadline_s=seconds))[0].status is Status.COMPLETE
    assert (await guard.acheck_messages(["three days"], deadline_s=seconds)).status is Status.COMPLETE


def test_undoing_disguises_stops_and_the_verdict_says_so(tiny: Path, clock: Clock) -> None:
    del clock
    verdict = slow_guard(tiny).check(base64.b64encode(b"attack the filler, please").decode(), deadline_s=6.0)
    assert (verdict.status, verdict.allowed) == (Status.FAILED, False)
    assert verdict.error is not None
    assert "decode: ViewError: the deadline passed before everything was decoded" in verdict.error
    assert verdict.incomplete_layers == ("decode", "classifier")


async def test_the_time_until_a_worker_thread_is_free_counts_for_messages_too(tiny: Path, clock: Clock) -> None:
    guard = slow_guard(tiny)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    free = threading.Event()
    busy = loop.run_in_executor(None, free.wait)
    late = asyncio.create_task(guard.acheck_messages(["a day"], deadline_s=50.0))
    await asyncio.sleep(0)  # now it stands in line
    clock.now += 100.0
    free.set()
    assert (await late).status is Status.FAILED
    assert (await guard.acheck_messages(["a day"], deadline_s=50.0)).status is Status.COMPLETE
    assert await busy
    with pytest.raises(InputError, match="deadline_s"):
        await guard.acheck_messages(["a day"], deadline_s=0.0)


async def test_the_async_check_and_the_guards_own_deadline_do_the_same(tiny: Path, clock: Clock) -> None:
    del clock  # each step of the decoders, and each window, looks at it once
    assert (await slow_guard(tiny).acheck(rambling(500), deadline_s=13.0)).status is Status.DEGRADED
    guard = slow_guard(tiny, deadline_s=13.0)
    assert guard.check(rambling(500)).status is Status.DEGRADED
    assert guard.check(rambling(499), deadline_s=1e9).status is Status.COMPLETE


@pytest.mark.parametrize(
    ("seconds", "error", "said"),
    [
        *((given, InputError, "deadline_s must be more than 0 seconds") for given in (0, -1, float("nan"))),
        ("1", InputTypeError, "deadline_s must be a number of seconds, or None, not str"),
        (True, InputTypeError, "deadline_s must be a number of seconds, or None, not bool"),
    ],
)
def test_a_deadline_that_is_no_time_is_refused(tiny: Path, seconds: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        Guard(models=tiny, deadline_s=seconds)
    guard = slow_guard(tiny)
    for check in (lambda: guard.check("a", deadline_s=seconds), lambda: guard.check_many(["a"], deadline_s=seconds)):
        with pytest.raises(error, match=said):
            check()


def test_a_screen_whose_turn_comes_too_late_is_not_asked() -> None:
    class Slow(WordScreen):
        def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
            time.sleep(0.05)
            return super().read(texts, stage, around)

    first, second = Slow("bad"), WordScreen("rude")
    second.name = "second"
    (reading,) = Panel([first, second]).read(["so bad"], Stage.INPUT, [NOWHERE], Limits.within(0.01))
    assert reading.scores == {"bad": 0.5}
    assert second.asked == []
    assert (reading.problems, reading.layers) == (["second: not run, the deadline had passed"], ["second"])


@pytest.mark.parametrize(("policy", "allowed"), [(POLICY, False), (LENIENT, True)])
def test_nobody_asked_in_time_is_a_failed_check(policy: Policy, allowed: bool) -> None:
    verdict = Bench(policy=policy, deadline_s=1e-9).check("fine")
    assert (verdict.status, verdict.allowed, verdict.error) == (
        Status.FAILED,
        allowed,
        "words: not run, the deadline had passed",
    )


def test_the_written_exception_is_per_stage() -> None:
    assert LENIENT.on_error == OnError(input="allow")
    assert not Bench(policy=LENIENT, deadline_s=1e-9).check("fine", Stage.OUTPUT).allowed


def test_the_shipped_model_stops_too(guard: Guard) -> None:
    verdict = guard.check(rambling(60_000), deadline_s=0.4)
    assert (verdict.status, verdict.allowed) in {(Status.DEGRADED, False), (Status.FAILED, False)}
    assert verdict.coverage < 1.0
