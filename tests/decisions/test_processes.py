"""Many writers at once, and writers that are killed: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from guardsdk.decisions.locking import locked
from guardsdk.decisions.marks import Mark, add_marks, marks_of
from guardsdk.decisions.verify import verify
from tests.decisions.conftest import Written, record

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")

WRITE = """
import itertools, os, resource, signal, sys
from guardsdk.decisions import DecisionLog, LogRules
from guardsdk.errors import DecisionLogError
from tests.decisions.conftest import record
log = DecisionLog(sys.argv[1], LogRules(max_bytes=64 * 1024, fsync="never"), actor_key=b"k" * 32)
"""


def start(code: str, path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITE + code, str(path), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out


def test_many_threads_write_one_chain(written: Written) -> None:
    log = written.log()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: log.record([record(number)]), range(400)))
    report = verify(written.path)
    assert (report.sound, report.decisions) == (True, 400)
    assert {line["length"] for line in written.lines()[1:]} == set(range(400))


def test_two_logs_of_one_process_on_one_file_write_one_chain(written: Written) -> None:
    logs = [written.log(), written.log()]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: logs[number % 2].record([record(number)]), range(200)))
    report = verify(written.path)
    assert (report.sound, report.decisions) == (True, 200)


def test_many_processes_write_one_chain_over_rotations(written: Written) -> None:
    code = "for number in range(100): log.record([record(number, actor=sys.argv[2])])"
    for process in [start(code, written.path, f"process {one}") for one in range(4)]:
        finish(process)
    report = verify(written.path)
    assert (report.sound, report.decisions) == (True, 400)
    assert report.files > 2
    decisions = [line for line in written.lines() if line["kind"] == "decision"]
    for actor in {line["actor"] for line in decisions}:
        assert [line["length"] for line in decisions if line["actor"] == actor] == list(range(100))


def test_a_forked_child_writes_on_while_its_parent_does(written: Written) -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    done = pool.map(lambda number: log.record([record(number)]), range(100))
    child = os.fork()
    if child == 0:
        for number in range(100): log.record([record(number)])
        os._exit(0)
    list(done)
assert os.waitpid(child, 0)[1] == 0
"""
    finish(start(code, written.path))
    report = verify(written.path)
    assert (report.sound, report.decisions) == (True, 200)


def test_what_a_parent_lost_is_noted_by_the_parent_and_by_no_child(written: Written) -> None:
    code = """
log.record([record(0)])
log.path.rename(log.path.with_suffix(".away"))
log.path.mkdir()
for number in range(5):
    try: log.record([record(number)])
    except DecisionLogError: pass
log.path.rmdir()
log.path.with_suffix(".away").rename(log.path)
child = os.fork()
log.record([record(7)])
os.write(1, f"{log.health.written} {log.health.lost}\\n".encode())  # in one piece: both write to this pipe
if child == 0: os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    assert sorted(finish(start(code, written.path)).splitlines()) == ["1 0", "2 5"]
    assert [line["count"] for line in written.lines() if line.get("event") == "lost"] == [5]


TAKE = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.mark.parametrize("of", ["head", "marks"])
def test_who_reads_in_the_process_of_a_writer_leaves_it_the_lock(written: Written, of: str) -> None:
    log = written.fill(3)
    mark = Mark(seq=2, hash="0" * 64, said="wrong", time="2026-11-25T12:00:00.000000Z")
    add_marks(written.path, [mark])
    place = getattr(written.place, of)
    take = [sys.executable, "-c", TAKE, str(place)]
    with locked(place, 5):
        report = verify(written.path)
        assert marks_of(written.path) == {2: mark}
        taken = subprocess.run(take, capture_output=True, text=True, check=False)
    assert (report.sound, report.decisions, report.notes) == (True, 3, [])
    assert "BlockingIOError" in taken.stderr or "PermissionError" in taken.stderr
    subprocess.run(take, check=True)
    log.record([record()])
    assert verify(written.path).sound


def test_a_writer_killed_in_the_middle_of_a_write_tears_its_last_line_only(
    written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    code = """
