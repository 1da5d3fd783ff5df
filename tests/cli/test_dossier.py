"""``guardsdk dossier`` from the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk.dossier.facts import Facts
from guardsdk.dossier.recorded import alert_facts
from guardsdk.monitor.alerts import Alert, Kind, Severity
from guardsdk.verdict import Stage
from tests.dossier.conftest import POLICY

TIMELESS = b'{"kind":"probing","severity":"warning","time_ns":9%b,"stage":"input","evidence":{}}' % (b"0" * 30)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Runner


def test_two_files_are_written_and_the_figures_told(run: Runner, tmp_path: Path) -> None:
    policy = tmp_path / "house.toml"
    policy.write_text(POLICY.replace('"decisions.jsonl"', f'"{tmp_path}/decisions.jsonl"'), encoding="utf-8")
    assert run("dossier", "--out", tmp_path / "audit.html", "--policy", policy, "--system", "the bot") == 0
    assert run.out.split() == [str(tmp_path / "audit.md"), str(tmp_path / "audit.html")]
    assert "of 52 rows" in run.err
    assert (tmp_path / "audit.md").read_text().startswith("# Dossier: the bot")
    assert (tmp_path / "audit.html").read_text().startswith("<!DOCTYPE html>")
    assert not (tmp_path / "decisions.jsonl").exists()  # trying examples leaves no trace


def test_a_file_that_is_not_there_is_a_slip(run: Runner, tmp_path: Path) -> None:
    for option in ("--evaluation", "--decision-log", "--alerts", "--incidents", "--specification"):
        assert run("dossier", "--out", tmp_path / "d", option, tmp_path / "none") == 2
        assert "no file is there" in run.err
    assert not list(tmp_path.glob("d.*"))


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"alerts": 3}', b"[" * 100_000, TIMELESS])
def test_what_holds_no_alerts_is_named(run: Runner, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alerts").write_bytes(content)
    assert run("dossier", "--out", tmp_path / "d", "--alerts", tmp_path / "alerts") == 2
    assert "neither the state of a monitor nor alerts" in run.err


@pytest.mark.parametrize("option", ["--decision-log", "--incidents"])
@pytest.mark.parametrize("content", [b"notes of mine\n", b"\xff\xfe\x00", b'{"alerts": 3}\n'])
def test_what_is_no_log_is_a_slip_and_no_broken_chain(run: Runner, tmp_path: Path, option: str, content: bytes) -> None:
    (tmp_path / "notes").write_bytes(content)
    assert run("dossier", "--out", tmp_path / "d", option, tmp_path / "notes") == 2
    assert str(tmp_path / "notes") in run.err
    assert "record" in run.err
    assert not list(tmp_path.glob("d.*"))


def test_alerts_may_begin_with_the_mark_of_an_editor(tmp_path: Path) -> None:
    alert = Alert(kind=Kind.PROBING, severity=Severity.WARNING, time_ns=10**18, stage=Stage.INPUT, evidence={})
    (tmp_path / "alerts").write_text(f"{alert.model_dump_json()}\r\n", encoding="utf-8-sig")
    assert alert_facts(Facts(), tmp_path / "alerts") == [alert]


@pytest.mark.parametrize("option", ["--decision-key", "--incident-key"])
def test_a_key_without_what_it_is_for_is_a_slip(run: Runner, tmp_path: Path, option: str) -> None:
    (tmp_path / "key").write_bytes(b"key")
    assert run("dossier", "--out", tmp_path / "d", option, tmp_path / "key") == 2
    assert f"{option} is the key of a file that is not given" in run.err
