"""``guardsdk calibrate``: own texts in, an overlay policy out that holds what it says."""

from __future__ import annotations

import json
import math
import os
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from guardsdk import Guard, Policy
from guardsdk.calibration.meaning import KNOTS
from guardsdk.policy.recalibrating import Recalibration
from models.training.banks import bank
from tests.teaching.examples import LEGAL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner

BASE = """
name = "mine"
version = "7"

[[principle]]
id = "no-injection"
text = "No."
label = "prompt_injection"
stages = ["input"]
threshold = 0.0001

[[principle]]
id = "no-hidden"
text = "No."
label = "hidden_text"
stages = ["input", "output"]
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "mine.toml").write_text(BASE, encoding="utf-8")
    texts = [{"said": text} for text in bank("benign_everyday")]
    (tmp_path / "benign.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts) + "no json\n")
    found = Policy.default().principle("no-instruction-override").examples
    rows = [{"said": one.text} for one in found if one.expect != "allow"]
    (tmp_path / "violating.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


class _Outside(HTMLParser):
    """Every address a page would load something from."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {value}" for name, value in attrs if name in {"src", "href"} and str(value)[0] != "#"]


def test_the_overlay_holds_what_it_says_and_extends_the_policy_it_was_made_for(
    run: Runner, files: Path, model_directory: Path
) -> None:
    out, report = files / "tuned.toml", files / "report.html"
    status = run(
        *("calibrate", "--benign", files / "benign.jsonl", "--violations", files / "violating.jsonl"),
        *("--field", "said", "--policy", files / "policies" / "mine.toml", "--fpr", "0.05"),
        *("--out", out, "--report", report, "--meaning", "isotonic", "--json"),
    )
    assert (status, "1 line holds no text: line " in run.err, "no-hidden is left as it is" in run.err) == (
        0,
        True,
        True,
    )
    result = json.loads(run.out)
    (choice,) = result["principles"]
    assert choice["what"] == "raised"
    assert choice["after"]["at_most"] <= 0.05
    assert choice["meaning"]
    tuned = Policy.from_file(out)
    assert (tuned.name, tuned.extends, tuned.on_error) == ("mine-tuned", "policies/mine.toml", "block")
    assert tuned.principle("no-injection").threshold == choice["after"]["threshold"]
    assert tuned.principle("no-hidden") == Policy.from_toml(BASE).principle("no-hidden")
    with Guard(tuned, models=model_directory, providers="cpu", observers=()) as guard:
        verdicts = guard.check_many(list(bank("benign_everyday")))
    flagged = sum(any(one.principle_id == "no-injection" for one in verdict.findings) for verdict in verdicts)
    assert choice["after"]["flagged"].startswith(f"{flagged} of {len(bank('benign_everyday'))} ")
    written = out.read_text() + report.read_text() + run.out
    assert result["benign"]["sha256"] in out.read_text()
    assert not any(text in written for text in bank("benign_everyday") if len(text) > 30)
    page = _Outside()
    page.feed(report.read_text())
    assert page.found == []


def test_a_policy_is_not_tuned_on_texts_read_without_what_was_to_be_read_beside_them(run: Runner, files: Path) -> None:
    out = files / "tuned.toml"
    options = ("--field", "said", "--context-field", "promt", "--policy", files / "policies" / "mine.toml")
    assert run("calibrate", "--benign", files / "benign.jsonl", *options, "--out", out) == 2
    assert run.err.endswith(f"{files / 'benign.jsonl'}: no line has a field 'promt'\n")
    assert not out.exists()


