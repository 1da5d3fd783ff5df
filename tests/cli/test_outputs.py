"""Nothing that a command reads is written over, and nothing is lost where a disk is full or others write as well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from guardsdk.cli.resuming import RECORD
from guardsdk.decisions.files import Place
from guardsdk.decisions.locking import locked
from guardsdk.decisions.log import DecisionLog
from guardsdk.decisions.marks import Mark, add_marks, marks_of, marks_path
from guardsdk.errors import DecisionLogError

if TYPE_CHECKING:
    from tests.cli.conftest import Runner

PRECIOUS = b'name = "precious"\nversion = "1"\nextends = "default"\n'
OVER_WHAT_IS_READ = [
    ("log", "query", "x", "--csv", "x"),
    ("log", "query", "x", "--csv", "x.head"),
    ("log", "query", "x", "--parquet", "x.000001"),
    ("incident", "export", "--log", "x", "--out", "x"),
    ("review", "export", "x", "--answers", "a.jsonl", "--out", "x.marks"),
    ("review", "export", "log", "--answers", "x", "--out", "x"),
    ("monitor", "report", "x", "--out", "x"),
    ("eval", "compare", "x", "after", "--json", "x"),
    ("eval", "compare", "before", "x", "--html", "link"),
    ("eval", "run", "--target", "guard", "--suite", "x", "--overwrite", "--out", "x"),
    ("calibrate", "--benign", "b.txt", "--policy", "x", "--out", "x"),
    ("calibrate", "--benign", "b.txt", "--policy", "child.toml", "--out", "x"),
    ("calibrate", "--benign", "x", "--format", "txt", "--out", "x"),
    ("calibrate", "--benign", "b.txt", "--out", "new.toml", "--report", "./new.toml"),
    ("policy", "teach", "no-cooking", "--violates", "x", "--format", "txt", "--out", "x"),
    ("policy", "test", "x", "--write-known", "x"),
    ("dossier", "--specification", "card.md", "--out", "card"),
    ("scan", "b.txt", "--policy", "x", "--out", "x"),
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be in, where every file is one that somebody needs."""
    monkeypatch.chdir(tmp_path)
    for name in ("x", "x.head", "x.marks", "x.000001", "card.md"):
        (tmp_path / name).write_bytes(PRECIOUS)
    (tmp_path / "child.toml").write_text('name = "child"\nversion = "1"\nextends = "x"\non_error = "block"\n')
    (tmp_path / "b.txt").write_text("An ordinary text.\n")
    (tmp_path / "link").symlink_to("x")
    return tmp_path


@pytest.mark.parametrize("command", OVER_WHAT_IS_READ, ids=" ".join)
def test_no_command_writes_over_what_it_reads(run: Runner, here: Path, command: tuple[str, ...]) -> None:
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    assert run.alone(*command) == 2
    assert "would be written over" in run.err
    assert run.err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in here.iterdir()} == before


@pytest.mark.parametrize(
    "command",
    [
        ("log", "query", "log", "--csv"),
        ("monitor", "report", "state.json", "--out"),
        ("eval", "compare", "before", "after", "--html"),
        ("eval", "run", "--target", "guard", "--out"),
        ("review", "export", "log", "--answers", "a.jsonl", "--out"),
        ("policy", "test", "--write-known"),
        ("dossier", "--out"),
    ],
)
def test_what_is_no_name_of_a_file_makes_none(run: Runner, here: Path, command: tuple[str, ...]) -> None:
    before = sorted(one.name for one in here.iterdir())
    for out, reason in (("-", "- stands for standard output"), (".", ". cannot be written: it is a folder")):
        assert run.alone(*command, out) == 2
        assert reason in run.err
    assert sorted(one.name for one in here.iterdir()) == before


@pytest.mark.parametrize("folder", [".", "/"])
def test_a_folder_is_no_log(run: Runner, folder: str) -> None:
    for command in (("log", "verify"), ("log", "query"), ("review", "suggest")):
        assert run.alone(*command, folder) == 2
        assert run.err == f"guardsdk: {folder} is a folder, and no decision log\n"


def test_an_empty_file_is_no_key(run: Runner, here: Path) -> None:
    with DecisionLog(here / "log.jsonl", chain_key=b"key") as log:
        log.note("alert", 1, {})
    (here / "key").write_bytes(b"")
    for command in (("log", "verify", "log.jsonl"), ("incident", "list", "--log", "log.jsonl")):
        assert run.alone(*command, "--key-file", "key") == 2
        assert run.err == "guardsdk: key: the file is empty, and a key has at least one byte\n"
        assert run.out == ""


