"""Equal texts in flight are scored once, and nobody is let down by whoever was first."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar

import pytest

from guardsdk import Guard, Policy, Principle, Stage, Status
from guardsdk.engine.turns import Turns
from guardsdk.errors import InputError
from guardsdk.flights import Flights
from guardsdk.screens.base import Reading
from guardsdk.verdict import Action, Verdict
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from guardsdk.engine.batches import Row
    from guardsdk.engine.session import Outputs
    from guardsdk.limits import Limits
    from guardsdk.surroundings import Surroundings

PATIENCE_S = 60
TEXT = "The committee described two train routes before lunch."


class Gate:
    """Counts the runs of the model and holds them up while it is closed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Event()
        self.runs = self.failures = 0
        plain = Turns.run

        def run(turns: Turns, rows: Sequence[Row], limits: Limits, **how: bool) -> Outputs | None:
            self.runs += 1
            self.begun.set()
            assert self.open.wait(PATIENCE_S)
            if self.failures:
                self.failures -= 1
                msg = "the device is lost"
                raise RuntimeError(msg)
            return plain(turns, rows, limits, **how)

        monkeypatch.setattr(Turns, "run", run)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def in_flight(
    guard: Guard, gate: Gate, calls: Sequence[Callable[[], object]], pool: ThreadPoolExecutor
) -> list[object]:
    """Start the first of ``calls``, then the others while it is at work, and return what they give."""
    gate.open.clear()
    gate.begun.clear()
    futures = [pool.submit(calls[0])]
    assert gate.begun.wait(PATIENCE_S)
    futures += [pool.submit(call) for call in calls[1:]]
    taken = guard._pipeline._flights._in_air
    ends = time.monotonic() + PATIENCE_S
    while not taken and time.monotonic() < ends:
        time.sleep(0.001)
    gate.open.set()
    return [future.result(PATIENCE_S) for future in futures]


def test_equal_texts_at_the_same_time_are_scored_once(gate: Gate) -> None:
    with Guard(providers="cpu") as guard, ThreadPoolExecutor(16) as pool:
        guard.warmup()
        gate.runs = 0
        found = in_flight(guard, gate, [lambda: guard.check(TEXT)] * 16, pool)
        assert gate.runs == 1
        assert len({str(verdict.scores) for verdict in found}) == 1  # type: ignore[attr-defined]
        assert sorted(verdict.cached for verdict in found) == [False] + [True] * 15  # type: ignore[attr-defined]
        assert guard._pipeline._flights._in_air == {}


async def test_sixty_four_tasks_are_all_answered_with_one_run_for_each_text(gate: Gate) -> None:
    texts = [f"{TEXT} {at % 8}" for at in range(64)]
    with Guard(providers="cpu") as guard:
        guard.warmup()
        gate.runs = 0
        verdicts = await asyncio.gather(*(guard.acheck(text) for text in texts))
        assert gate.runs == 8
        assert [verdict.scores for verdict in verdicts] == [guard.check(text).scores for text in texts]


def test_batches_that_wait_for_each_other_both_end(gate: Gate) -> None:
    first, second = [f"{TEXT} one", f"{TEXT} two"], [f"{TEXT} two", f"{TEXT} one"]
    with Guard(providers="cpu") as guard, ThreadPoolExecutor(8) as pool:
        guard.warmup()
        gate.runs = 0
        calls = [lambda: guard.check_many(first), *[lambda: guard.check_many(second)] * 7]
        found = in_flight(guard, gate, calls, pool)
        assert all(verdict.status is Status.COMPLETE for batch in found for verdict in batch)  # type: ignore[attr-defined]
        assert gate.runs == 2


def test_what_the_first_could_not_check_the_second_scores_itself(gate: Gate) -> None:
    with Guard(providers="cpu") as guard, ThreadPoolExecutor(2) as pool:
        guard.warmup()
        gate.runs, gate.failures = 0, 1
        broken, whole = in_flight(guard, gate, [lambda: guard.check(TEXT)] * 2, pool)
        assert broken.status is not Status.COMPLETE  # type: ignore[attr-defined]
        assert whole.status is Status.COMPLETE  # type: ignore[attr-defined]
        assert gate.runs == 2


