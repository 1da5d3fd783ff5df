"""What is written, where, and what happens to files that are full, old or past their time."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from pydantic import ValidationError

from guardsdk.decisions import DecisionLog, LogRules
from guardsdk.decisions.entry import timestamp
from guardsdk.decisions.query import Query, count
from guardsdk.decisions.verify import verify
from guardsdk.errors import DecisionLogError, InputError, InputTypeError
from guardsdk.verdict import Stage
from tests.decisions.conftest import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.decisions.conftest import Written


def test_a_line_says_what_was_decided_and_on_what_grounds(written: Written) -> None:
    with TracerProvider().get_tracer("app").start_as_current_span("request") as span:
        written.log().record([record(3, fired=True, stage=Stage.TOOL, actor="mail-reader")])
        context = span.get_span_context()
    opened, line = written.lines()
    assert (opened["kind"], opened["seq"], opened["file"]) == ("open", 1, 1)
    expected = {
        "seq": 2,
        "kind": "decision",
        "time": timestamp(record(3).started_ns),
        "stage": "tool",
        "action": "block",
        "status": "complete",
        "principle": "no-override",
        "scores": {"prompt_injection": 0.9},
        "thresholds": {"no-override": 0.8},
        "coverage": 1.0,
        "duration_s": 0.01,
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
    }
    assert {name: line[name] for name in expected} == expected
    assert line["margins"] == {"no-override": pytest.approx(0.1)}
    assert line["prev"] == opened["hash"]


def test_an_actor_is_a_pseudonym_that_only_the_key_gives(written: Written, tmp_path: Path) -> None:
    log = written.log()
    log.record([record(actor="ursula"), record(actor="ursula"), record(actor="victor"), record()])
    ada, again, bob, nobody = (line["actor"] for line in written.lines()[1:])
    assert ada == again == log.pseudonym("ursula")
    assert len({ada, bob}) == 2
    assert nobody is None
    assert "ursula" not in written.path.read_text()
    assert DecisionLog(tmp_path / "x", actor_key=b"o" * 32).pseudonym("ursula") != ada


@pytest.mark.parametrize("name", ["actor_key", "chain_key"])
@pytest.mark.parametrize(("key", "error"), [(b"", InputError), ("secret", InputTypeError)])
def test_a_key_that_keeps_no_secret_is_refused(tmp_path: Path, name: str, key: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"^{name} must"):
        DecisionLog(tmp_path / "decisions.jsonl", **{name: key})


def test_a_key_is_made_once_beside_the_log_for_its_owner_only(written: Written) -> None:
    first, second = DecisionLog(written.path), DecisionLog(written.path)
    first.record([record(actor="ursula")])
    second.record([record(actor="ursula")])
    assert {line["actor"] for line in written.lines()[1:]} == {first.pseudonym("ursula")}
    if sys.platform != "win32":
        assert {stat.S_IMODE(one.stat().st_mode) for one in written.path.parent.iterdir()} == {0o600}


def test_a_key_is_kept_whole_where_the_disk_takes_it_in_parts(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:20]))
    used = DecisionLog(written.path).pseudonym("ursula")
    assert DecisionLog(written.path).pseudonym("ursula") == used


def test_a_full_file_is_closed_and_the_chain_goes_on_in_the_next(written: Written) -> None:
    written.fill(40, max_bytes=8192)
    files = written.place.every()
    assert len(files) > 3
    assert [one.name for one in files[:2]] == ["decisions.000001.jsonl", "decisions.000002.jsonl"]
    assert all(one.stat().st_size <= 8192 for one in files)
    report = verify(written.path)
    assert (report.sound, report.decisions, report.files) == (True, 40, len(files))


def test_an_old_file_is_closed_whatever_its_size(written: Written) -> None:
    log = written.fill(2, max_age_s=0.2)
    time.sleep(0.3)
    log.record([record()])
    assert len(written.place.every()) == 2
    assert verify(written.path).sound


def test_files_past_their_time_are_removed_and_the_log_says_so(written: Written) -> None:
    written.fill(40, max_bytes=8192)
    before = written.place.every()
    log = written.log(max_bytes=8192, keep_days=1.0)  # the records are of September 2026
    while "expired" not in written.kinds():
        log.record([record()])
    assert not any(one.exists() for one in before[:-1])
    report = verify(written.path)
    assert report.sound
    assert report.first > 1
    assert any("their time was over" in note for note in report.notes)


def test_a_copy_that_is_named_like_a_closed_file_is_none_of_the_log(written: Written) -> None:
    written.fill(40, max_bytes=8192)
    copy = written.path.with_name("decisions.20261128.jsonl")
    shutil.copy(written.path, copy)
    before = copy.read_bytes()
    assert verify(written.path).sound
    assert count(written.path, Query(), ["status"]) == {("complete",): 40}
    log = written.log(max_bytes=8192, keep_days=1.0)
    while "expired" not in [line.get("event") for line in map(json.loads, written.path.read_bytes().splitlines())]:
        log.record([record()])
    assert copy.read_bytes() == before
    assert verify(written.path).sound


def test_a_clock_that_jumps_ahead_removes_nothing(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    log = written.fill(40, max_bytes=8192, keep_days=180.0)
    before = written.place.every()
    ahead = time.time() + 20 * 365 * 86_400
    monkeypatch.setattr(time, "time", lambda: ahead)
    log.record([record()])  # the newest file is too old by that clock, and closed
    assert len(written.place.every()) == len(before) + 1
    assert verify(written.path).first == 1


def test_files_within_their_time_are_kept(written: Written) -> None:
    written.fill(40, max_bytes=8192, keep_days=float("inf"))
    assert verify(written.path).first == 1


@pytest.mark.parametrize(("fsync", "expected"), [("always", 3), ("interval", 0), ("never", 0)])
def test_the_disk_is_waited_for_as_the_rules_say(
    written: Written, monkeypatch: pytest.MonkeyPatch, fsync: str, expected: int
) -> None:
    log = written.fill(1, fsync=fsync, fsync_interval_s=3600)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for number in range(3):
        log.record([record(number)])
    assert len(synced) == expected
    log.flush()
    assert len(synced) == expected + 1


def test_a_batch_is_written_in_one_go(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    log = written.fill(1)
    calls: list[int] = []
    real = os.write

    def counting(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", counting)
    log.record([record(number) for number in range(64)])
    assert len(calls) == 2  # the lines, and the head
    assert verify(written.path).decisions == 65


def test_a_log_that_cannot_be_written_raises_counts_and_complains_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    log = DecisionLog(tmp_path / "file" / "decisions.jsonl")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(DecisionLogError, match="file"):
                log.record([record(), record()])
    assert len(caplog.records) == 1
    assert log.health.lost == 6
    assert log.health.problem is not None


@pytest.mark.parametrize("content", [b"notes\nof mine\n", b"notes", b'{"v":1,"a":2}\n', b"x" * 5000, b"\0" * 5000])
def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    log = DecisionLog(path)
    with pytest.raises(DecisionLogError, match="holds something else than records of a log, and was left as it is"):
        log.record([record()])
    assert path.read_bytes() == content
    assert log.health.lost == 1


def directory(path: Path) -> None:
    path.mkdir()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def notes(path: Path) -> None:
    path.write_text("notes\nof mine\n")


def later_version(path: Path) -> None:
    DecisionLog(path.with_name("other")).record([record()])
    path.write_bytes(path.with_name("other").read_bytes().replace(b'{"v":1', b'{"v":2'))
    for one in path.parent.glob("other*"):
        one.unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes among its files")
@pytest.mark.parametrize("there", [directory, pipe, notes, later_version])
def test_nothing_is_made_beside_what_is_refused(tmp_path: Path, there: Callable[[Path], None]) -> None:
    path = tmp_path / "decisions.jsonl"
    there(path)
    log = DecisionLog(path)
    with pytest.raises(DecisionLogError):
        log.pseudonym("ursula")
    for actor in ("ursula", None):
        with pytest.raises(DecisionLogError):
            log.record([record(actor=actor)])
    log.close()  # nothing was written that could be forced to the disk
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="a device of Unix")
def test_a_device_keeps_no_records(tmp_path: Path) -> None:
    (tmp_path / "decisions.jsonl").symlink_to("/dev/null")
    log = DecisionLog(tmp_path / "decisions.jsonl")
    with pytest.raises(DecisionLogError, match="/dev/null is a folder, a pipe or a device, and keeps no records"):
        log.record([record()])
    assert log.health.lost == 1


@pytest.mark.parametrize("torn", [b"{", b'{"v":1,"seq":1,"kind":"op', b"\0" * 100])
def test_what_a_killed_writer_left_of_its_first_line_is_cut_off(written: Written, torn: bytes) -> None:
    written.path.write_bytes(torn)
    log = written.log()
    log.record([record()])
    assert log.health.repaired == 1
    assert verify(written.path).decisions == 1


def test_whatever_keeps_a_record_from_being_written_counts_it_as_lost(written: Written) -> None:
    log = written.fill(1)
    nobody: Any = object()
    with pytest.raises(DecisionLogError, match=r"a record cannot be written \(InputTypeError\)"):
        log.record([record(actor=nobody), record()])
    assert (log.health.written, log.health.lost) == (1, 2)
    assert log.health.problem is not None
    log.record([record()])
    assert written.kinds() == ["open", "decision", "lost", "decision"]


def test_whoever_logs_the_complaint_may_write_to_the_log(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = DecisionLog(tmp_path / "file" / "decisions.jsonl")
    ended: list[bool] = []

    def again() -> None:
        with pytest.raises(DecisionLogError):
            log.record([record()])

    class Checking(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            other = threading.Thread(target=again, daemon=True)
            other.start()
            other.join(10)
            ended.append(not other.is_alive())

    handler = Checking()
    logging.getLogger("guardsdk").addHandler(handler)
    try:
        again()
    finally:
        logging.getLogger("guardsdk").removeHandler(handler)
    assert ended == [True]
    assert log.health.lost == 2


def test_when_it_can_be_written_again_the_log_says_how_many_are_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "decisions.jsonl"
    path.mkdir()
    log = DecisionLog(path)
    with pytest.raises(DecisionLogError):
        log.record([record(), record()])
    path.rmdir()
    with caplog.at_level(logging.WARNING):
        log.record([record()])
    assert "2 decisions are missing" in caplog.text
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["kind"], line.get("count")) for line in lines] == [("open", None), ("note", 2), ("decision", None)]
    assert (log.health.written, log.health.lost, log.health.problem) == (1, 2, None)
    assert any("could not be written" in note for note in verify(path).notes)


def test_a_log_stays_where_it_is_when_the_process_goes_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = DecisionLog("decisions.jsonl")
    log.record([record()])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    log.record([record()])
    assert verify(tmp_path / "decisions.jsonl").decisions == 2
    assert not (tmp_path / "elsewhere" / "decisions.jsonl").exists()


def test_rules_that_cannot_be_meant_are_refused() -> None:
    for wrong in ({"max_bytes": 10}, {"keep_days": 0}, {"fsync": "often"}, {"on_error": "allow"}, {"age": 1}):
        with pytest.raises(ValidationError):
            LogRules.model_validate(wrong)


def test_a_pseudonym_is_given_before_the_first_line_makes_the_folder(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "new" / "decisions.jsonl")
    assert log.pseudonym("eve") == DecisionLog(tmp_path / "new" / "decisions.jsonl").pseudonym("eve")


def test_a_file_in_the_way_of_the_one_to_be_closed_is_not_written_over(written: Written) -> None:
    log = written.fill(1, max_bytes=4096)
    written.place.closed(1).write_text("kept")
    with pytest.raises(DecisionLogError, match=r"decisions\.000001\.jsonl: is in the way .* move it elsewhere"):
        written.fill(20, max_bytes=4096)
    assert written.place.closed(1).read_text() == "kept"
    written.place.closed(1).unlink()
    log.record([record()])
    assert verify(written.path).sound


def test_a_folder_with_the_name_of_a_closed_file_is_none_of_the_log(written: Written) -> None:
    written.place.closed(7).mkdir()
    written.fill(3)
    assert verify(written.path).sound
    assert len(written.place.every()) == 1


def test_records_of_a_later_version_are_refused_and_not_cut_off(written: Written) -> None:
    written.fill(2)
    later = written.path.read_bytes() + written.path.read_bytes().splitlines()[-1].replace(b'"v":1', b'"v":2') + b"\n"
    written.path.write_bytes(later)
    for use in (lambda: written.log().record([record()]), lambda: verify(written.path)):
        with pytest.raises(DecisionLogError, match="a later version of guardsdk"):
            use()
    assert written.path.read_bytes() == later


def test_a_folder_that_was_removed_is_made_again_and_the_log_goes_on(written: Written) -> None:
    log = written.fill(3)
    for one in written.path.parent.iterdir():
        one.unlink()
    written.path.parent.rmdir()
    with pytest.raises(DecisionLogError, match="No such file"):
        log.record([record()])
    log.record([record()])
    assert (log.health.lost, log.health.problem) == (1, None)
    assert [line.get("event") for line in written.lines()][1] == "lost"