def test_a_folder_that_is_not_there_is_named_before_the_work(run: Runner, here: Path) -> None:
    assert run.alone("calibrate", "--benign", "b.txt", "--out", "nowhere/x.toml") == 2
    assert f"nowhere/x.toml cannot be written: there is no folder {here / 'nowhere'}" in run.err


def test_what_cannot_be_written_to_is_named_before_the_work(
    run: Runner, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("calibrate", "--benign", "b.txt", "--out")
    (here / "folder").mkdir()
    assert run.alone(*asked, "folder") == 2
    assert "folder cannot be written: it is a folder" in run.err
    denied = [(here / "folder").resolve(), (here / "link").resolve()]  # root, who may run the tests, is denied nothing
    monkeypatch.setattr("os.access", lambda path, _: path not in denied)
    for out in ("folder/new.toml", "link"):
        assert run.alone(*asked, out) == 2
        assert f"{out} cannot be written: permission denied" in run.err


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("calibrate", ("--benign", "b.txt", "--out")),
        ("policy teach", ("no-cooking", "--violates", "b.txt", "--out")),
        ("policy test", ("child.toml", "--write-known")),
        ("calibrate", ("--benign", "b.txt", "--out", "new.toml", "--report")),
        ("log query", ("log", "--csv")),
        ("log query", ("log", "--parquet")),
        ("review export", ("log", "--answers", "a.jsonl", "--out")),
        ("monitor report", ("state.json", "--out")),
        ("eval compare", ("before", "after", "--html")),
        ("eval compare", ("before", "after", "--markdown")),
        ("eval compare", ("before", "after", "--json")),
    ],
)
def test_nothing_is_written_over_that_the_command_did_not_write(
    run: Runner, here: Path, command: str, options: tuple[str, ...]
) -> None:
    (here / "child.toml").write_text('name = "child"\nversion = "1"\nextends = "default"\n')
    assert run.alone(*command.split(), *options, "x") == 2
    assert run.err == f"guardsdk: x is there already, and guardsdk {command} did not write it; write to another file\n"
    assert (here / "x").read_bytes() == PRECIOUS


@pytest.mark.parametrize("name", ["notes.md", "notes.json"])
def test_a_report_of_incidents_is_written_over_itself_and_nothing_else(run: Runner, here: Path, name: str) -> None:
    export = ("incident", "export", "--log", "incidents.jsonl", "--out", name)
    fields = ("title", "reporter", "system", "description", "impact", "stakeholder")
    options = [word for field in fields for word in (f"--{field}", "text")]
    opened = ("incident", "open", "--log", "incidents.jsonl", *options, "--occurred", "2026-01-02", "--harm", "other")
    for _ in range(2):
        assert run.alone(*opened) == 0
        assert run.alone(*export) == 0
    assert (here / name).read_text(encoding="utf-8").count("INC-") >= 2
    (here / name).write_bytes(PRECIOUS)
    assert run.alone(*export) == 2
    assert "guardsdk incident export did not write it" in run.err
    assert (here / name).read_bytes() == PRECIOUS


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_a_dossier_is_not_written_over_a_page_of_another_kind(run: Runner, here: Path, suffix: str) -> None:
    (here / f"notes{suffix}").write_bytes(PRECIOUS)
    assert run.alone("dossier", "--out", "notes") == 2
    assert f"notes{suffix} is there already, and guardsdk dossier did not write it" in run.err
    assert (here / f"notes{suffix}").read_bytes() == PRECIOUS


def test_a_file_of_something_else_is_made_no_log_of_incidents(run: Runner, here: Path) -> None:
    fields = ("title", "reporter", "system", "description", "impact", "stakeholder")
    options = [word for name in fields for word in (f"--{name}", "text")]
    assert run.alone("incident", "open", "--log", "x", *options, "--occurred", "2026-01-02", "--harm", "other") == 2
    assert "holds something else than records of a log, and was left as it is" in run.err
    assert (here / "x").read_bytes() == PRECIOUS


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_told_with_the_file(run: Runner, allows: Path, here: Path) -> None:
    assert (here / "b.txt").exists()
    assert run("scan", "b.txt", "--policy", allows, "--out", "/dev/full") == 2
    assert run.err == "guardsdk: /dev/full: No space left on device\n"


