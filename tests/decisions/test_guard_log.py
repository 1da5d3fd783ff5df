"""A guard writes every decision down, and what follows where it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guardsdk import Guard, guarded
from guardsdk.decisions import DecisionLog, LogRules
from guardsdk.decisions.verify import verify
from guardsdk.errors import CheckFailedError, GuardError, InputError, InputTypeError, PolicyError
from guardsdk.policy.model import Policy
from guardsdk.policy.monitoring import Enforcement
from guardsdk.verdict import Action, Stage, Status
from tests.blocking import blocking_policy
from tests.recording import Recorder
from tests.tiny import write_model

TEXT = "What is the capital of Portugal?"
PRINCIPLE = """
[[principle]]
id = "x"
text = "x"
label = "prompt_injection"
stages = ["input"]
threshold = 1.0
action = "block"
"""
LOGGED = """
name = "p"
version = "1"

[decision_log]
path = "decisions.jsonl"
fsync = "always"
"""


def decisions(path: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["kind"] == "decision"]


def test_every_check_is_a_line_that_says_what_the_verdict_says(model_directory: Path, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "decisions.jsonl"
    policy = blocking_policy(Stage.TOOL)
    with Guard(policy, models=model_directory, providers="cpu", observers=(), decision_log=path) as guard:
        verdicts = [
            guard.check(TEXT, actor="ada"),
            guard.check(TEXT, stage="tool"),
            *guard.check_many([TEXT, "", "x"]),
        ]
    for line, verdict in zip(decisions(path), verdicts, strict=True):
        assert line["action"] == verdict.action
        assert line["stage"] == verdict.stage
        assert line["principle"] == verdict.principle_id
        assert line["scores"] == verdict.scores
        assert line["margins"] == {one.principle_id: one.margin for one in verdict.evaluations}
        assert line["cached"] == verdict.cached
        assert line["duration_s"] == verdict.duration_s
        assert (line["model"] is None) == (verdict.model is None)
        assert line["policy"] == policy.ref.model_dump()
    assert verify(path).sound


def test_the_policy_can_switch_it_on(model_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    policy = Policy.from_toml(LOGGED + PRINCIPLE)
    with Guard(policy, models=model_directory, providers="cpu", observers=()) as guard:
        guard.check(TEXT)
    assert len(decisions(tmp_path / "decisions.jsonl")) == 1
    assert policy.digest != policy.model_copy(update={"decision_log": None}).digest


def test_a_slip_in_the_policy_is_named() -> None:
    with pytest.raises(PolicyError, match=r"unknown key decision_log.fsnyc; did you mean 'fsync'"):
        Policy.from_toml(LOGGED.replace("fsync", "fsnyc") + PRINCIPLE)
    with pytest.raises(PolicyError, match=r"decision_log.fsync"):
        Policy.from_toml(LOGGED.replace("always", "often") + PRINCIPLE)


def test_a_path_in_the_argument_wins_over_that_of_the_policy(model_directory: Path, tmp_path: Path) -> None:
    rules = LogRules(path=str(tmp_path / "policy.jsonl"))
    policy = blocking_policy().model_copy(update={"decision_log": rules})
    mine = tmp_path / "mine.jsonl"
    with Guard(policy, models=model_directory, providers="cpu", observers=(), decision_log=mine) as guard:
        guard.check(TEXT)
    assert mine.exists()
    assert not (tmp_path / "policy.jsonl").exists()


def test_what_is_no_log_is_refused(model_directory: Path) -> None:
    with pytest.raises(InputError, match="null character"):
        Guard(models=model_directory, decision_log="a\0b")
    with pytest.raises(InputTypeError, match="decision_log must be a path or a DecisionLog, not int"):
        Guard(models=model_directory, decision_log=7)  # type: ignore[arg-type]  # on purpose
    policy = blocking_policy().model_copy(update={"decision_log": LogRules()})
    with pytest.raises(InputError, match=r"policy 'p' has a table \[decision_log\] without a path"):
        Guard(policy.model_copy(update={"name": "p"}), models=model_directory)


def test_a_log_in_the_folder_of_the_user_is_found_there_by_writers_and_readers(
    model_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(work)
    policy = Policy.from_toml(LOGGED.replace("decisions.jsonl", "~/logs/decisions.jsonl") + PRINCIPLE)
    with Guard(policy, models=model_directory, providers="cpu", observers=()) as guard:
        guard.check(TEXT)
    with Guard(models=model_directory, providers="cpu", observers=(), decision_log="~/logs/decisions.jsonl") as guard:
        guard.check(TEXT)
    assert (home / "logs" / "decisions.jsonl").is_file()
    assert verify(Path("~/logs/decisions.jsonl")).decisions == 2
    assert list(work.iterdir()) == []
    assert DecisionLog("~no such user").path == work.resolve() / "~no such user"


@pytest.fixture
def told() -> Recorder:
    return Recorder()


def unwritable(models: Path, folder: Path, on_error: str, policy: Policy, told: Recorder) -> Guard:
    (folder / "file").write_text("")
    log = DecisionLog(folder / "file" / "decisions.jsonl", LogRules.model_validate({"on_error": on_error}))
    return Guard(policy, models=models, providers="cpu", observers=[told], decision_log=log)


def test_by_default_checks_go_on_without_the_log(model_directory: Path, tmp_path: Path, told: Recorder) -> None:
    guard = unwritable(model_directory, tmp_path, "serve", blocking_policy(), told)
    assert guard.check(TEXT)
    assert [record.verdict.status for record in told.records] == [Status.COMPLETE]


def test_actors_are_watched_and_limited_without_the_log_and_named_as_in_it_once_it_is_written(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", strong=4.0)
    toml = 'name = "p"\nversion = "1"\n[monitor.enforcement]\n' + PRINCIPLE.replace("1.0", "0.9")
    policy = Policy.from_toml(toml)
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("")
    path = in_the_way / "decisions.jsonl"
    with Guard(policy, models=model, providers="cpu", observers=(), decision_log=path) as guard:
        assert guard.check("filler", actor="ada").status is Status.COMPLETE
        for _ in range(8):
            guard.check("attack", actor="ada")
        monitor = guard.monitor
        assert monitor is not None
        assert monitor.checks == 9
        (alert,) = monitor.alerts
        assert monitor.limits("ada", alert.time_ns) == Enforcement()
        monitor.save(tmp_path / "state.json")
        in_the_way.unlink()
        guard.check("filler", actor="bob")
        assert monitor.pseudonym("ada") == DecisionLog(path).pseudonym("ada") != alert.actor
        assert decisions(path)[0]["actor"] == monitor.pseudonym("bob")


def test_a_policy_may_hold_back_what_was_not_written_down(
    model_directory: Path, tmp_path: Path, told: Recorder
) -> None:
    guard = unwritable(model_directory, tmp_path, "block", blocking_policy(), told)
    verdict = guard.check(TEXT)
    assert not verdict.allowed
    assert (verdict.status, verdict.action, verdict.principle_id) == (Status.FAILED, Action.BLOCK, None)
    assert verdict.incomplete_layers == ("decision_log",)
    assert verdict.error is not None
    assert verdict.error.startswith("DecisionLogError: ")
    assert verdict.scores
    assert [record.verdict for record in told.records] == [verdict]

    @guarded(guard=guard)
    def ask(prompt: str) -> str:
        return prompt

    with pytest.raises(CheckFailedError, match="DecisionLogError"):
        ask(TEXT)


def test_a_block_that_was_not_written_down_stays_the_principles_own(
    model_directory: Path, tmp_path: Path, told: Recorder
) -> None:
    verdict = unwritable(model_directory, tmp_path, "block", blocking_policy(Stage.INPUT), told).check(TEXT)
    assert (verdict.action, verdict.principle_id, verdict.status) == (Action.BLOCK, "all-input", Status.FAILED)


def test_in_shadow_mode_texts_pass_all_the_same(model_directory: Path, tmp_path: Path, told: Recorder) -> None:
    shadow = blocking_policy().model_copy(update={"shadow": True})
    verdict = unwritable(model_directory, tmp_path, "block", shadow, told).check(TEXT)
    assert (verdict.allowed, verdict.would_action, verdict.status) == (True, Action.BLOCK, Status.FAILED)


def test_closing_the_guard_flushes_the_log(
    model_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[DecisionLog] = []

    def flush(one: DecisionLog) -> None:
        flushed.append(one)

    monkeypatch.setattr(DecisionLog, "flush", flush)
    log = DecisionLog(tmp_path / "decisions.jsonl")
    guard = Guard(models=model_directory, observers=(), decision_log=log)
    guard.close()
    assert flushed == [log]
    with pytest.raises(GuardError, match="closed"):
        guard.check(TEXT)


@pytest.mark.parametrize(
    ("word", "keys"), [("none", set()), ("hash", {"guardsdk.text.hash"}), ("full", {"guardsdk.text"}), ("all", set())]
)
def test_a_text_is_in_the_log_only_where_that_was_asked_for(
    model_directory: Path, tmp_path: Path, word: str, keys: set[str]
) -> None:
    path = tmp_path / "decisions.jsonl"
    log = DecisionLog(path, LogRules(capture_text=word))
    with Guard(blocking_policy(), models=model_directory, providers="cpu", observers=(), decision_log=log) as guard:
        guard.check(TEXT)
    (line,) = decisions(path)
    assert {name for name in line if name.startswith("guardsdk.")} == keys
    assert (TEXT in path.read_text()) == (word == "full")
