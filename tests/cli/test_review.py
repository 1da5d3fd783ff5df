"""``guardsdk review``: decisions of a real log, shown, marked in a list, and learned from."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from guardsdk import Guard, Policy
from guardsdk.decisions import DecisionLog, LogRules
from guardsdk.decisions.marks import marks_of, marks_path
from guardsdk.decisions.query import Query, records
from guardsdk.monitor import Monitor
from guardsdk.observing import CheckRecord
from guardsdk.verdict import Action, Evaluation, Stage, Status, Verdict
from tests.decisions.conftest import record as checked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner

TEXTS = ("Good morning.", "What is the capital of Peru?", "Please book a table.", "Thank you very much.")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory, model_directory: Path) -> Path:
    """Ordinary texts stopped by a line that is far too low, and an answer."""
    path = tmp_path_factory.mktemp("log") / "decisions.jsonl"
    principles = [
        {"id": "no-injection", "text": "No.", "label": "prompt_injection", "stages": ["input"], "threshold": 1e-9},
        {"id": "no-harm", "text": "No.", "label": "harmful_response", "stages": ["output"], "threshold": 0.0},
    ]
    policy = Policy.model_validate({"name": "p", "version": "1", "principles": principles})
    with Guard(policy, models=model_directory, providers="cpu", observers=(), decision_log=path) as guard:
        guard.check_many(TEXTS)
        guard.check("An answer.", stage="output")
    return path


def numbers(log: Path, stage: str) -> list[int]:
    return [record["seq"] for record in records(log, Query(stage=stage))]


def typed(words: str) -> io.TextIOWrapper:
    """Return what stands in for standard input: like the real one, bytes below characters."""
    return io.TextIOWrapper(io.BytesIO(words.encode()), encoding="utf-8")


def test_a_text_that_is_shown_gives_the_terminal_no_orders(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "decisions.jsonl"
    text = "Grüße \x9b2J\x1b[2J \u202eto\u200b all\U000e0041 \U0001f600"
    DecisionLog(path, LogRules(capture_text="full")).record([replace(checked(fired=True), checked_text=text)])
    monkeypatch.setattr(sys, "stdin", typed("q\n"))
    assert run.alone("review", "mark", path) == 0
    shown = run.out.partition("characters: ")[2].splitlines()[0]
    assert shown.isprintable()
    assert shown.startswith('"Grüße \\u009b2J')
    assert json.loads(shown) == text


def test_decisions_are_marked_one_by_one_and_what_was_said_before_quitting_is_kept(
    run: Runner, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", typed("w\nx\ns\nwrong\nq\n"))
    assert run.alone("review", "mark", log, "--stage", "input", "--by", "dana") == 0
    assert run.out.count("right, wrong, skip or quit?") == 5
    assert "no-injection" in run.out
    assert "not in the log" in run.out
    assert not any(text in run.out for text in TEXTS)
    marks = marks_of(log)
    assert [mark.said for mark in marks.values()] == ["wrong", "wrong"]
    assert {mark.by for mark in marks.values()} == {"dana"}
    monkeypatch.setattr(sys, "stdin", typed(""))  # nobody there: nothing more is marked
    assert run.alone("review", "mark", log, "--stage", "input") == 0
    assert marks_of(log) == marks


def test_going_on_asks_about_those_behind_the_ones_that_are_marked(
    run: Runner, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks_path(log).unlink(missing_ok=True)
    for done in (3, 4):
        monkeypatch.setattr(sys, "stdin", typed("r\nr\nr\n"))
        assert run.alone("review", "mark", log, "--stage", "input", "--most", "3") == 0
        assert len(marks_of(log)) == done
    assert run.alone("review", "mark", log, "--stage", "input", "--most", "3") == 0
    assert "or all are marked" in run.err


def test_a_threshold_is_suggested_that_would_have_let_them_pass(run: Runner, log: Path) -> None:
    sets = [part for number in numbers(log, "input") for part in ("--set", f"{number}=wrong")]
    assert run.alone("review", "mark", log, *sets) == 0
    assert run.alone("review", "suggest", log, "--json") == 0
    (found,) = json.loads(run.out)
    assert found["principle"] == "no-injection"
    assert (found["put_right"], found["put_wrong"], found["changed"]) == (4, 0, 4)
    scores = [record["scores"]["prompt_injection"] for record in records(log, Query(stage="input"))]
    assert max(scores) < found["suggested"] <= 1.0
    assert run.alone("review", "suggest", log) == 0
    assert "raise no-injection on input" in run.out


def test_a_suggestion_comes_with_what_the_monitor_saw(run: Runner, log: Path, tmp_path: Path) -> None:
    principle = {"id": "no-injection", "text": "No.", "label": "prompt_injection", "stages": ["input"]}
    monitor = Monitor(Policy.model_validate({"name": "p", "version": "1", "principles": [principle]}))
    for number in range(40):
        reached = number >= 30
        score = 0.5 + 0.001 * (number - 30)  # every text close to the line
        seen = Evaluation(
            principle_id="no-injection",
            label="prompt_injection",
            score=score,
            threshold=0.5,
            margin=score - 0.5,
            fired=reached,
        )
        verdict = Verdict(
            allowed=not reached,
            action=Action.BLOCK if reached else Action.ALLOW,
            status=Status.COMPLETE,
            stage=Stage.INPUT,
            coverage=1.0,
            principle_id="no-injection" if reached else None,
            scores={"prompt_injection": score},
            evaluations=(seen,),
        )
        monitor.on_check(CheckRecord(verdict, number * 10**9, 20, "dana"))
    assert monitor.alerts
    state = tmp_path / "monitor.json"
    monitor.save(state)
    sets = [part for number in numbers(log, "input") for part in ("--set", f"{number}=wrong")]
    assert run.alone("review", "mark", log, *sets) == 0
    assert run.alone("review", "suggest", log, "--monitor", state, "--json") == 0
    (found,) = json.loads(run.out)
    assert (found["monitor"]["checks"], found["monitor"]["decided"]) == (40, 10)
    assert found["monitor"]["boundary"] == 1.0
    assert sum(found["monitor"]["alerts"].values()) == len(monitor.alerts)
    assert run.alone("review", "suggest", log, "--monitor", state) == 0
    assert "the monitor: of 40 checks the principle decided 10; 100.00% of the newest texts" in run.out
    state.write_text("{}")
    assert run.alone("review", "suggest", log, "--monitor", state) == 2
    assert "monitor.json: no state of a monitor" in run.err


def test_answers_rightly_stopped_are_exported(run: Runner, log: Path, tmp_path: Path) -> None:
    (number,) = numbers(log, "output")
    answers, out = tmp_path / "answers.jsonl", tmp_path / "pairs.jsonl"
    row = {"seq": number, "prompt": "Ask.", "answer": "An answer.", "revised": "A better one."}
    answers.write_text(json.dumps(row) + "\n")
    assert run.alone("review", "export", log, "--answers", answers, "--out", out) == 2  # nobody has marked it yet
    assert f"nothing written to {out}: none of 1 answers was stopped by a decision marked right" in run.err
    assert not out.exists()
    assert run.alone("review", "mark", log, "--set", f"{number}=right") == 0
    assert run.alone("review", "export", log, "--answers", answers, "--out", out) == 0
    assert json.loads(out.read_text()) == {"prompt": "Ask.", "chosen": "A better one.", "rejected": "An answer."}
    answers.write_text("[]\n")
    assert run.alone("review", "export", log, "--answers", answers, "--out", out) == 2
    assert "answers.jsonl:1: not a JSON object" in run.err
    answers.write_text(f"{json.dumps(row)}\n\n" + json.dumps(row | {"prompt": " "}))
    assert run.alone("review", "export", log, "--answers", answers, "--out", out) == 2
    assert f"{answers}:3: prompt must be a text" in run.err


def test_what_cannot_be_marked_is_said(run: Runner, log: Path) -> None:
    assert run.alone("review", "mark", log, "--principle", "no-inject") == 0
    assert "no decision to ask about" in run.err
    assert run.alone("review", "mark", log, "--set", "99999=right") == 2
    assert "has no decision 99999" in run.err
    assert run.alone("review", "mark", log, "--set", "1=maybe") == 2
    assert "such as 17=wrong" in run.err
    for choice in (("--stage", "input"), ("--principle", "no-jailbreak"), ("--passed",)):
        assert run.alone("review", "mark", log, "--set", "1=right", *choice) == 2
        assert "--set marks decisions by number" in run.err
