"""Standard streams that are closed, full, or asked for twice: an error that says so, and nothing in the wrong place."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from guardsdk.cli.calibrating import _Digested
from guardsdk.cli.lines import Layout, read_lines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="asks a shell to close streams")


def shell(how: str, *arguments: str | Path, program: str = "-m guardsdk") -> subprocess.CompletedProcess[str]:
    """Run a command with its streams as ``how`` says in the words of a shell."""
    command = f'exec "$0" {program} "$@" {how}'
    return subprocess.run(
        ["/bin/sh", "-c", command, sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_verdict_that_has_nowhere_to_go_is_an_error(allows: Path) -> None:
    done = shell(">&-", "check", "hello", "--policy", allows)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "guardsdk: standard output is closed: the result has nowhere to go\n"


def test_a_scan_to_a_file_needs_no_standard_output(allows: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("One text.\n")
    done = shell(">&-", "scan", texts, "--policy", allows, "--out", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 1


def test_without_standard_error_complaints_do_not_stand_between_the_rows(allows: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_bytes(b"\xff\nOne text.\n")
    done = shell("2>&-", "scan", texts, "--policy", allows)
    assert done.returncode == 2
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ['{"line": 1', '{"line": 2']


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    path = tmp_path / "opened"
    program = f"""
import os, sys
from guardsdk.cli import app
def opens(_argv):
    with open({str(path)!r}, "w"):
        os.write(2, b"what a library says")
    return app.Exit.DONE
app._run = opens
sys.exit(app.main([]))
"""
    assert shell("<&- 2>&-", "-c", program, program="").returncode == 0
    assert path.read_text() == ""


def test_closed_standard_input_is_named(run: Runner, allows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    for command in (("check", "-"), ("scan", "-"), ("scan", "-", "--format", "jsonl")):
        assert run.alone(*command, "--policy", allows) == 2
        assert run.err == "guardsdk: standard input is closed: nothing can be read from it\n"


def test_standard_input_is_read_once(run: Runner, tmp_path: Path) -> None:
    for command in (
        ("calibrate", "--benign", "-", "--violations", "-", "--out", tmp_path / "out.toml"),
        ("policy", "teach", "no-cooking", "--violates", "-", "--allowed", "-", "--out", tmp_path / "lesson.json"),
    ):
        assert run.alone(*command) == 2
        assert "- stands for standard input, which can be read once" in run.err
    assert list(tmp_path.iterdir()) == []


def test_what_was_read_is_what_the_digest_is_of() -> None:
    content = b"\xef\xbb\xbfone\n\n\xff\nlast"
    reading, writing = os.pipe()  # which gives its content once
    os.write(writing, content)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        lines = _Digested(stream)
        assert [line.number for line in read_lines(lines, Layout("txt"))] == [1, 3, 4]
    assert lines.digest.hexdigest() == hashlib.sha256(content).hexdigest()
