"""A scan in several processes gives what one gives, and one that was cut short goes on where it left off."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard, GuardError
from guardsdk.cli import workers
from guardsdk.cli.lines import Line
from guardsdk.cli.workers import How, checked

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    lines = [json.dumps({"text": f"What is {number} times seven?"}) for number in range(9)]
    path.write_text("\n".join([*lines[:4], "{no json", *lines[4:]]), encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in found:
        row.get("verdict", {}).pop("duration_s", None)
    return found


def test_two_processes_write_the_rows_of_one(run: Runner, allows: Path, texts: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    assert run("scan", texts, "--policy", allows, "--out", one) == 2
    assert run("scan", texts, "--policy", allows, "--out", two, "--processes", "2", "--batch", "2") == 2
    assert rows(two) == rows(one)
    assert [row["line"] for row in rows(two)] == list(range(1, 11))


def test_a_process_that_dies_ends_the_scan_and_names_the_way_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # What cannot be loaded in the child ends it; "spawn" hands over the options and nothing else.
    monkeypatch.setattr(workers, "_begin", exit)
    how = How("input", None, None, "cpu")
    with Guard() as guard, pytest.raises(GuardError, match="--resume"):
        list(checked([[Line(1, 10, text="One.")]], guard, how, 2))


def test_batches_are_read_only_a_few_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def batches() -> Any:
        for number in range(100):
            read.append(number)
            yield [Line(number, 1, text=f"Text {number}.")]

    class Pool:
        def __init__(self, *_: object, **__: object) -> None:
            self.down = False

        def submit(self, _: object, batch: list[Line]) -> Any:
            return type("Done", (), {"result": lambda _: [line.text for line in batch]})()

        def shutdown(self, **_: object) -> None:
            self.down = True

    monkeypatch.setattr(workers, "ProcessPoolExecutor", Pool)
    with Guard() as guard:
        parts = checked(batches(), guard, How("input", None, None, "cpu"), 2)
        first, found = next(parts)
        assert first[0].number == 0
        assert [str(verdict) for verdict in found] == ["Text 0."]
        assert len(read) <= 8
        assert [batch[0].number for batch, _ in parts] == list(range(1, 100))


@pytest.mark.parametrize("kept", [0, 1, 4, 5, 10])
@pytest.mark.parametrize("torn", ["", '{"line": 6, "outcome": "allo'])
def test_a_scan_goes_on_after_its_last_whole_row(
    run: Runner, flags: Path, texts: Path, *, kept: int, torn: str
) -> None:
    whole, part = texts.with_name("whole.jsonl"), texts.with_name("part.jsonl")
    run("scan", texts, "--policy", flags, "--out", whole)
    summary = run.err.split(": ", 2)[2]
    written = whole.read_text(encoding="utf-8").splitlines(keepends=True)
    part.write_text("".join(written[:kept]) + torn, encoding="utf-8")
    assert run("scan", texts, "--policy", flags, "--out", part, "--resume") == 2
    assert rows(part) == rows(whole)
    assert part.read_text(encoding="utf-8").splitlines(keepends=True)[:kept] == written[:kept]
    assert run.err.splitlines()[-1].split(": ", 2)[2] == summary.splitlines()[-1].split(": ")[-1]


def test_resume_begins_where_there_is_nothing_yet(run: Runner, allows: Path, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.jsonl"
    assert run("scan", texts, "--policy", allows, "--out", out, "--resume") == 2
    assert len(rows(out)) == 10


def test_rows_of_another_policy_are_not_gone_on_with(
    run: Runner, allows: Path, flags: Path, texts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    run("scan", texts, "--policy", allows, "--out", out)
    before = out.read_bytes()
    assert run("scan", texts, "--policy", flags, "--out", out, "--resume") == 2
    assert "another policy (allows 1)" in run.err
    assert out.read_bytes() == before


def test_rows_of_another_stage_are_not_gone_on_with(run: Runner, allows: Path, texts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run("scan", texts, "--policy", allows, "--out", out, "--stage", "input")
    before = out.read_bytes()
    assert run("scan", texts, "--policy", allows, "--out", out, "--resume", "--stage", "tool") == 2
    assert "was checked on stage input" in run.err
    assert out.read_bytes() == before


@pytest.mark.parametrize("row", ["[1]", '{"line": "x"}', "plain", '{"line": 1, "outcome": "fine"}'])
def test_a_file_of_something_else_is_left_alone(run: Runner, allows: Path, texts: Path, row: str) -> None:
    out = texts.with_name("out.jsonl")
    out.write_text(f"{row}\n", encoding="utf-8")
    assert run("scan", texts, "--policy", allows, "--out", out, "--resume") == 2
    assert "line 1 of" in run.err
    assert out.read_text(encoding="utf-8") == f"{row}\n"


def test_resume_without_a_file_is_refused(run: Runner, allows: Path, texts: Path) -> None:
    assert run("scan", texts, "--policy", allows, "--resume") == 2
    assert "--resume needs --out" in run.err
