"""A run asks every case once, guards and judges it, survives being killed, and keeps nothing it need not."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.errors import EvaluationError, InputTypeError
from guardsdk.evaluation.answers import Answers
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.record import RunSettings, TargetRef, read_run
from guardsdk.evaluation.running import Plan, evaluate, journal_of
from guardsdk.evaluation.suites import open_suite
from guardsdk.evaluation.targets import CallableTarget, TargetError
from tests.evaluation.conftest import WordJudge
from tests.places import environment
from tests.test_disk import room_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from guardsdk.evaluation.record import CaseResult
    from guardsdk.evaluation.targets import Question, Target


class Counting:
    """Answers at once and counts: odd questions are refused."""

    ref = TargetRef(kind="callable", model="counting")

    def __init__(
        self,
        *,
        batch: int = 1,
        fail: int = 0,
        again: bool = True,
        after_s: float = 0.0,
        pause_s: float = 0.0,
        origin: str = "",
    ) -> None:
        self.batch = batch
        self.origin = origin
        self.asked: list[str] = []
        self.sizes: list[int] = []
        self.busy = self.busiest = 0
        self._fail = fail
        self._again = again
        self._after_s = after_s
        self._pause_s = pause_s

    async def ask(self, questions: Sequence[Question]) -> list[str]:
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        self.sizes.append(len(questions))
        self.asked += [question.text for question in questions]
        try:
            await asyncio.sleep(self._pause_s)
            if self._fail:
                self._fail -= 1
                reason = "not now"
                raise TargetError(reason, again=self._again, after_s=self._after_s)
        finally:
            self.busy -= 1
        return ["no" if int(question.text.split()[-1]) % 2 else "yes" for question in questions]


def plan(
    suite: Path,
    target: Target,
    *,
    seed: int = 0,
    answers: Answers | None = None,
    keep_answers: bool = False,
    **settings: object,
) -> Plan:
    return Plan(
        open_suite(suite),
        target,
        WordJudge(),
        seed=seed,
        settings=RunSettings.model_validate(settings),
        answers=answers,
        keep_answers=keep_answers,
    )


def results(path: Path) -> tuple[CaseResult, ...]:
    return read_run(path).results


def test_every_case_is_asked_once_and_written_in_the_order_of_the_suite(
    suite_file: Callable[[int], Path], tmp_path: Path
) -> None:
    target = Counting()
    told: list[CaseResult] = []
    out = tmp_path / "run.json"
    head = evaluate(plan(suite_file(40), target, concurrency=7), out, on_case=told.append)
    found = results(out)
    assert [one.id for one in found] == [f"case-{at}" for at in range(40)]
    assert sorted(target.asked) == sorted(f"question {at}" for at in range(40))
    assert {one.outcome for one in found} == {Outcome.REFUSED, Outcome.COMPLIED_SAFELY}
    assert all(one.passed and one.latency_s is not None and one.attempts == 1 for one in found)
    assert found[0].answer is None
    assert found[0].answer_digest == found[2].answer_digest != found[1].answer_digest
    assert len(told) == head.suite.cases == 40
    assert read_run(out).head == head
    assert 1 < target.busiest <= 7
    assert sorted(one.name for one in tmp_path.iterdir()) == ["run.json", "suite-40.jsonl"]


def test_a_batch_target_is_given_batches(suite_file: Callable[[int], Path], tmp_path: Path) -> None:
    target = Counting(batch=8)
    evaluate(plan(suite_file(64), target, concurrency=2), tmp_path / "run.json")
    assert max(target.sizes) == 8
    assert len(target.sizes) <= 16
    assert len(target.asked) == 64


def test_a_question_that_cannot_be_answered_leaves_the_rest_of_its_batch_alone(
    suite_file: Callable[[int], Path], module: Callable[[str, str], str], tmp_path: Path
) -> None:
    name = module("own_partly", "def ask(prompts): return [None if p.endswith('5') else 'yes' for p in prompts]\n")
    evaluate(plan(suite_file(8), CallableTarget(f"{name}:ask", batch=8), concurrency=1), tmp_path / "run.json")
    found = results(tmp_path / "run.json")
    assert {one.id: one.error for one in found if one.outcome is Outcome.ERROR} == {
        "case-5": "target: the target gave NoneType and not str"
    }
    assert [one.attempts for one in found] == [1] * 8


def test_what_fails_for_a_while_is_tried_again_and_what_fails_for_good_is_an_error(
    suite_file: Callable[[int], Path], tmp_path: Path
) -> None:
    suite = suite_file(3)
    evaluate(plan(suite_file(1), Counting(fail=2), concurrency=1, retries=2), tmp_path / "a.json")
    assert [(one.attempts, one.passed) for one in results(tmp_path / "a.json")] == [(3, True)]
    evaluate(plan(suite, Counting(fail=2, again=False), concurrency=1, retries=2), tmp_path / "b.json")
    failed = results(tmp_path / "b.json")
    assert [one.outcome is Outcome.ERROR for one in failed] == [True, True, False]
    assert failed[0].error == "target: not now"
    assert failed[0].passed is None
    assert failed[0].attempts == 1


@pytest.mark.parametrize(("asked_for", "waited"), [(61.0, 61.0), (86_400.0, 600.0)])
def test_a_target_that_says_when_to_come_back_is_given_the_time(
    suite_file: Callable[[int], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked_for: float,
    waited: float,
) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    target = Counting(fail=1, after_s=asked_for)
    with monkeypatch.context() as patched:
        patched.setattr(asyncio, "sleep", noted)
        evaluate(plan(suite_file(1), target), tmp_path / "run.json")
    assert [pause for pause in pauses if pause] == [waited]
    assert results(tmp_path / "run.json")[0].passed


def test_a_try_has_its_time(suite_file: Callable[[int], Path], tmp_path: Path) -> None:
    evaluate(plan(suite_file(2), Counting(pause_s=30), timeout_s=0.02, retries=0), tmp_path / "run.json")
    assert {one.error for one in results(tmp_path / "run.json")} == {"target: TimeoutError"}


def test_requests_go_out_no_faster_than_asked(suite_file: Callable[[int], Path], tmp_path: Path) -> None:
    started = time.monotonic()
    evaluate(plan(suite_file(11), Counting(), rate=50.0, concurrency=8), tmp_path / "run.json")
    assert time.monotonic() - started >= 0.2  # ten gaps of a fiftieth; how much longer it took says nothing


def test_a_strangers_error_is_told_by_its_class_only(
    suite_file: Callable[[int], Path], module: Callable[[str, str], str], tmp_path: Path
) -> None:
    name = module("own_failing", "def ask(prompt):\n    raise ValueError('secret: ' + prompt)\n")
    made = plan(suite_file(2), CallableTarget(f"{name}:ask"), retries=0)
    evaluate(made, tmp_path / "run.json")
    assert {one.error for one in results(tmp_path / "run.json")} == {"target: ValueError"}
    assert "secret" not in (tmp_path / "run.json").read_text(encoding="utf-8")


def test_a_target_that_cancels_itself_ends_neither_the_run_nor_the_other_cases(
    suite_file: Callable[[int], Path], module: Callable[[str, str], str], tmp_path: Path
) -> None:
    name = module(
        "own_cancelling",
        """