def test_recalibrated_it_decides_as_it_would_without_and_once_more_on_top(
    run: Runner, files: Path, model_directory: Path
) -> None:
    common = (
        *("calibrate", "--benign", files / "benign.jsonl", "--violations", files / "violating.jsonl"),
        *("--field", "said", "--fpr", "0.05", "--json"),
    )
    mine, plain, scaled, again = (
        files / name for name in ("policies/mine.toml", "plain.toml", "scaled.toml", "again.toml")
    )
    assert run(*common, "--policy", mine, "--out", plain) == 0
    assert run(*common, "--policy", mine, "--out", scaled, "--recalibrate", "--report", files / "page.html") == 0
    (told,) = json.loads(run.out)["recalibrate"]
    assert told["label"] == "prompt_injection"
    assert "Recalibrated labels" in (files / "page.html").read_text()
    assert run(*common, "--policy", scaled, "--out", again, "--recalibrate") == 0
    texts = [*bank("benign_everyday")[:60], *(json.loads(row)["said"] for row in (files / "violating.jsonl").open())]
    found = {}
    for path in (plain, scaled, again):
        with Guard(Policy.from_file(path), models=model_directory, providers="cpu", observers=()) as guard:
            found[path] = guard.check_many(texts)
    for one, two, three in zip(*found.values(), strict=True):
        assert one.action is two.action  # the third has a line of its own, from steps on another scale
        before, after, last = (verdict.scores["prompt_injection"] for verdict in (one, two, three))
        odds = told["slope"] * math.log(before / (1.0 - before)) + told["intercept"]
        assert after == pytest.approx(1.0 / (1.0 + math.exp(-odds)))
        # What was fitted on recalibrated scores finds nothing left to change, but for the steps scores are counted in.
        assert last == pytest.approx(after, abs=0.1)
    assert len(Policy.from_file(again).recalibrate) == 1


def test_recalibrated_on_top_of_a_recalibrated_policy_it_decides_as_it_would_without(
    run: Runner, files: Path, model_directory: Path
) -> None:
    common = (
        *("calibrate", "--benign", files / "benign.jsonl", "--violations", files / "violating.jsonl"),
        *("--field", "said", "--fpr", "0.05", "--json"),
    )
    scaled, plain, curved = (files / name for name in ("scaled.toml", "plain.toml", "curved.toml"))
    assert run(*common, "--policy", files / "policies" / "mine.toml", "--out", scaled, "--recalibrate") == 0
    assert run(*common, "--policy", scaled, "--out", plain) == 0
    assert run(*common, "--policy", scaled, "--out", curved, "--recalibrate", "isotonic") == 0
    (told,) = json.loads(run.out)["recalibrate"]
    before, after = (Policy.from_file(path).principle("no-injection").threshold for path in (plain, curved))
    assert (type(before), type(after)) == (float, float)
    assert after == Recalibration.model_validate(told).of(float(before))  # the line on the new scale, once
    texts = [*bank("benign_everyday")[:60], *(json.loads(row)["said"] for row in (files / "violating.jsonl").open())]
    found = []
    for path in (plain, curved):
        with Guard(Policy.from_file(path), models=model_directory, providers="cpu", observers=()) as guard:
            found.append([verdict.action for verdict in guard.check_many(texts)])
    assert found[0] == found[1]


def test_an_isotonic_curve_is_written_and_decides_as_without_it(
    run: Runner, files: Path, model_directory: Path
) -> None:
    common = (
        *("calibrate", "--benign", files / "benign.jsonl", "--violations", files / "violating.jsonl"),
        *("--field", "said", "--fpr", "0.05", "--json", "--policy", files / "policies/mine.toml"),
    )
    plain, curved = files / "plain.toml", files / "curved.toml"
    assert run(*common, "--out", plain) == 0
    assert run(*common, "--out", curved, "--recalibrate", "isotonic", "--report", files / "page.html") == 0
    (told,) = json.loads(run.out)["recalibrate"]
    assert 2 <= len(told["points"]) <= KNOTS
    assert f"{len(told['points'])} points" in (files / "page.html").read_text()
    texts = [*bank("benign_everyday")[:40], *(json.loads(row)["said"] for row in (files / "violating.jsonl").open())]
    verdicts = []
    for path in (plain, curved):
        with Guard(Policy.from_file(path), models=model_directory, providers="cpu", observers=()) as guard:
            verdicts.append(guard.check_many(texts))
    (scale,) = Policy.from_file(curved).recalibrate
    for one, two in zip(*verdicts, strict=True):
        assert one.action is two.action
        assert two.scores["prompt_injection"] == scale.of(one.scores["prompt_injection"])


def test_texts_that_cannot_show_the_rate_write_nothing(run: Runner, files: Path) -> None:
    out = files / "tuned.toml"
    arguments: list[str | Path] = ["calibrate", "--benign", files / "benign.jsonl", "--field", "said", "--out", out]
    assert run(*arguments, "--policy", files / "policies" / "mine.toml", "--fpr", "0.001") == 1
    assert "it takes 2995 without a hit" in run.out
    assert not out.exists()
    assert "nothing written" in run.err