def test_a_thread_does_not_wait_for_itself_and_the_dead_hold_up_nobody() -> None:
    flights = Flights()
    assert flights.take(b"a") is None
    assert flights.take(b"a") is None
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(flights.take, b"a").result(PATIENCE_S)
        pool.submit(flights.land, [b"a"]).result(PATIENCE_S)
        assert done is not None
        assert not done.is_set()  # only its owner lands it
        flights.land([b"a", b"never taken"])
        assert done.wait(PATIENCE_S)
        assert pool.submit(flights.take, b"a").result(PATIENCE_S) is None


class Asking:
    """A screen that has the guard check the text it is given, once, in another thread."""

    name = "asking"
    operating_points: ClassVar = {("asked", Stage.INPUT): {"default": 0.5}}

    def __init__(self, ask: Callable[[Guard, str], Verdict]) -> None:
        self.ask = ask
        self.guard: Guard | None = None
        self.answers: list[Verdict] = []

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        del stage, around
        guard, self.guard = self.guard, None
        if guard is not None:
            self.answers.append(self.ask(guard, texts[0]))
        return [Reading({"asked": 0.0}, 1.0, lambda _: ((0, 1),)) for _ in texts]


def in_another_thread(guard: Guard, text: str) -> Verdict:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(guard.check, text).result(PATIENCE_S)


def in_a_loop(guard: Guard, text: str) -> Verdict:
    return asyncio.run(guard.acheck(text))


@pytest.mark.parametrize("ask", [in_a_loop, in_another_thread])
def test_a_screen_that_has_its_text_checked_in_another_thread_gets_an_answer(
    ask: Callable[[Guard, str], Verdict], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if ask is in_another_thread:  # nothing says that the two belong together: it is the wait that ends
        monkeypatch.setattr("guardsdk.flights.LONGEST_WAIT_S", 0.01)
    write_model(tmp_path)
    principles = tuple(
        Principle(id=label.replace("_", "-"), text="None of it.", label=label, stages=(Stage.INPUT,))
        for label in ("prompt_injection", "asked")
    )
    screen = Asking(ask)
    policy = Policy(name="asking", version="1", principles=principles)
    with Guard(policy, models=tmp_path, providers="cpu", screens=[screen]) as guard:
        guard.warmup()
        screen.guard = guard
        answers: list[Verdict] = []
        caller = threading.Thread(target=lambda: answers.append(guard.check(TEXT)), daemon=True)
        caller.start()
        caller.join(PATIENCE_S / 4)
        assert [one.status for one in (*answers, *screen.answers)] == [Status.COMPLETE] * 2
        assert guard._pipeline._flights._in_air == {}


def test_a_check_that_is_turned_away_is_not_checked_and_the_policy_decides(gate: Gate) -> None:
    del gate
    with Guard(providers="cpu", max_waiting=0) as guard:
        guard.warmup()
        assert guard.check(TEXT).status is Status.COMPLETE  # a lone caller needs no place in the line
        turns = guard._loader.get()[1]._loaded().turns
        free, turns._free = turns._free, 0
        verdict = guard.check(f"{TEXT} again")
        turns._free = free
        assert verdict.status is not Status.COMPLETE
        assert verdict.action is Action.BLOCK
        assert "classifier" in verdict.incomplete_layers
        assert "OverloadedError" in (verdict.error or "; ".join(verdict.degraded_reasons))
        assert guard.check(f"{TEXT} again").status is Status.COMPLETE


@pytest.mark.parametrize(("own", "given"), [(0.01, None), (None, 0.01), (60.0, 0.01)])
async def test_the_time_until_a_worker_thread_is_free_counts(
    monkeypatch: pytest.MonkeyPatch, own: float | None, given: float | None
) -> None:
    async def busy(run: Callable[[], object]) -> object:
        await asyncio.sleep(0.05)
        return run()

    with Guard(providers="cpu", deadline_s=own) as guard:
        guard.warmup()
        monkeypatch.setattr("guardsdk.guard.in_thread", busy)
        assert (await guard.acheck(TEXT, deadline_s=given)).status is not Status.COMPLETE
        assert (await guard.acheck(TEXT, deadline_s=60.0)).status is Status.COMPLETE
        with pytest.raises(InputError, match="deadline_s"):
            await guard.acheck(TEXT, deadline_s=0.0)
