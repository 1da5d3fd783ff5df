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
    assert run.alone("incident", "export", "--log", path) == 0
    assert run.out.startswith("# Incidents")
    out = path.with_name("out.json")
    assert run.alone("incident", "export", identifier, "--log", path, "--out", out) == 0
    assert json.loads(out.read_text())["incidents"][0]["id"] == identifier
    assert run.alone("log", "verify", path) == 0
    path.write_bytes(path.read_bytes().replace(b"Ten times", b"One tenth"))
    assert run.alone("incident", "export", "--log", path) == 1
    assert "the chain is broken" in run.err
    assert run.alone("log", "verify", path) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("list",), "guardsdk incident open writes down the first incident"),
        (("open", *OPEN[2:]), "--title"),
        (("open", *OPEN, "--occurred", "yesterday"), "must be a date or a time"),
        (("open", *OPEN, "--harm", "boredom"), "must be one of death"),
        (("open", *OPEN, "--decision", "3"), "go together"),
        (("note", "INC-1", "--author", "a", "--text", "b"), "there is no incident"),
        (("note", "INC-1", "--author", "a", "--text", "b", "--recipient", "c"), "go with --reported-to"),
    ],
)
def test_slips_are_one_line_and_write_nothing(run: Runner, path: Path, arguments: tuple[str, ...], words: str) -> None:
    assert run.alone("incident", *arguments, "--log", path) == 2
    assert words in run.err
    assert not path.exists()