def test_a_policy_with_the_name_of_a_packaged_one_is_extended_and_not_that_one(
    run: Runner, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    (files / "strict").write_text(BASE, encoding="utf-8")
    arguments = ["calibrate", "--benign", "benign.jsonl", "--field", "said", "--policy", "./strict", "--fpr", "0.05"]
    assert run(*arguments, "--out", "my own.toml") == 0
    assert "guardsdk policy diff ./strict 'my own.toml' --on FILE" in run.err
    tuned = Policy.from_file("my own.toml")
    assert (tuned.extends, [one.id for one in tuned.principles]) == ("./strict", ["no-injection", "no-hidden"])


def test_an_overlay_is_read_from_where_it_is_named_though_it_lies_elsewhere(run: Runner, files: Path) -> None:
    (files / "elsewhere" / "deep").mkdir(parents=True)
    named = files / "tuned.toml"
    named.symlink_to(files / "elsewhere" / "deep" / "tuned.toml")
    arguments: list[str | Path] = ["calibrate", "--benign", files / "benign.jsonl", "--field", "said", "--fpr", "0.05"]
    assert run(*arguments, "--policy", files / "policies" / "mine.toml", "--out", named) == 0
    assert Policy.from_file(named).extends == "policies/mine.toml"


def test_a_policy_that_no_overlay_can_name_is_refused_before_the_work(run: Runner, files: Path) -> None:
    named = files / os.fsdecode(b"mine\xff.toml")
    try:
        named.write_text(BASE, encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    arguments: list[str | Path] = ["calibrate", "--benign", files / "benign.jsonl", "--policy", named]
    assert run(*arguments, "--out", files / "tuned.toml") == 2
    assert "has a path that is no UTF-8, which no policy can extend" in run.err


def test_a_blank_text_is_no_evidence(run: Runner, files: Path) -> None:
    (files / "blank.jsonl").write_text('{"said": ""}\n{"said": " "}\n{"said": "Is the library open today?"}\n')
    arguments: list[str | Path] = ["calibrate", "--benign", files / "blank.jsonl", "--field", "said", "--json"]
    assert run(*arguments, "--policy", files / "policies" / "mine.toml", "--out", files / "tuned.toml") == 1
    benign = json.loads(run.out)["benign"]
    assert (benign["texts"], benign["unchecked"]) == (1, 0)


def test_copies_of_a_text_are_no_evidence(run: Runner, files: Path) -> None:
    (files / "copies.txt").write_text("Is the library open today?\n" * 30 + "Is  the library open today?\n")
    arguments: list[str | Path] = ["calibrate", "--benign", files / "copies.txt", "--fpr", "0.2"]
    arguments += ["--policy", files / "policies" / "mine.toml", "--out", files / "tuned.toml"]
    assert run(*arguments) == 1
    assert "31 texts of which 1 differ cannot show 0.2: it takes 14 that differ without a hit" in run.out
    assert "benign texts: 31 of which 1 differ; a copy is no further evidence" in run.out
    assert run(*arguments, "--json") == 1
    assert json.loads(run.out)["benign"]["different"] == 1
    assert not (files / "tuned.toml").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--fpr", "5"], "share between 0 and 1"),
        (["--stage", "tool"], "no principle for stage tool alone"),
        (["--meaning", "platt"], "--meaning and --recalibrate need --violations"),
        (["--recalibrate"], "--meaning and --recalibrate need --violations"),
        (["--violations", "empty.txt"], "empty.txt holds no text that could be checked"),
        (["--benign", "empty.txt"], "empty.txt holds no text that could be checked"),
        (["--benign", "wide.txt"], "wide.txt holds no text that could be checked"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Runner, files: Path, changes: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    (files / "few.txt").write_text("\n".join(LEGAL[:2]))
    (files / "empty.txt").write_text("\n")
    (files / "wide.txt").write_text("An ordinary text.\n", encoding="utf-16")
    arguments = ["calibrate", "--benign", "few.txt", "--policy", "policies/mine.toml", "--out", "out.toml"]
    assert run(*arguments, *changes) == 2
    assert said in run.err