for number in range(20): log.record([record(number)])
real = os.write
def half(descriptor, data):
    real(descriptor, data[:len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
os.write = half
log.record([record(20)])
"""
    process = start(code, written.path)
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert not written.path.read_bytes().endswith(b"\n")
    torn = verify(written.path)
    assert (torn.sound, torn.decisions) == (True, 20)
    assert any("torn" in note for note in torn.notes)
    log = written.log()
    log.record([record(21)])
    assert log.health.repaired == 1
    assert "torn line" in caplog.text
    assert written.kinds()[-2:] == ["torn", "decision"]
    report = verify(written.path)
    assert (report.sound, report.decisions) == (True, 21)
    assert any("killed in the middle" in note for note in report.notes)


def test_a_batch_torn_in_the_middle_keeps_its_whole_lines(written: Written) -> None:
    code = """
log.record([record(0)])
real = os.write
def most(descriptor, data):
    real(descriptor, data[:-10])
    os.kill(os.getpid(), signal.SIGKILL)
os.write = most
log.record([record(number) for number in range(1, 11)])
"""
    assert start(code, written.path).wait(timeout=120) == -signal.SIGKILL
    written.log().record([record(11)])
    report = verify(written.path)
    assert report.sound
    kept = [line["length"] for line in written.lines() if line["kind"] == "decision"]
    assert kept == [*range(10), 11]


@pytest.mark.parametrize("name", ["rename", "ftruncate", "unlink"])
def test_a_writer_killed_in_the_middle_of_a_rotation_leaves_a_log_that_goes_on(written: Written, name: str) -> None:
    """Killed behind the renaming of a full file, before the head is cut to length, or at the first removal."""
    written.fill(40, max_bytes=8192)
    place = "pathlib.Path" if name in {"rename", "unlink"} else "os"
    code = f"""
import pathlib
log = DecisionLog(sys.argv[1], LogRules(max_bytes=8192, keep_days=1.0), actor_key=b"k" * 32)
real = {place}.{name}
def last(*arguments):
    real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
{place}.{name} = last
for number in range(40): log.record([record(number)])
"""
    assert start(code, written.path).wait(timeout=120) == -signal.SIGKILL
    written.log().record([record(99)])
    report = verify(written.path)
    assert report.sound, report.broken
    assert written.lines()[-1]["length"] == 99


def test_writers_killed_at_any_moment_lose_no_record_they_had_reported(written: Written) -> None:
    code = """
for number in itertools.count():
    log.record([record(number)])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""
    reported = 0
    for turn in range(3):
        process = start(code, written.path)
        assert process.stdout is not None
        for _ in range(10 + 7 * turn):
            process.stdout.readline()
        time.sleep(0.01 * turn)
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read()  # not communicate, which passes over what readline has buffered
        process.stdout.close()
        process.wait(timeout=120)
        reported += 10 + 7 * turn + rest.count("\n")
    written.log().record([record(0)])
    report = verify(written.path)
    assert report.sound, report.broken
    assert reported + 1 <= report.decisions <= reported + 4  # of each, one record may be written and not yet reported


def test_a_disk_that_is_full_costs_records_and_not_the_log(written: Written) -> None:
    """A limit on the size of files fails in the middle of a write, as a full disk does."""
    code = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log.record([record(0)])
size = os.stat(sys.argv[1]).st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
for number in range(1, 4):
    try:
        log.record([record(number)])
    except DecisionLogError as error:
        print(error)
assert os.stat(sys.argv[1]).st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.record([record(4)])
print(log.health.written, log.health.lost)
"""
    *errors, health = finish(start(code, written.path)).splitlines()
    assert len(errors) == 3
    assert all("File too large" in error for error in errors)
    assert health == "2 3"
    assert written.kinds() == ["open", "decision", "lost", "decision"]
    assert verify(written.path).sound


def test_a_folder_that_may_not_be_written_to_costs_records_and_is_named(written: Written) -> None:
    written.path.parent.chmod(0o500)
    code = """
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
try:
    log.record([record(0)])
except DecisionLogError as error:
    print(error)
print(log.health.lost)
"""
    error, lost = finish(start(code, written.path)).splitlines()
    written.path.parent.chmod(0o700)
    assert "Permission denied" in error
    assert lost == "1"


@pytest.fixture
def open_to_all() -> Iterator[Written]:
    """A log in a folder that every user reaches; those of pytest are its owner's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Written(Path(folder))


def test_a_folder_that_takes_no_new_name_any_more_costs_records_and_says_why(open_to_all: Written) -> None:
    written = open_to_all
    code = """
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
log.record([record(number) for number in range(60)])
log = DecisionLog(sys.argv[1], LogRules(max_bytes=8192), actor_key=b"k" * 32)
sys.stdout.write("full\\n")
sys.stdout.flush()
sys.stdin.readline()
try:
    log.record([record(60)])
except DecisionLogError as error:
    print(error)
sys.stdin.readline()
log.record([record(61)])
print(log.health.written, log.health.lost)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE + code, str(written.path)], stdin=PIPE, stdout=PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "full\n"
    written.path.parent.chmod(0o555)
    process.stdin.write("\n")
    process.stdin.flush()
    said = process.stdout.readline()
    assert "is full and cannot be renamed to decisions.000001.jsonl: Permission denied" in said
    assert verify(written.path).sound
    written.path.parent.chmod(0o777)
    assert process.communicate("\n", timeout=120)[0] == "1 1\n"
    assert written.kinds()[-3:] == ["open", "lost", "decision"]
    assert verify(written.path).sound


def test_a_disk_that_is_full_when_a_file_is_closed_costs_records_and_not_the_log(written: Written) -> None:
    """The full file is renamed by then, and nothing fits into the next."""
    code = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log.record([record(number) for number in range(60)])
log = DecisionLog(sys.argv[1], LogRules(max_bytes=8192), actor_key=b"k" * 32)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
for number in range(60, 63):
    try:
        log.record([record(number)])
    except DecisionLogError as error:
        print(error)
print(os.stat(sys.argv[1]).st_size)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
log.record([record(63)])
print(log.health.written, log.health.lost)
"""
    *errors, size, health = finish(start(code, written.path)).splitlines()
    assert len(errors) == 3
    assert all("File too large" in error for error in errors)
    assert (size, health) == ("0", "1 3")
    report = verify(written.path)
    assert (report.sound, report.files, report.decisions) == (True, 2, 61)
    assert written.kinds()[-3:] == ["open", "lost", "decision"]
