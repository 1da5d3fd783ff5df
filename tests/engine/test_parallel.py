"""The runs of one call go side by side where that is sooner, leave cores to others, and answer the same."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from numpy.testing import assert_array_equal

from guardsdk.engine import classifier as classifier_module
from guardsdk.engine import runner as runner_module
from guardsdk.engine.classifier import Classifier, Request
from guardsdk.engine.parallel import ParallelRuns, assigned
from guardsdk.engine.runner import PAYS_FROM, Runner
from guardsdk.errors import ModelError
from guardsdk.limits import UNLIMITED, Limits
from guardsdk.registry.lookup import load_manifest
from guardsdk.verdict import Stage
from tests.engine.test_one_thread import Counting, run
from tests.engine.test_turns import PATIENCE_S, Engine, row, turns_of, wait_until
from tests.tiny import rambling, write_early

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from guardsdk.engine.batches import Row
    from guardsdk.engine.session import Outputs
    from guardsdk.engine.turns import Turns
    from guardsdk.registry.lookup import LoadedModel

WINDOW = 250


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterable[None]:
    before = set(threading.enumerate())  # those of other tests may end meanwhile
    yield
    assert set(threading.enumerate()) <= before


def found(
    turns: Turns,
    lengths: Sequence[int],
    limits: Limits = UNLIMITED,
    wanted: Callable[[Row], bool] = lambda _: True,
    *,
    worth: bool = True,
) -> list[float]:
    """The numbers of the rows of ``lengths`` that were run, as they came out."""
    plan = [[row(number, length)] for number, length in enumerate(lengths)]
    runs = ParallelRuns(turns, lambda _: worth, WINDOW)
    return [outputs.logits[0, 0].item() for _, outputs in runs.run(plan, limits, wanted)]


@pytest.mark.parametrize(
    ("lengths", "cores", "due"),
    [
        ([], 2, [[]]),
        ([250], 2, [[0]]),
        ([250, 250], 1, [[0, 1]]),
        ([250, 250], 2, [[0], [1]]),
        ([10, 10], 2, [[0], [1]]),
        ([250, 10], 2, [[0, 1]]),  # the long one alone on both cores is sooner than on one, beside the other
        ([10, 100, 250, 100], 2, [[2], [0, 1, 3]]),
        ([250, 250], 4, [[0, 1]]),  # two would be left with nothing to do
        ([250, 250, 250], 4, [[0], [1], [2]]),
        ([10] * 8, 4, [[0, 4], [1, 5], [2, 6], [3, 7]]),
    ],
)
def test_runs_are_assigned_so_that_all_are_done_soonest(lengths: list[int], cores: int, due: list[list[int]]) -> None:
    assert assigned(lengths, cores) == due


@pytest.mark.parametrize("windows", [2, 3, 4, 9])
def test_windows_run_two_at_a_time_and_one_that_is_left_on_both_cores(engine: Engine, windows: int) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def run_one(rows: Sequence[Row], cores: int) -> Outputs:
        if cores == 1:
            both.wait()  # it takes another at the same time
        return engine.run(rows, cores)

    turns = turns_of(engine, cores=2, most=2)
    turns._run = run_one
    assert found(turns, [WINDOW] * windows) == list(range(windows))
    assert engine.cores == [1] * (windows // 2 * 2) + [2] * (windows % 2)
    assert sorted(number for rows in engine.runs for number in rows) == list(range(windows))


def test_short_rows_are_waited_for_about_a_window_at_a_time(engine: Engine) -> None:
    assert found(turns_of(engine, cores=2, most=2), [10] * 100) == list(range(100))
    assert engine.cores == [1] * 100
    first = {number for rows in engine.runs[:16] for number in rows}
    assert first == set(range(16))  # what comes later is not begun before these are done


@pytest.mark.parametrize("worth", [True, False])
def test_one_core_or_no_session_for_it_is_one_run_after_another(engine: Engine, *, worth: bool) -> None:
    turns = turns_of(engine, cores=2, most=1 if worth else 2)
    assert found(turns, [WINDOW] * 5, worth=worth) == list(range(5))
    assert engine.runs == [[number] for number in range(5)]
    assert engine.most_at_work == 1
    assert set(engine.cores) == {1 if worth else 2}


def test_a_core_that_another_caller_has_is_left_to_him(engine: Engine) -> None:
    turns = turns_of(engine, cores=2, most=2)
    with ThreadPoolExecutor(2) as pool:
        engine.gate.clear()
        other = pool.submit(turns.run, [row(100)], UNLIMITED, one_core=True)
        while not engine.runs:
            time.sleep(0.001)
        long = pool.submit(found, turns, [WINDOW] * 3)
        while engine.at_work < 2:
            time.sleep(0.001)
        assert turns.waiting == 0  # nothing of the long text stands in line
        engine.gate.set()
        assert other.result(PATIENCE_S) is not None
        assert long.result(PATIENCE_S) == [0, 1, 2]


def test_a_short_text_waits_for_no_more_than_the_windows_at_work(engine: Engine) -> None:
    served = threading.Event()

    def run_one(rows: Sequence[Row], cores: int) -> Outputs:
        if rows[0].owner > 1:
            assert served.wait(PATIENCE_S)  # by the other core
        return engine.run(rows, cores)

    turns = turns_of(engine, cores=2, most=2)
    turns._run = run_one
    with ThreadPoolExecutor(2) as pool:
        engine.gate.clear()
        long = pool.submit(found, turns, [WINDOW] * 6)
        while engine.at_work < 2:
            time.sleep(0.001)
        short = pool.submit(turns.run, [row(0)], UNLIMITED)
        wait_until(turns, 1)
        engine.gate.set()
        assert short.result(PATIENCE_S) is not None
        served.set()
        assert long.result(PATIENCE_S) == list(range(6))


def test_what_is_settled_costs_no_round_more(engine: Engine) -> None:
    turns, settled = turns_of(engine, cores=2, most=2), set[int]()
    runs = ParallelRuns(turns, lambda _: True, WINDOW)
    plan = [[row(number, WINDOW)] for number in (0, 0, 0, 0, 1, 0, 1)]
    seen = []
    for (one,), _ in runs.run(plan, UNLIMITED, lambda row: row.owner not in settled):
        seen.append(one.owner)
        settled.add(0)
    assert seen == [0, 0, 1, 1]
    assert len(engine.runs) == 4


def test_past_the_deadline_nothing_is_begun_and_what_was_found_counts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()

    def run_one(rows: Sequence[Row], cores: int) -> Outputs:
        if rows[0].owner == 0:
            assert done.wait(PATIENCE_S)  # the other core has gone on to its last row
        outputs = engine.run(rows, cores)
        if rows[0].owner == 4:
            monkeypatch.setattr("guardsdk.limits.time.monotonic", lambda: 1e12)
            done.set()
        return outputs

    turns = turns_of(engine, cores=2, most=2)
    turns._run = run_one
    assert found(turns, [200, *[30] * 6], Limits.within(1e6)) == [0, 1, 2, 3, 4]
    assert found(turns, [WINDOW] * 2, Limits(ends_at=0.0)) == []
    assert len(engine.runs) == 5


@pytest.mark.parametrize("bad", range(4))
def test_an_error_on_any_core_is_the_callers(engine: Engine, bad: int) -> None:
    turns = turns_of(engine, cores=2, most=2)
    engine.bad = {bad}
    with pytest.raises(ValueError, match=f"no rows like .{bad}."):
        found(turns, [WINDOW] * 4)
    engine.bad.clear()
    assert found(turns, [WINDOW] * 4) == list(range(4))  # all cores were left


def test_whoever_interrupts_a_caller_leaves_no_thread_behind(engine: Engine) -> None:
    def run_one(rows: Sequence[Row], cores: int) -> Outputs:
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        return engine.run(rows, cores)

    turns = turns_of(engine, cores=2, most=2)
    turns._run = run_one
    with pytest.raises(KeyboardInterrupt):
        found(turns, [WINDOW] * 4)
    assert len(engine.runs) == 1
    assert turns.spare == 2


def test_where_no_thread_can_be_had_all_is_run_all_the_same(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: threading.Thread) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(threading.Thread, "start", none)
    assert found(turns_of(engine, cores=2, most=2), [WINDOW] * 4) == list(range(4))
    assert engine.most_at_work == 1


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_manifest(write_early(tmp_path_factory.mktemp("early") / "tiny"))


def test_the_session_for_it_is_opened_when_it_pays(early: LoadedModel) -> None:
    runtime = Counting()
    runner = Runner(early, "cpu", 2, runtime)
    assert not runner.side_by_side(PAYS_FROM)
    assert runner.side_by_side(1)
    assert runtime.threads == [2, 2]
    fresh = Runner(early, "cpu", 2, runtime)
    run(fresh, 9, one_thread=True)  # as callers who line up do
    assert fresh.side_by_side(1)


def test_nothing_runs_side_by_side_where_it_cannot_be_opened(early: LoadedModel) -> None:
    runner = Runner(early, "cpu", 2, Counting(refuses=True))
    assert runner.side_by_side(PAYS_FROM + 1)
    run(runner, 9, one_thread=True)
    assert not runner.side_by_side(PAYS_FROM + 1)


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier_module, "usable_cores", lambda: 2)
    monkeypatch.setattr(runner_module, "PAYS_FROM", 0)


def _stop(_: int, probabilities: Mapping[str, float]) -> bool:
    return probabilities["prompt_injection"] > 0.5


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("limits", [UNLIMITED, Limits(settled=_stop), Limits(early_exit=True)])
def test_texts_have_the_same_scores_on_any_number_of_cores(early: LoadedModel, limits: Limits) -> None:
    one, two = (Classifier(early, "cpu", threads) for threads in (1, 2))
    words = rambling(200).split()
    texts = [Request(rambling(at * 7 % 90) + (" attack" if at % 3 else " sure"), Stage.INPUT) for at in range(30)]
    texts += [Request(" ".join([*words[:at], "attack", *words[at:]]), Stage.INPUT) for at in (0, 50, 199)]
    for given in (texts, *([text] for text in texts)):
        for due, made in zip(one.score(given, limits), two.score(given, limits), strict=True):
            assert (made.probabilities, made.coverage, made.windows) == (due.probabilities, due.coverage, due.windows)
            assert (made.settled, made.tier) == (due.settled, due.tier)
            assert made.span("prompt_injection") == due.span("prompt_injection")
            assert_array_equal(made.embedding, due.embedding)


@pytest.mark.usefixtures("two_cores")
def test_the_shipped_model_gives_the_same_to_the_bit(model_directory: Path) -> None:
    model = load_manifest(model_directory)
    one, two = (Classifier(model, "cpu", threads) for threads in (1, 2))
    texts = [Request(f"The {at}th minutes were sent round to all of the board. " * at, Stage.TOOL) for at in (1, 60, 3)]
    for due, made in zip(one.score(texts), two.score(texts), strict=True):
        assert made.probabilities == due.probabilities
        assert made.windows == due.windows
        assert_array_equal(made.embedding, due.embedding)


@pytest.mark.usefixtures("two_cores")
def test_a_text_that_cannot_be_run_fails_its_call_from_whatever_core(
    early: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Classifier(early, "cpu", 2)
    made.score([Request(rambling(100), Stage.INPUT)])
    plain = Runner.run

    def failing(runner: Runner, *rows: Any, one_thread: bool) -> Outputs:
        if threading.current_thread() is not threading.main_thread():
            msg = "the model could not be run on CPUExecutionProvider: out of memory"
            raise ModelError(msg)
        return plain(runner, *rows, one_thread=one_thread)

    monkeypatch.setattr(Runner, "run", failing)
    with pytest.raises(ModelError, match="out of memory"):
        made.score([Request(rambling(100), Stage.INPUT)])


@pytest.mark.usefixtures("two_cores")
def test_a_lone_short_text_opens_and_starts_nothing(early: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Counting()
    made = Classifier(early, "cpu", 2, runtime=runtime)
    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", started.append)
    made.score([Request("please", Stage.INPUT)])
    assert runtime.threads == [2, 2]
    assert not started
