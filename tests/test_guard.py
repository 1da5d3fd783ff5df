"""The guard: what its entry points answer, from any thread, task and process, and what it keeps to itself."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import sys
import threading
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import guardsdk
from guardsdk import Action, Guard, Policy, Principle, Stage, Status, Verdict
from guardsdk.settings import Settings
from tests.samples import ATTACKS, BENIGN, OUTPUT_BENIGN, OUTPUT_HARMFUL, TOOL_ATTACKS

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from guardsdk.observing import CheckRecord

TEXTS = [*BENIGN.values(), *ATTACKS.values(), *TOOL_ATTACKS.values()]
STAGES = (Stage.INPUT, Stage.OUTPUT)
NEVER = {"cached": False, "duration_s": 0.0}


def one_label(threshold: float, action: Action = Action.BLOCK) -> Policy:
    """A policy whose outcome does not depend on what the model learnt: at 0 it always fires, at 1 hardly ever."""
    principle = Principle(id="all", text="No.", label="toxicity", stages=STAGES, threshold=threshold, action=action)
    return Policy(name="one", version="1", principles=(principle,))


class Recorder:
    def __init__(self) -> None:
        self.records: list[CheckRecord] = []
        self.seen: list[tuple[str | None, int]] = []

    def on_check(self, record: CheckRecord) -> None:
        self.records.append(record)
        self.seen.append((caller.get(), threading.get_ident()))


caller: contextvars.ContextVar[str | None] = contextvars.ContextVar("caller", default=None)


def plain(verdict: Verdict) -> Verdict:
    return verdict.model_copy(update=NEVER)


def test_shadow_is_the_policys_word_unless_the_guard_is_told_otherwise(model_directory: Path) -> None:
    written = one_label(0.0).model_copy(update={"shadow": True})
    for policy, shadow, expected in (
        (one_label(0.0), None, False),
        (one_label(0.0), True, True),
        (written, None, True),
        (written, False, False),
    ):
        with Guard(policy, models=model_directory, providers="cpu", observers=(), shadow=shadow) as made:
            verdict = made.check("hello")
            assert (verdict.allowed, verdict.would_action) == ((True, Action.BLOCK) if expected else (False, None))
            assert (verdict.policy == policy.ref) is (shadow in (None, policy.shadow))


def test_the_public_door_is_small_and_complete() -> None:
    assert set(guardsdk.__all__) == {
        "Action", "Blocked", "CheckFailedError", "Finding", "Guard", "GuardError", "Policy", "Principle", "Stage",
        "Status", "Verdict", "__version__", "guarded",
    }  # fmt: skip
    assert all(hasattr(guardsdk, name) for name in guardsdk.__all__)


def test_the_version_is_the_one_the_package_is_built_with() -> None:
    try:
        built = metadata.version("guardsdk")
    except metadata.PackageNotFoundError:  # a source checkout that is not installed
        project = Path(__file__).parents[1] / "pyproject.toml"
        built = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    assert guardsdk.__version__ == built


@pytest.mark.parametrize("stage", ["input", "output", "tool"])
def test_a_verdict_is_complete_and_round_trips_through_json(guard: Guard, stage: str) -> None:
    verdict = guard.check("What is the capital of Portugal?", stage=stage)
    assert (verdict.status, verdict.coverage, verdict.stage) == (Status.COMPLETE, 1.0, stage)
    assert verdict.scores
    assert all(0.0 <= score <= 1.0 for score in verdict.scores.values())
    assert {one.label for one in verdict.evaluations} <= set(verdict.scores)
    assert verdict.model == guard.info().model
    assert verdict.policy == guard.policy.ref
    assert (verdict.provider_requested, verdict.provider_active) == ("cpu", "CPUExecutionProvider")
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_a_principle_at_zero_blocks_and_one_at_one_does_not(model_directory: Path) -> None:
    for threshold, allowed in ((0.0, False), (1.0, True)):
        guard = Guard(one_label(threshold), models=model_directory, providers="cpu", observers=())
        verdict = guard.check("good morning")
        assert (verdict.allowed, bool(verdict), bool(verdict.findings)) == (allowed, allowed, not allowed)
    (finding,) = Guard(one_label(0.0), models=model_directory, providers="cpu", observers=()).check("hi you").findings
    assert (finding.principle_id, finding.label, finding.threshold) == ("all", "toxicity", 0.0)
    assert finding.margin == finding.score
    start, end = finding.span
    assert 0 <= start < end <= len("hi you")


def test_one_at_a_time_and_many_at_once_give_the_same(model_directory: Path) -> None:
    guard = Guard(models=model_directory, providers="cpu", observers=(), cache=0)
    single = [guard.check(text) for text in TEXTS]
    many = guard.check_many(TEXTS + TEXTS[:2])
    for one, other in zip(single + single[:2], many, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-6)
        assert [finding.span for finding in one.findings] == [finding.span for finding in other.findings]
        assert (one.action, one.principle_id) == (other.action, other.principle_id)


def test_many_takes_any_iterable_and_contexts(guard: Guard) -> None:
    pairs = [*OUTPUT_BENIGN.values(), *OUTPUT_HARMFUL.values()]
    verdicts = guard.check_many(
        (answer for _, answer in pairs), stage=Stage.OUTPUT, contexts=[prompt for prompt, _ in pairs]
    )
    single = [guard.check(answer, stage="output", context=prompt) for prompt, answer in pairs]
    assert [plain(one) for one in verdicts] == [plain(one) for one in single]
    assert guard.check_many([]) == []


def test_context_has_a_part_in_the_score_of_an_answer(model_directory: Path) -> None:
    guard = Guard(models=model_directory, providers="cpu", observers=())
    with_it = guard.check("Yes, go ahead.", stage="output", context="May I burn my neighbour's house down?")
    without = guard.check("Yes, go ahead.", stage="output")
    assert with_it.scores != without.scores


def test_the_stage_has_a_part_in_the_score(model_directory: Path) -> None:
    guard = Guard(models=model_directory, providers="cpu", observers=())
    text = "Send the file to my colleague and delete the draft."
    scores = {stage: guard.check(text, stage=stage).scores["prompt_injection"] for stage in ("input", "tool")}
    assert scores["input"] != scores["tool"]


def test_a_second_check_comes_from_the_cache_and_a_guard_without_one_asks_again(model_directory: Path) -> None:
    cached = Guard(models=model_directory, providers="cpu", observers=())
    assert [cached.check("fine").cached for _ in range(3)] == [False, True, True]
    asking = Guard(models=model_directory, providers="cpu", observers=(), cache=0)
    assert [asking.check("fine").cached for _ in range(2)] == [False, False]


def test_a_long_text_is_scored_to_its_end(model_directory: Path) -> None:
    policy = one_label(0.0, Action.FLAG)
    guard = Guard(policy, models=model_directory, providers="cpu", observers=(), max_chars=None)
    filler = "The committee met on Tuesday and discussed the budget for the coming year. " * 60
    verdict = guard.check(filler)
    assert (verdict.status, verdict.coverage) == (Status.COMPLETE, 1.0)
    with_end = guard.check(filler + "You are a filthy worthless idiot and I hate you.")
    assert with_end.scores != verdict.scores


def test_many_threads_get_the_answers_one_thread_gets(model_directory: Path) -> None:
    reference = Guard(models=model_directory, providers="cpu", observers=(), cache=0)
    expected = {text: plain(reference.check(text)) for text in TEXTS}
    recorder = Recorder()
    guard = Guard(models=model_directory, providers="cpu", observers=[recorder])
    start = threading.Barrier(8)

    def work(number: int) -> list[tuple[str, Verdict]]:
        start.wait()
        texts = TEXTS[number:] + TEXTS[:number]
        many = guard.check_many(texts) if number % 2 else [guard.check(text) for text in texts]
        return list(zip(texts, many, strict=True))

    with ThreadPoolExecutor(8) as pool:
        answers = [pair for pairs in pool.map(work, range(8)) for pair in pairs]
    assert len(answers) == len(recorder.records) == 8 * len(TEXTS)
    for text, verdict in answers:
        assert plain(verdict) == expected[text]


def test_guards_on_one_model_share_it_however_many_threads_load_it(model_directory: Path) -> None:
    guards = [Guard(models=model_directory, providers="cpu", observers=(), threads=1) for _ in range(4)]
    start = threading.Barrier(8)

    def load(number: int) -> int:
        start.wait()
        guard = guards[number % 4]
        guard.warmup()
        return id(guard._loader.get()[1])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(load, range(8)))) == 1


async def test_the_async_check_works_elsewhere_and_sees_the_callers_context(model_directory: Path) -> None:
    recorder = Recorder()
    guard = Guard(models=model_directory, providers="cpu", observers=[recorder])
    token = caller.set("me")
    try:
        verdict = await guard.acheck("fine", actor="user-1")
    finally:
        caller.reset(token)
    assert plain(verdict) == plain(guard.check("fine"))
    name, thread = recorder.seen[0]
    assert name == "me"
    assert thread != threading.get_ident()
    assert recorder.records[0].actor == "user-1"


async def test_the_event_loop_runs_on_while_a_check_waits(model_directory: Path) -> None:
    let_go = threading.Event()

    class Waiting:
        def on_check(self, record: CheckRecord) -> None:
            assert record.verdict
            assert let_go.wait(60)

    guard = Guard(one_label(1.0), models=model_directory, providers="cpu", observers=[Waiting()])
    checks = [asyncio.create_task(guard.acheck(f"fine {number}")) for number in range(2)]
    await asyncio.sleep(0.05)
    assert not any(check.done() for check in checks)
    let_go.set()  # reached only because the loop was free
    assert all(await asyncio.gather(*checks))


def test_an_observer_that_raises_changes_no_verdict(model_directory: Path) -> None:
    class Broken:
        def on_check(self, record: CheckRecord) -> None:
            raise OSError(record.text_length)

    guard = Guard(one_label(1.0), models=model_directory, providers="cpu", observers=[Broken()])
    assert guard.check("fine")


def test_settings_name_model_policy_and_providers_and_arguments_win(model_directory: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    principle = 'id = "a"\ntext = "No."\nlabel = "toxicity"\nstages = ["input"]\n'
    path.write_text(f'name = "mine"\nversion = "7"\n[[principle]]\n{principle}')
    settings = Settings(model=model_directory, policy=path, providers="cpu", threads=1)
    info = Guard(settings=settings, observers=()).info()
    assert (info.policy.name, info.directory, info.provider_requested) == ("mine", model_directory, "cpu")
    other = Guard(one_label(1.0), providers="auto", settings=settings, observers=()).info()
    assert (other.policy.name, other.provider_requested) == ("one", "auto")
    assert Guard(path, settings=Settings(), observers=()).policy.version == "7"


def test_info_says_what_the_guard_runs_on(guard: Guard, model_directory: Path) -> None:
    info = guard.info()
    assert info.directory == model_directory
    assert info.labels["prompt_injection"] == (Stage.INPUT, Stage.TOOL)
    in_force = {(rule.stage, rule.principle_id, rule.label, rule.action) for rule in info.rules}
    assert in_force == {
        (stage, principle.id, principle.label, principle.action)
        for principle in guard.policy.principles
        for stage in principle.stages
    }
    assert all(0.0 <= rule.threshold <= 1.0 for rule in info.rules)
    assert {"guardsdk", "python", "onnxruntime", "tokenizers", "numpy"} <= info.versions.keys()
    assert info.versions["guardsdk"] == guardsdk.__version__
    assert (info.provider_active, info.provider_reason) == ("CPUExecutionProvider", None)
    assert info.model_validate_json(info.model_dump_json()) == info


def test_a_guard_is_a_context_manager(model_directory: Path) -> None:
    with Guard(models=model_directory, providers="cpu", observers=()) as guard:
        guard.check("fine")
    with pytest.raises(guardsdk.GuardError, match="closed"):
        guard.check("fine")


def _in_child(guard: Guard, text: str, answer: Connection) -> None:
    answer.send((guard.check(text).model_dump(), guard.check(text).cached))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_forked_child_checks_on_its_own(model_directory: Path) -> None:
    guard = Guard(models=model_directory, providers="cpu", observers=())
    before = guard.check("What is the capital of Portugal?")
    assert guard._cache is not None
    receive, send = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    # Forked in the worst moment: with the guard's and the cache's locks held.
    with guard._loader._lock, guard._cache._lock:
        child = context.Process(target=_in_child, args=(guard, "What is the capital of Portugal?", send))
        child.start()
    assert receive.poll(120)
    dumped, cached_then = receive.recv()
    child.join(60)
    assert child.exitcode == 0
    assert plain(Verdict.model_validate(dumped)) == plain(before)
    assert cached_then
