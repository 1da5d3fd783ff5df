"""``guardsdk policy teach``: two files in, a lesson out, and in words what it is worth."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from guardsdk.policy.lint import lint
from guardsdk.policy.model import Policy
from guardsdk.teaching.lesson import OPENING, Lesson
from tests.teaching.examples import ALLOWED, LEGAL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "violates.txt").write_text("\n".join([*LEGAL, LEGAL[0]]), encoding="utf-8")
    rows = [json.dumps({"text": text}) + "\n" for text in (*ALLOWED, "", " ")]  # blank ones are no examples
    (tmp_path / "allowed.jsonl").write_text("".join(rows))
    return ["--violates", str(tmp_path / "violates.txt"), "--allowed", str(tmp_path / "allowed.jsonl")]


def test_a_lesson_is_written_and_its_worth_is_said(run: Runner, files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "my lesson.json"
    model = ["--model", str(run._model)]
    assert run.alone("policy", "teach", "no-legal-advice", *files, "--out", out, *model) == 0
    lesson = Lesson.load(out)
    assert out.read_text(encoding="utf-8").startswith(OPENING)  # another one may be written over it
    assert (lesson.recall.total, lesson.flagged_allowed.total) == (20, 12)  # what is given twice counts once
    assert "armed at" in run.out
    assert str(lesson.recall) in run.out
    assert LEGAL[3] not in run.out
    assert f"taught=['{out}']), or try it: guardsdk check --taught '{out}' TEXT" in run.err


def test_examples_that_do_not_support_it_end_in_one_and_write_nothing(run: Runner, tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("\n".join(["", *LEGAL[:2], LEGAL[0], *ALLOWED[:3]]))
    out = tmp_path / "lesson.json"
    arguments: list[str | Path] = [
        "policy",
        "teach",
        "x",
        "--violates",
        few,
        "--with-text",
        "--out",
        out,
        "--model",
        run._model,
    ]
    assert run.alone(*arguments) == 1
    assert "NOT ARMED" in run.out
    assert "refused: " in run.out
    assert "confusing: violates[" in run.out
    lines = few.read_text().splitlines()
    confusing = re.findall(rf'\({re.escape(str(few))}:(\d+)\), score \S+: (".*")', run.out)
    assert confusing
    assert all(lines[int(number) - 1] == json.loads(text) for number, text in confusing)
    assert not out.exists()
    assert run.alone(*arguments, "--json") == 1
    assert json.loads(run.out)["refusals"]


def test_a_bad_line_is_named(run: Runner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "fine"}\n{"txt": "no"}\n')
    assert run.alone("policy", "teach", "x", "--violates", bad, "--model", run._model) == 2
    assert "bad.jsonl:2: no field 'text'" in run.err


def test_a_text_that_is_of_both_kinds_is_named_by_its_lines(run: Runner, tmp_path: Path) -> None:
    violates, allowed = tmp_path / "violates.txt", tmp_path / "allowed.txt"
    violates.write_text("\n".join(["", *LEGAL]))
    allowed.write_text("\n".join([*ALLOWED, LEGAL[2]]))
    assert run.alone("policy", "teach", "x", "--violates", violates, "--allowed", allowed, "--model", run._model) == 2
    assert f"{violates}:4 and {allowed}:{len(ALLOWED) + 1} hold the same text" in run.err
    assert LEGAL[2] not in run.err


def test_lint_knows_that_a_taught_label_is_none_of_the_models() -> None:
    policy = Policy.from_toml(
        'name = "p"\nversion = "1"\n[[principle]]\nid = "x"\ntext = "No."\nlabel = "taught.x"\nstages = ["input"]\n'
    )
    assert {one.rule for one in lint(policy, {})} == {"stage", "refs", "words", "taught"}
