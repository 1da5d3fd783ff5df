"""The command line around its commands: usage, crashes, pipes, and the real process."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guardsdk import __version__
from guardsdk.cli import app, main
from guardsdk.cli.terminal import Counter, complain, progress, say, table
from guardsdk.guard import Guard
from guardsdk.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Runner


def test_info_names_model_policy_thresholds_provider_and_versions(run: Runner, blocks: Path) -> None:
    assert run("info", "--policy", blocks) == 0
    people = run.out
    assert run("info", "--policy", blocks, "--json") == 0
    found = json.loads(run.out)
    assert [(rule["stage"], rule["principle_id"], rule["threshold"]) for rule in found["rules"]] == [
        ("input", "all-asked", 0.0),
        ("tool", "all-asked", 0.0),
        ("output", "all-answered", 0.0),
    ]
    assert found["versions"]["guardsdk"] == __version__
    for word in (
        found["model"]["digest"],
        found["policy"]["digest"],
        found["directory"],
        found["provider_active"],
        found["versions"]["onnxruntime"],
        *found["labels"],
    ):
        assert word in people


def test_info_without_a_model_exits_2_in_one_line(run: Runner, tmp_path: Path) -> None:
    assert run("info", "--model", tmp_path / "none") == 2
    assert run.out == ""
    assert run.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["chekc"], "invalid choice: 'chekc'"),
        (["check"], "the following arguments are required: TEXT"),
        (["check", "x", "--stage", "inputt"], "invalid choice: 'inputt'"),
        (["check", "x", "--jsonn=1"], "unknown option --jsonn (see guardsdk check --help)"),
        (["check", "x", "--providers", "tpu"], "invalid choice: 'tpu'"),
    ],
)
def test_bad_usage_exits_2_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err
    assert err.startswith("guardsdk: ")
    assert err.count("\n") == 1


def test_several_things_that_are_wrong_are_told_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    policy = tmp_path / "p.toml"
    policy.write_text('name = "p"\n')
    assert main(["check", "x", "--policy", str(policy)]) == 2
    assert f"key version is missing; {policy}: key principle is missing\n" in capsys.readouterr().err


def test_a_text_without_quotes_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "the", "zanzibar", "plan"]) == 2
    err = capsys.readouterr().err
    assert "put a text in quotes" in err
    assert "zanzibar" not in err


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_exit_0(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main([option]) == 0
    assert "guardsdk" in capsys.readouterr().out


def helped(capsys: pytest.CaptureFixture[str], *command: str) -> Iterator[tuple[str, str]]:
    """Yield every command at and below ``command`` that has no commands of its own, with its help."""
    assert main([*command, "--help"]) == 0
    out = capsys.readouterr().out
    if "COMMAND ..." not in out:
        yield " ".join(command), out
        return
    for name in re.findall(r"^    ([a-z]+)\b", out, re.MULTILINE):
        yield from helped(capsys, *command, name)


def test_every_command_says_what_it_does_what_its_options_are_and_how_it_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    found = dict(helped(capsys))
    assert {"check", "policy diff", "log query", "eval run", "incident close", "dossier"} <= set(found)
    for name, out in found.items():
        usage, description, *_ = out.split("\n\n")
        assert usage.startswith(f"usage: guardsdk {name}")
        assert re.fullmatch(r"[A-Z].*\.", description), name
        options, _, ending = out.split("\n\n", 2)[2].rpartition("\n\n")
        assert "exit status: 0 " in ending, name
        for line, following in pairwise(options.splitlines()):
            if re.match(r"  [-\w]", line):  # an option or argument, with its words behind it or on the next line
                assert re.search(r"\S   *\S", line) or following.startswith(" " * 20), f"{name}: {line}"


def test_the_examples_of_a_help_text_can_be_copied_and_are_understood(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["--help"]) == 0
    shown = [capsys.readouterr().out, *(out for _, out in helped(capsys))]
    examples = [line for out in shown for line in re.findall(r"^  guardsdk (.*)$", out, re.MULTILINE)]
    assert len(examples) >= 12
    for example in examples:
        words = shlex.split(example.partition(" <")[0])
        assert app._parser(words[0]).parse_args(words).command == words[0]


def test_a_setting_that_cannot_be_used_exits_2_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARDSDK_THREADS", "many")
    assert main(["info"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("guardsdk: environment variable GUARDSDK_THREADS cannot be used")
    assert err.count("\n") == 1


def test_a_crash_is_neither_a_block_nor_a_traceback_and_quotes_nothing(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        msg = "zanzibar"
        raise RuntimeError(msg)

    monkeypatch.setattr(Guard, "check", crash)
    assert run("check", "zanzibar") == 2
    assert run.err.startswith("guardsdk: internal error: RuntimeError at ")
    assert "zanzibar" not in run.err
    assert run.err.count("\n") == 1


def test_an_interrupt_exits_130_in_one_line(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Guard, "check", interrupt)
    assert run("check", "x") == 130
    assert run.err == "guardsdk: interrupted\n"


STARTED = """
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "guardsdk.guard":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from guardsdk.cli import main
sys.exit(main(["--version"]))
"""


def test_an_interrupt_while_it_starts_exits_130_in_one_line_too() -> None:
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"guardsdk: interrupted\n")


def process(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "guardsdk", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=120)


def test_the_process_blocks_allows_and_fails_with_its_exit_status(
    model_directory: Path, blocks: Path, allows: Path, tmp_path: Path
) -> None:
    blocked = process("check", "-", "--policy", blocks, "--model", model_directory, "--json", stdin=b"Anything.")
    assert (blocked.returncode, blocked.stderr) == (1, b"")
    assert Verdict.model_validate_json(blocked.stdout).principle_id == "all-asked"
    allowed = process("check", "Anything.", "--policy", allows, "--model", model_directory)
    assert (allowed.returncode, allowed.stderr) == (0, b"")
    failed = process("check", "Anything.", "--model", tmp_path / "none")
    assert failed.returncode == 2
    assert failed.stderr.count(b"\n") == 1


def test_the_process_scans_with_a_bar_and_clean_output(model_directory: Path, allows: Path) -> None:
    options = ("--policy", allows, "--model", model_directory)
    done = process("scan", "-", *options, "--progress", stdin=b"One.\n\xff\nTwo.\n")
    assert done.returncode == 2
    assert [json.loads(line)["line"] for line in done.stdout.splitlines()] == [1, 2, 3]
    assert b"texts=3" in done.stderr
    assert b"guardsdk: line 2: not UTF-8 text\n" in done.stderr
    quiet = process("scan", "-", *options, "--no-progress", stdin=b"One.\n")
    assert quiet.stderr.count(b"\n") == 1


def test_a_reader_that_leaves_early_is_no_crash(model_directory: Path, allows: Path, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("".join(f"line {number}\n" for number in range(400)), encoding="utf-8")
    arguments = ["scan", path, "--policy", allows, "--model", model_directory, "--batch", "8"]
    command = [sys.executable, "-m", "guardsdk", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        complaints = child.stderr.read()
        assert child.wait(120) == 141
    assert complaints == b""


def test_a_reader_that_was_never_there_is_no_crash_either(model_directory: Path, allows: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "guardsdk", "check", "x", "--policy", str(allows), "--model", str(model_directory)]
    try:
        done = subprocess.run(
            command,
            stdout=writing,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},  # buffered, so that the last flush is what fails
            check=False,
            timeout=120,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("command", [("policy", "show"), ("--version",)])
def test_a_disk_that_is_full_for_the_output_is_told_in_one_line(command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "guardsdk", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": ""},  # as above
            check=False,
            timeout=120,
        )
    assert (done.returncode, done.stderr) == (2, b"guardsdk: No space left on device\n")


def test_a_stream_that_cannot_encode_a_line_gets_it_escaped(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    say("path \udcff")
    complain("two\nlines  \udcff")
    out, err = capsysbinary.readouterr()
    assert out == b"path \\udcff\n"
    assert err == b"guardsdk: two lines \\udcff\n"


def test_without_tqdm_a_plain_count_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with progress(wanted=True, total=200) as shown:
        assert isinstance(shown, Counter)
        shown.advance(3, 100)
        shown.note("line 2: bad")
        shown.advance(2, 100)
    assert capsys.readouterr().err == (
        "\r3 texts (50%, 0:00:00 left)\nguardsdk: line 2: bad\n\r5 texts (100%, 0:00:00 left)\n"
    )


def test_nothing_that_a_terminal_follows_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    order = "\x1b]0;gotcha\x07\x9b31m"
    say(f"one\ttwo\n{order}")
    complain(f"three {order}")
    escaped = "\\x1b]0;gotcha\\x07\\x9b31m"
    assert tuple(capsys.readouterr()) == (f"one\ttwo\n{escaped}\n", f"guardsdk: three {escaped}\n")
    assert list(table([(order, "b"), ("a", "c")])) == [f"{escaped}  b", f"{'a':{len(escaped)}}  c"]


def test_a_table_has_aligned_columns_and_one_line_per_row() -> None:
    assert list(table([("a", "b\nc", ""), ("longer", "x", "y")])) == ["a       b c", "longer  x    y"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("scan", "x.txt", "--batch"), "must be a whole number of at least 1"),
        (("incident", "note", "INC-1", "--author", "x", "--withdraws"), "must be a whole number of at least 1"),
        (("review", "mark", "log", "--set"), "must be a number and right or wrong"),
    ],
)
@pytest.mark.parametrize("given", ["9" * 5000, "\u00b2", "\u0663"])
def test_a_number_that_is_none_is_said_in_our_words(
    run: Runner, command: tuple[str, ...], said: str, given: str
) -> None:
    assert run.alone(*command, f"{given}=right" if "--set" in command else given) == 2
    assert said in run.err
    assert "invalid" not in run.err