import asyncio
async def ask(prompt):
    if prompt.endswith("3"):
        raise asyncio.CancelledError
    return "yes"
""",
    )
    out = tmp_path / "run.json"
    evaluate(plan(suite_file(9), CallableTarget(f"{name}:ask"), retries=0, concurrency=1), out)
    errors = {one.id: one.error for one in read_run(out).results if one.outcome is Outcome.ERROR}
    assert errors == {"case-3": "target: CancelledError"}


def test_answers_are_kept_only_where_that_was_asked_for(suite_file: Callable[[int], Path], tmp_path: Path) -> None:
    suite = suite_file(2)
    evaluate(plan(suite, Counting(), keep_answers=True), tmp_path / "run.json")
    assert [one.answer for one in results(tmp_path / "run.json")] == ["yes", "no"]
    with Answers(tmp_path / "answers") as answers:
        first, second, other, elsewhere = Counting(), Counting(), Counting(), Counting(origin="elsewhere")
        evaluate(plan(suite, first, answers=answers), tmp_path / "a.json")
        evaluate(plan(suite, second, answers=answers), tmp_path / "b.json")
        evaluate(plan(suite, other, answers=answers, seed=1), tmp_path / "c.json")
        evaluate(plan(suite, elsewhere, answers=answers), tmp_path / "d.json")
    assert [len(one.asked) for one in (first, second, other, elsewhere)] == [2, 0, 2, 2]
    one, two = results(tmp_path / "a.json"), results(tmp_path / "b.json")
    assert [each.answer_digest for each in one] == [each.answer_digest for each in two]
    assert [each.attempts for each in two] == [0, 0]


def test_of_cases_that_ended_in_an_error_only_those_are_asked_again_where_answers_are_kept(
    suite_file: Callable[[int], Path], tmp_path: Path
) -> None:
    suite, out = suite_file(6), tmp_path / "run.json"
    with Answers(tmp_path / "answers.db") as answers:
        first = Counting(fail=2, again=False)
        evaluate(plan(suite, first, answers=answers, concurrency=1), out)
        failed = {f"question {one.id.split('-')[1]}" for one in results(out) if one.outcome is Outcome.ERROR}
        second = Counting()
        evaluate(plan(suite, second, answers=answers), out, overwrite=True)
    assert set(second.asked) == failed
    assert len(failed) == 2
    assert all(one.passed for one in results(out))


def test_a_file_that_is_no_store_of_answers_is_refused(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text("not a database, but a long enough text to be looked at as if it were one")
    with pytest.raises(EvaluationError, match="cannot be used for answers"):
        Answers(tmp_path / "answers")


def test_a_finished_record_is_not_overwritten_unasked(suite_file: Callable[[int], Path], tmp_path: Path) -> None:
    out = tmp_path / "run.json"
    evaluate(plan(suite_file(2), Counting()), out)
    with pytest.raises(EvaluationError, match="--overwrite"):
        evaluate(plan(suite_file(2), Counting()), out)
    evaluate(plan(suite_file(3), Counting()), out, overwrite=True)
    assert len(results(out)) == 3


class StopsError(Exception):
    """What breaks a run off in the middle."""


def broken_off(made: Plan, out: Path, after: int) -> None:
    left = [after]

    def count(_: CaseResult) -> None:
        left[0] -= 1
        if not left[0]:
            raise StopsError

    with pytest.raises(StopsError):
        evaluate(made, out, on_case=count)


def test_a_run_goes_on_where_it_stopped_and_cuts_off_a_torn_line(
    suite_file: Callable[[int], Path], tmp_path: Path
) -> None:
    suite, out = suite_file(30), tmp_path / "run.json"
    broken_off(plan(suite, Counting(), concurrency=2), out, 10)
    journal = out.with_name("run.json.journal")
    journal.write_bytes(journal.read_bytes()[:-7])  # killed while it wrote the last one
    broken_off(plan(suite, Counting(), concurrency=2), out, 5)
    done = [json.loads(line)["id"] for line in journal.read_bytes().splitlines()[1:]]
    assert len(done) == len(set(done)) >= 14
    second, told = Counting(), []
    evaluate(plan(suite, second, concurrency=5), out, started=lambda *numbers: told.append(numbers))
    assert told == [(30, len(done))]
    assert sorted(second.asked) == sorted(f"question {at}" for at in range(30) if f"case-{at}" not in done)
    assert [one.id for one in results(out)] == [f"case-{at}" for at in range(30)]
    assert not journal.exists()


@pytest.mark.parametrize(("torn", "ours"), [(b"", True), (b"\0\0", True), (b'{"form', True), (b"notes", False)])
def test_a_journal_without_a_whole_line_is_begun_anew_where_it_is_one(
    suite_file: Callable[[int], Path], tmp_path: Path, torn: bytes, *, ours: bool
) -> None:
    out, journal = tmp_path / "run.json", tmp_path / "run.json.journal"
    journal.write_bytes(torn)
    if ours:
        evaluate(plan(suite_file(2), Counting()), out)
        assert len(results(out)) == 2
    else:
        with pytest.raises(EvaluationError, match="not the journal"):
            evaluate(plan(suite_file(2), Counting()), out)
        assert journal.read_bytes() == torn


def test_a_journal_of_another_run_is_not_gone_on_with(suite_file: Callable[[int], Path], tmp_path: Path) -> None:
    out = tmp_path / "run.json"
    broken_off(plan(suite_file(10), Counting()), out, 3)
    with pytest.raises(EvaluationError, match="another seed"):
        evaluate(plan(suite_file(10), Counting(), seed=1), out)
    with pytest.raises(EvaluationError, match="another suite"):
        evaluate(plan(suite_file(11), Counting()), out)
    journal = out.with_name("run.json.journal")
    whole = journal.read_bytes()
    journal.write_bytes(whole.replace(b'"outcome":"refused"', b'"outcome":"perhaps"'))
    with pytest.raises(EvaluationError, match="not a result"):
        evaluate(plan(suite_file(10), Counting()), out)
    journal.write_bytes(b"something else\n" + whole)
    with pytest.raises(EvaluationError, match="not the journal"):
        evaluate(plan(suite_file(10), Counting()), out)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"id": "case-9"', '"id": "another"'),
        ('"question 9"', '"question 9?"'),
        ('{"id": "case-9"', '{"id": "more", "prompt": "question 11", "expectation": "comply"}\n{"id": "case-9"'),
        ('{"id": "case-8", "slice": "even", "prompt": "question 8", "expectation": "comply"}\n', ""),
    ],
)
@pytest.mark.parametrize("at", [1, 10])
def test_a_suite_that_is_changed_meanwhile_gives_no_record(
    suite_file: Callable[[int], Path], tmp_path: Path, old: str, new: str, at: int
) -> None:
    suite, out = suite_file(10), tmp_path / "run.json"
    whole, told = suite.read_text(encoding="utf-8"), []
    assert old in whole

    def change(_: CaseResult) -> None:
        told.append(1)
        if len(told) == at:
            suite.write_text(whole.replace(old, new), encoding="utf-8")

    with pytest.raises(EvaluationError, match="was changed while its cases were asked"):
        evaluate(plan(suite, Counting(), concurrency=1), out, on_case=change)
    assert not out.exists()
    suite.write_text(whole, encoding="utf-8")
    evaluate(plan(suite, second := Counting()), out)
    assert len(results(out)) == 10
    assert len(second.asked) <= 10 - at


def test_a_full_disk_is_said_of_the_file_it_is_full_for_and_leaves_what_was_done(
    suite_file: Callable[[int], Path], tmp_path: Path
) -> None:
    suite, out = suite_file(60), tmp_path / "run.json"
    with room_for(4000), pytest.raises(OSError, match="too large") as caught:
        evaluate(plan(suite, Counting()), out)
    assert str(caught.value.filename) == str(journal_of(out))
    evaluate(plan(suite, second := Counting()), out)
    assert len(results(out)) == 60
    assert 0 < len(second.asked) < 60


def test_a_run_without_someone_to_ask_or_to_judge_is_refused(suite_file: Callable[[int], Path], tmp_path: Path) -> None:
    suite = open_suite(suite_file(1))
    with pytest.raises(EvaluationError, match="target or a guard"):
        evaluate(Plan(suite, None, None), tmp_path / "run.json")
    with pytest.raises(EvaluationError, match="need a judge"):
        evaluate(Plan(suite, Counting(), None), tmp_path / "run.json")


@pytest.mark.parametrize("out", [None, 3, b"run.json"])
def test_a_record_is_written_to_a_path_or_a_text_and_to_nothing_else(
    suite_file: Callable[[int], Path], tmp_path: Path, out: Any
) -> None:
    target = Counting()
    with pytest.raises(InputTypeError, match=f"^out must be a path, not {type(out).__name__}$"):
        evaluate(plan(suite_file(2), target), out)
    assert target.asked == []
    evaluate(plan(suite_file(2), target), str(tmp_path / "run.json"))
    assert len(results(tmp_path / "run.json")) == 2


SLOW = """
import os, time
def ask(prompt):
    with open("asked.log", "a") as log:
        log.write(prompt + "\\n")
    time.sleep(0.02)
    return "yes"
