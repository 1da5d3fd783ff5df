"""``guardsdk policy teach``: two files in, a lesson out, and in words what it is worth."""

from __future__ import annotations

import json
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
    out = tmp_path / "lesson.json"
    model = ["--model", str(run._model)]
    assert run.alone("policy", "teach", "no-legal-advice", *files, "--out", out, *model) == 0
    lesson = Lesson.load(out)
    assert out.read_text(encoding="utf-8").startswith(OPENING)  # another one may be written over it
    assert (lesson.recall.total, lesson.flagged_allowed.total) == (20, 12)  # what is given twice counts once
    assert "armed at" in run.out
    assert str(lesson.recall) in run.out
    assert LEGAL[3] not in run.out
    assert f"taught=['{out}']" in run.err


def test_examples_that_do_not_support_it_end_in_one_and_write_nothing(run: Runner, tmp_path: Path) -> None:
    few = tmp_path / "few.txt"
    few.write_text("\n".join([*LEGAL[:2], *ALLOWED[:3]]))
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
    assert any(text in run.out for text in (*LEGAL[:2], *ALLOWED[:3]))
    assert not out.exists()
    assert run.alone(*arguments, "--json") == 1
    assert json.loads(run.out)["refusals"]


def test_a_bad_line_is_named(run: Runner, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "fine"}\n{"txt": "no"}\n')
    assert run.alone("policy", "teach", "x", "--violates", bad, "--model", run._model) == 2
    assert "bad.jsonl:2: no field 'text'" in run.err


def test_lint_knows_that_a_taught_label_is_none_of_the_models() -> None:
    policy = Policy.from_toml(
        'name = "p"\nversion = "1"\n[[principle]]\nid = "x"\ntext = "No."\nlabel = "taught.x"\nstages = ["input"]\n'
    )
    assert {one.rule for one in lint(policy, {})} == {"stage", "refs", "words", "examples"}
