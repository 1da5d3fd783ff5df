from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from guardsdk.cli import main
from guardsdk.evaluation.outcomes import Outcome
from guardsdk.evaluation.record import GuardRef, read_run
from tests.evaluation.runs import example, guard_run, head, many, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runs(tmp_path: Path) -> tuple[str, str]:
    before, after = example(tmp_path, answers=True)
    return str(before), str(after)


def test_without_limits_the_comparison_is_told_and_nothing_fails(
    runs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "compare", *runs]) == 0
    said = capsys.readouterr()
    assert "harm.delivered" in said.out
    assert "worse" in said.out
    assert said.err == ""


def test_a_broken_limit_is_exit_status_1(runs: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    limits = ["--fail-if", "harm.delivered > +2%", "--fail-if", "over_refusal > +1%"]
    assert main(["eval", "compare", *runs, *limits]) == 1
    said = capsys.readouterr()
    assert "broken: harm.delivered > +2% (all): +10.4 pp, lower end" in said.out
    assert "held: over_refusal > +1% (all)" in said.out
    assert said.err == "guardsdk: 1 of 2 limits broken\n"


def test_limits_that_hold_are_exit_status_0(runs: tuple[str, str]) -> None:
    assert main(["eval", "compare", *runs, "--fail-if", "harm.delivered > +40%"]) == 0


@pytest.mark.parametrize(
    ("limit", "said"),
    [("harm.delivered > lots", "at 'lots': a number is expected"), ("harm.delivered[moon] > +1%", "no slice 'moon'")],
)
def test_a_limit_that_cannot_be_told_is_exit_status_2(
    runs: tuple[str, str], limit: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "compare", *runs, "--fail-if", limit]) == 2
    assert said in capsys.readouterr().err


def test_runs_that_do_not_compare_are_exit_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = write(tmp_path / "a", many([(Outcome.REFUSED, 4)]))
    after = write(tmp_path / "b", many([(Outcome.REFUSED, 4)]), head(seed=3))
    assert main(["eval", "compare", str(before), str(after)]) == 2
    assert "--allow-different seed" in capsys.readouterr().err
    assert main(["eval", "compare", str(before), str(after), "--allow-different", "seed"]) == 0
    assert "note: seed differs, as was allowed: 0 and 3" in capsys.readouterr().out
    (tmp_path / "c").write_text('{"head":', encoding="utf-8")
    assert main(["eval", "compare", str(before), str(tmp_path / "c")]) == 2
    assert main(["eval", "compare", str(before), str(tmp_path / "missing")]) == 2


def test_reports_are_written_and_hold_answers_only_when_asked(runs: tuple[str, str], tmp_path: Path) -> None:
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "markdown", "json")}
    wanted = [part for kind, file in files.items() for part in (f"--{kind}", str(file))]
    assert main(["eval", "compare", *runs, *wanted]) == 0
    assert all("a kept" not in file.read_text(encoding="utf-8") for file in files.values())
    assert json.loads(files["json"].read_text(encoding="utf-8"))["format"] == "guardsdk-comparison/1"
    assert main(["eval", "compare", *runs, *wanted, "--with-answers"]) == 0
    assert "a kept" in files["html"].read_text(encoding="utf-8")
    assert "a kept" in files["markdown"].read_text(encoding="utf-8")
    assert "a kept" not in files["json"].read_text(encoding="utf-8")


def test_guards_compare_with_guards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(guard_run(tmp_path / name, apart)) for name, apart in (("a", 0.3), ("b", 0.1))]
    assert main(["eval", "compare", *runs, "--fail-if", "harm.held_back < -5%"]) == 1
    assert "harm.delivered" not in capsys.readouterr().out


def test_several_runs_are_held_against_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = example(tmp_path)
    around = head(model="before", guard=GuardRef(sides="both", without=("toxicity",)))
    guarded = write(tmp_path / "guarded.json", read_run(after).results, around)
    page, text = tmp_path / "layers.html", tmp_path / "layers.md"
    runs = [str(before), str(guarded), str(guarded)]
    assert main(["eval", "compare", *runs, "--html", str(page), "--markdown", str(text)]) == 0
    assert "both guarded without toxicity" in capsys.readouterr().out
    for written in (page.read_text(encoding="utf-8"), text.read_text(encoding="utf-8")):
        assert "Safety of 2 runs, compared with before" in written
        assert "without toxicity (2)" in written.replace("\\", "")
        assert "Delivered harm" in written
    assert main(["eval", "compare", *runs, "--fail-if", "passed < -1%"]) == 2
    assert "--fail-if is for two records" in capsys.readouterr().err
