"""A scan in several processes gives what one gives, and one that was cut short goes on where it left off."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Guard, GuardError
from guardsdk.cli import workers
from guardsdk.cli.lines import Line
from guardsdk.cli.workers import How, checked
from tests.places import environment

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


LASTING = """
import itertools, sys
from guardsdk import Guard
from guardsdk.cli.lines import Line
from guardsdk.cli.workers import How, checked

if __name__ == "__main__":
    lines = ([Line(number, 1, text="One.")] for number in itertools.count(1))
    for _ in checked(lines, Guard(), How("input", None, None, "cpu"), 2):
        print("checked", flush=True)
        sys.stdin.read()
"""


def test_no_process_outlives_a_scan_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "lasting.py"
    program.write_text(LASTING)
    with subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
    ) as scan:
        assert scan.stdout is not None
        assert scan.stdout.readline() == b"checked\n"
        scan.kill()
        # The output of a process ends once everybody has let go of it whom it was handed down to.
        rest, _ = scan.communicate(timeout=120)
        assert rest == b""


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
    assert "another policy (allows 1 then, flags 1 now)" in run.err
    assert out.read_bytes() == before


OTHERWISE = [
    (["--stage", "tool"], ["--stage (input then, tool now)"]),
    (["--field", "prompt"], ["--field (text then, prompt now)"]),
    (["--system-field", "rules"], ["--system-field (none then, rules now)"]),
    (["--context-field", "rules"], ["--context-field (none then, rules now)"]),
    (["--format", "txt"], ["--format (jsonl then, txt now)", "--field (text then, none now)"]),
    (["--with-text"], ["--with-text (not given then, given now)"]),
    (["--no-early-exit"], ["--no-early-exit (not given then, given now)"]),
]


@pytest.mark.parametrize(("options", "told"), OTHERWISE)
def test_rows_made_in_another_way_are_not_gone_on_with(
    run: Runner, allows: Path, texts: Path, tmp_path: Path, *, options: list[str], told: list[str]
) -> None:
    """Either way round, and every difference is named."""
    out = tmp_path / "out.jsonl"
    run("scan", texts, "--policy", allows, "--out", out)
    before = out.read_bytes()
    assert run("scan", texts, "--policy", allows, "--out", out, "--resume", *options) == 2
    assert all(words in run.err for words in told), run.err
    assert run.err.count("\n") == 1
    assert out.read_bytes() == before
    run("scan", texts, "--policy", allows, "--out", out, "--overwrite", *options)
    assert run("scan", texts, "--policy", allows, "--out", out, "--resume") == 2
    assert "made with another" in run.err
    run("scan", texts, "--policy", allows, "--out", out, "--resume", *options)
    assert "made with another" not in run.err


def test_rows_of_another_file_are_not_gone_on_with(run: Runner, allows: Path, texts: Path, tmp_path: Path) -> None:
    """Of the same file in another directory they are: a file that was moved has its name."""
    out = tmp_path / "out.jsonl"
    run("scan", texts, "--policy", allows, "--out", out)
    moved = tmp_path / "elsewhere" / texts.name
    moved.parent.mkdir()
    texts.rename(moved)
    assert run("scan", moved, "--policy", allows, "--out", out, "--resume") == 2  # for its bad line
    assert "not checked (1 of them bad lines)" in run.err
    other = moved.rename(moved.with_name("others.jsonl"))
    assert run("scan", other, "--policy", allows, "--out", out, "--resume") == 2
    assert "another input file (texts.jsonl then, others.jsonl now)" in run.err


def test_a_policy_that_was_edited_under_its_name_is_another(run: Runner, allows: Path, texts: Path) -> None:
    out = texts.with_name("out.jsonl")
    run("scan", texts, "--policy", allows, "--out", out)
    allows.write_text(allows.read_text(encoding="utf-8").replace("threshold = 1.0", "threshold = 0.9"), "utf-8")
    assert run("scan", texts, "--policy", allows, "--out", out, "--resume") == 2
    assert "another policy (allows 1, with other contents)" in run.err


def test_rows_are_known_by_what_made_them_also_where_none_has_a_verdict(
    run: Runner, allows: Path, flags: Path, texts: Path
) -> None:
    out = texts.with_name("out.jsonl")
    texts.write_text("{no json\n" * 3, encoding="utf-8")
    run("scan", texts, "--policy", allows, "--out", out)
    assert [list(row) for row in rows(out)] == [
        ["line", "outcome", "error", "scan"],
        *[["line", "outcome", "error"]] * 2,
    ]
    assert run("scan", texts, "--policy", flags, "--out", out, "--resume") == 2
    assert "another policy (allows 1 then, flags 1 now)" in run.err


def test_a_file_that_does_not_say_how_it_was_made_is_not_gone_on_with(run: Runner, allows: Path, texts: Path) -> None:
    out = texts.with_name("out.jsonl")
    run("scan", texts, "--policy", allows, "--out", out)
    whole = out.read_text(encoding="utf-8").splitlines(keepends=True)
    out.write_text("".join(whole[1:]), encoding="utf-8")
    assert run("scan", texts, "--policy", allows, "--out", out, "--resume") == 2
    assert "does not say how it was made" in run.err


def test_rows_of_another_scan_below_the_first_are_found_too(
    run: Runner, allows: Path, flags: Path, texts: Path
) -> None:
    own, other = texts.with_name("own.jsonl"), texts.with_name("other.jsonl")
    run("scan", texts, "--policy", allows, "--out", own)
    run("scan", texts, "--policy", flags, "--out", other)
    first = own.read_text(encoding="utf-8").splitlines(keepends=True)[0]
    for added in (other.read_text(encoding="utf-8"), other.read_text(encoding="utf-8").splitlines(keepends=True)[1]):
        own.write_text(first + added, encoding="utf-8")
        assert run("scan", texts, "--policy", allows, "--out", own, "--resume") == 2
        assert "another policy (flags 1 then, allows 1 now)" in run.err


@pytest.mark.parametrize("row", ["[1]", '{"line": "x"}', "plain", '{"line": 1, "outcome": "fine"}', "[" * 99_999])
def test_a_file_of_something_else_is_left_alone(run: Runner, allows: Path, texts: Path, row: str) -> None:
    out = texts.with_name("out.jsonl")
    out.write_text(f"{row}\n", encoding="utf-8")
    assert run("scan", texts, "--policy", allows, "--out", out, "--resume") == 2
    assert "line 1 of" in run.err
    assert out.read_text(encoding="utf-8") == f"{row}\n"


def test_resume_without_a_file_is_refused(run: Runner, allows: Path, texts: Path) -> None:
    assert run("scan", texts, "--policy", allows, "--resume") == 2
    assert "--resume needs --out" in run.err
