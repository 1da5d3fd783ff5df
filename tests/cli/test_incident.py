"""``guardsdk incident`` from the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner

OPEN = (
    *(
        "--title",
        "Wrong dose",
        "--reporter",
        "Ana",
        "--system",
        "assistant 4.1",
        "--description",
        "Ten times the dose.",
    ),
    *("--occurred", "2026-01-02T10:00", "--impact", "hospital", "--stakeholder", "patient", "--harm", "health"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "incidents.jsonl"


def test_from_opening_to_export(run: Runner, path: Path) -> None:
    assert run.alone("incident", "open", "--log", path, "--aware", "2026-01-03", *OPEN) == 0
    identifier = run.out.strip()
    assert "article 26(5)" in run.err
    assert "article 73(2): report to the authority within 15 days of becoming aware by 2026-01-18 00:00 UTC" in run.err
    assert "overdue by" in run.err
    assert "is for people to decide" in run.err
    note = ("--author", "Ben", "--text", "Sent.", "--reported-to", "authority", "--reported-at", "2026-01-10")
    assert run.alone("incident", "note", identifier, "--log", path, *note) == 0
    assert "8 d 0 h before the last moment" in run.err
    assert run.alone("incident", "close", identifier, "--log", path, "--author", "Ana", "--resolution", "Fixed.") == 0
    assert run.alone("incident", "list", "--log", path) == 0
    assert "closed  serious" in run.out
    assert run.alone("incident", "export", "--log", path, "--out", "-") == 0
    told = run.out
    assert run.alone("incident", "export", "--log", path) == 0
    assert run.out.splitlines()[3:] == told.splitlines()[3:]
    assert run.out.startswith("# Incidents")
    out = path.with_name("out.json")
    assert run.alone("incident", "export", identifier, "--log", path, "--out", out) == 0
    assert json.loads(out.read_text())["incidents"][0]["id"] == identifier
    assert run.alone("log", "verify", path) == 0
    path.write_bytes(path.read_bytes().replace(b"Ten times", b"One tenth"))
    assert run.alone("incident", "export", "--log", path) == 1
    assert "the chain is broken" in run.err
    assert run.alone("log", "verify", path) == 1


def test_a_report_that_was_noted_wrongly_is_corrected_by_its_number_in_an_export(run: Runner, path: Path) -> None:
    assert run.alone("incident", "open", "--log", path, "--aware", "2026-01-03", *OPEN, "--role", "provider") == 0
    identifier = run.out.strip()
    note = ("incident", "note", identifier, "--log", path, "--author", "Ben", "--text", "Sent.")
    report = ("--reported-to", "authority", "--reported-at")
    assert run.alone(*note, *report, "2025-01-20") == 2
    assert "once the incident occurred, 2026-01-02 10:00 UTC, not before" in run.err
    assert run.alone(*note, *report, "2026-01-10") == 0
    assert run.alone("incident", "export", "--log", path) == 0
    (number,) = [line.split("|")[1].strip() for line in run.out.splitlines() if "reported to authority" in line]
    assert run.alone(*note, "--withdraws", number, *report, "2026-01-20") == 0
    assert "2 d 0 h after the last moment" in run.err
    assert run.alone(*note, "--withdraws", "1") == 2
    assert "record 1 holds no report of" in run.err


def test_a_list_says_that_a_record_was_altered_and_hides_no_other(run: Runner, path: Path) -> None:
    for title in ("one", "two", "three"):
        assert run.alone("incident", "open", "--log", path, *OPEN, "--title", title) == 0
    assert run.alone("incident", "list", "--log", path) == 0
    assert run.err == ""
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"two"', b'"TWO"'))
    assert run.alone("incident", "list", "--log", path) == 1
    assert [line.split()[-1] for line in run.out.splitlines()] == ["title", "one", "TWO", "three"]
    assert f"the chain is broken: {path.name}:3: the record does not match its hash" in run.err
    path.write_bytes(b"".join(line for line in whole.splitlines(keepends=True) if b'"two"' not in line))
    assert run.alone("incident", "list", "--log", path) == 1
    assert [line.split()[-1] for line in run.out.splitlines()] == ["title", "one", "three"]
    assert f"the chain is broken: {path.name}:3: records 3 to 3 are missing" in run.err


@pytest.mark.parametrize(("there", "instead"), [(b'"v":1', b'"v":x'), (b'"event":"open"', b'"event":"oops"')])
def test_a_record_that_cannot_be_read_hides_no_other_and_keeps_nobody_from_writing(
    run: Runner, path: Path, there: bytes, instead: bytes
) -> None:
    for title in ("one", "two"):
        assert run.alone("incident", "open", "--log", path, *OPEN, "--title", title) == 0
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1].replace(there, instead), lines[2]]))
    assert run.alone("incident", "list", "--log", path) == 1
    assert [line.split()[-1] for line in run.out.splitlines()] == ["title", "two"]
    assert "1 line is not in this list: record 2 " in run.err
    assert "the chain is broken" in run.err
    assert run.alone("incident", "open", "--log", path, *OPEN, "--title", "three") == 0  # it stands there, so say so
    identifier = run.out.strip()
    assert run.alone("incident", "list", "--log", path) == 1
    assert identifier in run.out


def test_what_is_no_file_of_incidents_is_named(run: Runner, path: Path) -> None:
    path.write_text("an\nordinary\ntext\n", encoding="utf-8")
    assert run.alone("incident", "list", "--log", path) == 2
    assert f"{path} is no file of incidents" in run.err
    path.write_text("", encoding="utf-8")
    assert run.alone("incident", "list", "--log", path) == 0
    assert f"no incident in {path}" in run.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list",), "guardsdk incident open writes down the first incident"),
        (("open", *OPEN[2:]), "--title"),
        (("open", *OPEN, "--occurred", "yesterday"), "must be a date or a time"),
        (("open", *OPEN, "--harm", "boredom"), "must be one of death"),
        (("open", *OPEN, "--decision", "3"), "go together"),
        (("export", "--out", "incidents.pdf"), "give a name that ends in .md or .json"),
        (("note", "INC-1", "--author", "a", "--text", "b"), "there is no incident"),
        (("note", "INC-1", "--author", "a", "--text", "b", "--recipient", "c"), "go with --reported-to"),
    ],
)
def test_slips_are_one_line_and_write_nothing(run: Runner, path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert run.alone("incident", *arguments, "--log", path) == 2
    assert words in run.err
    assert not path.exists()


def test_an_export_tells_of_a_record_that_cannot_be_read_and_holds_all_others(run: Runner, path: Path) -> None:
    for title in ("one", "two"):
        assert run.alone("incident", "open", "--log", path, *OPEN, "--title", title) == 0
    path.write_bytes(path.read_bytes().replace(b'"event":"open"', b'"event":"oops"', 1))
    assert run.alone("incident", "export", "--log", path) == 1
    assert [line.split(": ")[1] for line in run.out.splitlines() if line.startswith("## ")] == ["two"]
    assert "not in this report: record 2 holds no event that can be read" in run.out
    assert "1 line is not in this report: record 2" in run.err
    assert f"the chain is broken: {path.name}:2:" in run.err
    out = path.with_name("out.json")
    assert run.alone("incident", "export", "--log", path, "--out", out) == 1
    assert json.loads(out.read_text())["unread"] == ["record 2 holds no event that can be read"]