@pytest.mark.parametrize("content", [b"notes without an end", b'{"minified": true}', b"\x89PNG\r"])
def test_a_scan_resumes_no_file_of_something_else(run: Runner, allows: Path, here: Path, content: bytes) -> None:
    (here / "out").write_bytes(content)
    assert run("scan", "b.txt", "--policy", allows, "--resume", "--out", "out") == 2
    assert "--resume: line 1 of out is no row of a scan" in run.err
    assert (here / "out").read_bytes() == content


@pytest.mark.parametrize("torn", [b"", b"{", b'{"line": 1, "outco'])
def test_a_scan_resumes_from_a_first_row_that_was_torn(run: Runner, allows: Path, here: Path, torn: bytes) -> None:
    (here / "out").write_bytes(torn)
    assert run("scan", "b.txt", "--policy", allows, "--resume", "--out", "out") == 0
    row = json.loads((here / "out").read_bytes())
    assert (row["line"], row["outcome"], RECORD in row) == (1, "allowed", True)


def test_two_scans_do_not_write_to_one_file(run: Runner, allows: Path, here: Path) -> None:
    held = "import sys\nfrom pathlib import Path\nfrom guardsdk.decisions.locking import locked\n"
    held += "with locked(Path('out').resolve(), 1): print('held', flush=True), sys.stdin.read()"
    (here / "out").write_text("rows of the other\n")
    with subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for resume in ((), ("--resume",)):
            assert run("scan", "b.txt", "--policy", allows, "--out", "out", *resume) == 2
            assert "--out out: another scan is writing to it" in run.err
        other.communicate()
    assert (here / "out").read_text() == "rows of the other\n"
    assert run("scan", "b.txt", "--policy", allows, "--out", "out") == 2
    assert "--out out is there already; --overwrite replaces it" in run.err
    assert (here / "out").read_text() == "rows of the other\n"
    assert run("scan", "b.txt", "--policy", allows, "--out", "out", "--overwrite") == 0
    assert (here / "out").read_text().count("\n") == 1


def test_rows_may_go_to_a_device(run: Runner, allows: Path, here: Path) -> None:
    assert run("scan", "b.txt", "--policy", allows, "--out", "/dev/null") == 0
    assert (here / "b.txt").exists()


def test_answers_to_export_may_hold_any_separator_that_json_lets_through(run: Runner, here: Path) -> None:
    row = {"seq": 1, "prompt": "one\u2028two", "answer": "three\x85four", "revised": "five"}
    (here / "a.jsonl").write_text(json.dumps(row, ensure_ascii=False) + "\n3\n", encoding="utf-8")
    assert run.alone("review", "export", "log", "--answers", "a.jsonl", "--out", "pairs") == 2
    assert "a.jsonl:2: not a JSON object" in run.err  # and nothing is wrong with the first line


def test_a_mark_that_a_full_disk_cut_off_takes_no_other_with_it(here: Path) -> None:
    log = here / "decisions.jsonl"
    kept = Mark(1, "0" * 64, "right", "2026-11-26T00:00:00.000000Z")
    add_marks(log, [kept])
    whole = marks_path(log).read_bytes()
    marks_path(log).write_bytes(whole + whole[:20])  # as a version before this one, or a power cut, left it
    assert marks_of(log) == {1: kept}
    other = Mark(2, "1" * 64, "wrong", kept.time)
    add_marks(log, [other])
    assert marks_of(log) == {1: kept, 2: other}


def test_marks_are_written_whole_or_not_at_all(here: Path) -> None:
    from tests.test_disk import room_for

    log = here / "decisions.jsonl"
    kept = Mark(1, "0" * 64, "right", "2026-11-26T00:00:00.000000Z", "dana")
    add_marks(log, [kept])
    before = marks_path(log).read_bytes()
    with room_for(len(before) + 20), pytest.raises(DecisionLogError, match=r"marks cannot be written: File too large"):
        add_marks(log, [kept])
    assert marks_path(log).read_bytes() == before


def test_one_marks_after_the_other(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardsdk.decisions.marks._WAIT_S", 0.01)
    log = here / "decisions.jsonl"
    with locked(Place(log).marks.resolve(), 1.0), pytest.raises(DecisionLogError, match="another writer held"):
        add_marks(log, [Mark(1, "0" * 64, "right", "")])