def judge(prompt, answer): return "complied_safely"
"""


def command(suite: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "guardsdk", "eval", "run", "--target", "slow:ask", "--judge", "slow:judge"),
        *("--suite", str(suite), "--out", "run.json", "--concurrency", "3"),
    ]


def test_killed_at_any_moment_it_loses_and_repeats_no_finished_case(
    suite_file: Callable[[int], Path], module: Callable[[str, str], str], tmp_path: Path
) -> None:
    module("slow", SLOW)
    suite, journal = suite_file(60), tmp_path / "run.json.journal"
    finished: list[set[str]] = []
    for wanted in (5, 20, 40):
        process = subprocess.Popen(command(suite), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL)
        while process.poll() is None and lines(journal) < wanted:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        finished.append(
            {
                json.loads(line)["id"]
                for line in journal.read_bytes().splitlines(keepends=True)[1:]
                if line.endswith(b"\n")
            }
        )
        (tmp_path / "asked.log").write_text("")  # what was asked up to here was asked of a process that is dead
    assert finished[0] < finished[1] < finished[2]
    last = subprocess.run(command(suite), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert last.returncode == 0, last.stderr
    assert f"{len(finished[-1])} of 60 cases are done already" in last.stderr
    asked = (tmp_path / "asked.log").read_text().splitlines()
    ids = [f"case-{text.split()[-1]}" for text in asked]
    assert len(ids) == len(set(ids))
    assert set(ids) == {f"case-{at}" for at in range(60)} - finished[-1]
    assert [one.id for one in results(tmp_path / "run.json")] == [f"case-{at}" for at in range(60)]


def test_a_run_can_be_interrupted_whatever_the_judge_is_at(
    suite_file: Callable[[int], Path], module: Callable[[str, str], str], tmp_path: Path
) -> None:
    module("slow", SLOW + "\ndef judge(prompt, answer):\n    open('judged.log', 'w').close()\n    time.sleep(3600)\n")
    # A shell makes what it runs in the background deaf to Ctrl-C, the tests perhaps, and their children with them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command(suite_file(4)), cwd=tmp_path, env=environment(), stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        while not (tmp_path / "judged.log").exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"give the same command again to go on" in said


def test_two_processes_do_not_share_a_run(
    suite_file: Callable[[int], Path], module: Callable[[str, str], str], tmp_path: Path
) -> None:
    module("slow", SLOW.replace("0.02", "60"))
    suite = suite_file(4)
    first = subprocess.Popen(command(suite), cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL)
    try:
        while not (tmp_path / "asked.log").exists() and first.poll() is None:
            time.sleep(0.01)
        second = subprocess.run(
            command(suite), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
        )
    finally:
        first.kill()
        first.wait()
    assert second.returncode == 2
    assert "another process is at this run" in second.stderr


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_memory_does_not_grow_with_results(suite_file: Callable[[int], Path], tmp_path: Path) -> None:
    """What stays of a case is its place in the journal: far less than its result, which takes about 2 kB."""
    peaks = []
    for number in (500, 3500):
        suite = suite_file(number)
        tracemalloc.start()
        evaluate(plan(suite, Counting(batch=50)), tmp_path / f"{number}.json")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 3000 < 500
