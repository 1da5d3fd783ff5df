"""``--taught``: what ``guardsdk policy teach`` wrote, given to the commands that look at texts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from guardsdk import Policy
from models.training.banks import bank
from tests.teaching.examples import LEGAL, saved_lesson

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner

ASKED = "Can my landlord throw me out because I was late with the rent?"
NAMED = """name = "named"
version = "1"

[[principle]]
id = "legal-advice-is-for-lawyers"
text = "No legal advice."
label = "taught.no-legal-advice"
stages = ["input"]
examples = [
    { expect = "block", text = "Can my landlord throw me out because I was late with the rent?" },
    { expect = "allow", text = "What time does the court house cafeteria open?" },
]
"""


@pytest.fixture(scope="module")
def lesson(model_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_lesson(model_directory, tmp_path_factory.mktemp("lessons"))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.txt"
    path.write_text(f"{ASKED}\nWhat time is it in Lisbon?\n", encoding="utf-8")
    return path


def test_check_holds_a_text_against_it_and_info_names_it(run: Runner, lesson: Path) -> None:
    assert run("check", ASKED) == 0
    assert run("check", ASKED, "--taught", lesson) == 1
    assert run.out.startswith("BLOCKED by no-legal-advice\n")
    assert run("check", "What time is it in Lisbon?", "--taught", lesson) == 0
    assert run("info", "--taught", lesson, "--json") == 0
    assert list(json.loads(run.out)["taught"]) == ["no-legal-advice"]


@pytest.mark.parametrize("processes", [1, 2])
def test_scan_holds_every_text_against_it(
    run: Runner, lesson: Path, texts: Path, tmp_path: Path, processes: int
) -> None:
    out = tmp_path / "out.jsonl"
    assert run("scan", texts, "--taught", lesson, "--out", out, "--processes", str(processes)) == 1
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["outcome"] for row in rows] == ["blocked", "allowed"]
    assert rows[0]["verdict"]["principle_id"] == "no-legal-advice"


def test_a_scan_is_resumed_with_the_same_lessons_only(run: Runner, lesson: Path, texts: Path, tmp_path: Path) -> None:
    out, rules = tmp_path / "out.jsonl", tmp_path / "rules.toml"
    rules.write_text(NAMED)  # names the label, and learns it from nothing without the lesson
    asked: tuple[str | Path, ...] = ("scan", texts, "--policy", rules, "--out", out)
    assert run(*asked, "--taught", lesson) == 1
    assert run(*asked, "--taught", lesson, "--resume") == 1
    other = _changed(lesson, tmp_path)
    assert run(*asked, "--taught", other, "--resume") == 2
    assert "made with another --taught (no-legal-advice " in run.err


def _changed(lesson: Path, folder: Path) -> Path:
    """Another lesson of the same name, principle and encoder."""
    from guardsdk.teaching.lesson import Lesson

    path = folder / "other.json"
    Lesson.load(lesson).model_copy(update={"threshold": 0.5}).save(path)
    return path


def test_policy_test_tries_examples_with_it(run: Runner, lesson: Path, tmp_path: Path) -> None:
    rules = tmp_path / "named.toml"
    rules.write_text(NAMED)
    assert run("policy", "test", rules) == 2  # one example teaches nothing
    assert "legal-advice-is-for-lawyers" in run.err
    assert run("policy", "test", rules, "--taught", lesson) == 0
    assert "legal-advice-is-for-lawyers  1 of 1  1 of 1  as written" in run.out
    out = tmp_path / "dossier"
    assert run("dossier", "--policy", rules, "--out", out) == 2
    assert run("dossier", "--policy", rules, "--taught", lesson, "--out", out) == 0
    assert "2 of 2 examples of the policy come out as written" in out.with_suffix(".md").read_text(encoding="utf-8")
    assert run("policy", "test", "--taught", lesson, "--principle", "no-legal-advice") == 2
    assert "there is no example to try" in run.err


def test_calibrate_writes_its_principle_with_the_threshold_of_ones_own_text(
    run: Runner, lesson: Path, texts: Path, tmp_path: Path
) -> None:
    benign, violating, tuned = tmp_path / "benign.txt", tmp_path / "violating.txt", tmp_path / "tuned.toml"
    benign.write_text("\n".join(text.replace("\n", " ") for text in bank("benign_everyday")), encoding="utf-8")
    violating.write_text("\n".join(LEGAL), encoding="utf-8")
    (tmp_path / "base.toml").write_text(NAMED.replace("taught.no-legal-advice", "secret").split("examples")[0])
    asked: tuple[str | Path, ...] = ("--benign", benign, "--violations", violating, "--fpr", "0.05", "--out", tuned)
    assert run("calibrate", *asked, "--policy", tmp_path / "base.toml", "--taught", lesson) == 0
    assert f"--on FILE --taught {lesson}" in run.err
    principle = Policy.from_file(tuned).principle("no-legal-advice")
    assert (principle.label, principle.text) == ("taught.no-legal-advice", "No legal advice.")
    assert isinstance(principle.threshold, float)
    assert "# taught: no-legal-advice, sha256 " in tuned.read_text(encoding="utf-8")
    assert run("check", ASKED, "--policy", tuned, "--taught", lesson) == 1
    assert run("check", ASKED, "--policy", tuned) == 2  # names what nobody taught
    assert "--taught FILE" in run.err
    diff: tuple[str | Path, ...] = ("policy", "diff", tmp_path / "base.toml", tuned, "--on", texts)
    assert run(*diff, "--taught", lesson) in (0, 1)
    assert "2 texts: " in run.out


def test_an_evaluation_records_it_and_can_switch_it_off(run: Runner, lesson: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suite.jsonl"
    suite.write_text(json.dumps({"id": "a", "slice": "law", "prompt": ASKED, "expectation": "block"}) + "\n")
    ways: list[tuple[list[str], bool]] = [([], True), (["--without", "taught.no-legal-advice"], False)]
    for number, (options, passed) in enumerate(ways):
        out = tmp_path / f"{number}.json"
        asked: tuple[str | Path, ...] = ("eval", "run", "--target", "guard", "--suite", suite, "--out", out)
        assert run(*asked, "--taught", lesson, *options) == 0
        record = json.loads(out.read_text(encoding="utf-8"))
        assert record["results"][0]["passed"] is passed
        assert list(record["head"]["guard"]["taught"]) == (["no-legal-advice"] if passed else [])


def test_a_run_is_one_of_this_guard_in_a_dossier_only_with_the_same_lesson(
    run: Runner, lesson: Path, tmp_path: Path
) -> None:
    suite, record, rules = tmp_path / "suite.jsonl", tmp_path / "run.json", tmp_path / "named.toml"
    suite.write_text(json.dumps({"id": "a", "slice": "law", "prompt": ASKED, "expectation": "block"}) + "\n")
    rules.write_text(NAMED)
    asked: tuple[str | Path, ...] = ("eval", "run", "--target", "guard", "--suite", suite, "--out", record)
    assert run(*asked, "--policy", rules, "--taught", lesson) == 0
    for given, words in ((lesson, "with this policy and classifier"), (_changed(lesson, tmp_path), "other taught")):
        made: tuple[str | Path, ...] = ("dossier", "--out", tmp_path / "d", "--policy", rules, "--evaluation", record)
        assert run(*made, "--taught", given) == 0
        assert words in (tmp_path / "d.md").read_text(encoding="utf-8")


def test_what_is_no_lesson_is_named_and_a_lesson_is_never_written_over(
    run: Runner, lesson: Path, texts: Path, tmp_path: Path
) -> None:
    assert run("check", ASKED, "--taught", tmp_path / "none.json") == 2
    assert "none.json cannot be read: No such file or directory" in run.err
    before = lesson.read_bytes()
    assert run("scan", texts, "--taught", lesson, "--out", lesson) == 2
    assert run("policy", "test", "--taught", lesson, "--write-known", lesson) == 2
    assert "would be written over" in run.err
    assert lesson.read_bytes() == before
