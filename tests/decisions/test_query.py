"""What is asked of a log is answered from its lines, whatever they hold and however many they are."""

from __future__ import annotations

import csv
import json
import os
import sys
import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from io import FileIO
from typing import TYPE_CHECKING

import pytest

from guardsdk.decisions import DecisionLog, LogRules
from guardsdk.decisions import query as module
from guardsdk.decisions.entry import Entry, timestamp
from guardsdk.decisions.marks import Mark, add_marks, marks_of
from guardsdk.decisions.query import FIELDS, Query, count, fronts, records
from guardsdk.decisions.verify import verify
from guardsdk.decisions.writer import Writer
from guardsdk.errors import DecisionLogError
from guardsdk.verdict import Stage
from tests.decisions.conftest import START_NS, Written, record

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.decisions.files import File
    from tests.cli.conftest import Runner


@pytest.fixture
def mixed(written: Written) -> Written:
    """200 decisions over several files, a second apart; the first half has actors, two stages and blocks."""
    log = written.log(max_bytes=32 * 1024)
    for number in range(200):
        early = number < 100
        log.record(
            [
                record(
                    number,
                    actor=("ada" if number % 2 else "bob") if early else None,
                    stage=Stage.TOOL if early and number % 5 == 0 else Stage.INPUT,
                    fired=early and number % 10 == 0,
                )
            ]
        )
    assert len(written.place.every()) > 2
    return written


def brute(mixed: Written, **wanted: object) -> list[int]:
    lines = [line for line in mixed.lines() if line["kind"] == "decision"]
    return [line["seq"] for line in lines if all(line[name] == value for name, value in wanted.items())]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"action": "block"},
        {"stage": "tool"},
        {"principle": "no-override"},
        {"stage": "tool", "action": "allow"},
        {"status": "failed"},
    ],
)
def test_decisions_are_found_by_their_fields(mixed: Written, wanted: dict[str, str]) -> None:
    found = [one["seq"] for one in records(mixed.path, Query(**wanted))]
    assert found == brute(mixed, **wanted)


def test_decisions_are_found_by_actor(mixed: Written) -> None:
    ada = mixed.log().pseudonym("ada")
    found = [one["seq"] for one in records(mixed.path, Query(actor=ada))]
    assert found == brute(mixed, actor=ada)
    assert len(found) == 50


def test_decisions_are_found_by_time(mixed: Written) -> None:
    times = [line["time"] for line in mixed.lines() if line["kind"] == "decision"]
    found = [one["time"] for one in records(mixed.path, Query(since=times[30], until=times[170]))]
    assert found == times[30:170]
    assert list(fronts(mixed.path, Query(since="2090-01-01"))) == []


def test_groups_are_counted_and_add_up(mixed: Written) -> None:
    assert count(mixed.path, Query(), ["action"]) == {("allow",): 190, ("block",): 10}
    by = count(mixed.path, Query(), ["principle", "stage"])
    assert by == {("-", "input"): 180, ("-", "tool"): 10, ("no-override", "tool"): 10}
    assert sum(count(mixed.path, Query(), ["day", "hour"]).values()) == 200


def test_groups_beyond_the_most_are_counted_together(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_GROUPS", 3)
    written.log().record([record(number, actor=f"actor {number}") for number in range(10)])
    counts = count(written.path, Query(), ["actor"])
    assert counts["(other)",] == 7
    assert (len(counts), sum(counts.values())) == (4, 10)


def test_an_id_that_json_writes_with_a_backslash_is_found_all_the_same(written: Written) -> None:
    one = record(fired=True)
    verdict = one.verdict.model_copy(update={"principle_id": 'a "quoted" id'})
    written.log().record([replace(one, verdict=verdict), record()])
    assert count(written.path, Query(principle='a "quoted" id'), ["principle"]) == {('a "quoted" id',): 1}


def test_the_first_fields_of_a_line_are_where_the_reader_looks_for_them(written: Written) -> None:
    written.log().record([record(fired=True, actor="ada")])
    raw = written.path.read_bytes().splitlines()[1]
    ((front, whole),) = fronts(written.path, Query())
    assert whole == raw + b"\n"
    assert front == tuple(json.loads(raw)[name] for name in FIELDS)


@pytest.mark.parametrize("block", [1, 100, 1000, 1 << 20])
@pytest.mark.parametrize("wanted", [{}, {"actor": "ada"}, {"action": "block"}, {"action": "allow", "stage": "tool"}])
def test_reading_in_blocks_finds_what_reading_every_line_finds(
    mixed: Written, monkeypatch: pytest.MonkeyPatch, block: int, wanted: dict[str, str]
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    with mixed.path.open("ab") as stream:  # what is wanted, in places where it means nothing
        stream.write(b'"action":"block"\n\n{"v":1,"seq":7,"kind":"note","action":"block"}\n')
        last = mixed.path.read_bytes().splitlines()[-1]
        stream.write(last.replace(b'"error":null', b'"error":"\\"action\\":\\"block\\""') + b"\n" + last)
    if "actor" in wanted:
        wanted = {"actor": mixed.log().pseudonym(wanted["actor"])}
    slow = [
        json.loads(raw)
        for file in mixed.place.every()
        for raw in file.read_bytes().split(b"\n")[:-1]
        if b'"kind":"decision"' in raw
    ]
    slow = [one for one in slow if all(one[name] == value for name, value in wanted.items())]
    assert list(records(mixed.path, Query(**wanted))) == slow
    found = count(mixed.path, Query(**wanted), ["action", "stage"])
    assert found == Counter((one["action"], one["stage"]) for one in slow)


def test_torn_and_strange_lines_are_passed_over(mixed: Written) -> None:
    with mixed.path.open("ab") as stream:
        stream.write(b'{"v":1,"kind":"decision"}\nnot json "kind":"decision"\n{"v":1,"seq":9,"kind":"deci')
    assert len(list(fronts(mixed.path, Query()))) == 200


def test_a_torn_line_whose_first_fields_are_whole_is_passed_over(mixed: Written) -> None:
    with mixed.path.open("ab") as stream:
        stream.write(mixed.path.read_bytes().splitlines()[-1][:-80])
    assert sum(1 for _ in records(mixed.path, Query())) == 200
    assert count(mixed.path, Query(), ["status"]) == {("complete",): 200}


@pytest.mark.parametrize("damaged", [b'"coverage":', b'"stopped_early":'])
def test_a_damaged_decision_is_an_error_and_not_left_out(mixed: Written, run: Runner, damaged: bytes) -> None:
    mixed.path.write_bytes(mixed.path.read_bytes().replace(damaged, b"\0" * len(damaged), 1))
    target = mixed.path.with_suffix(".csv")
    for command in (("log", "query"), ("log", "query", "--csv", target), ("review", "suggest")):
        assert run.alone(*command[:2], mixed.path, *command[2:]) == 2
        assert "a decision is not as it was written: guardsdk log verify names the first line" in run.err
    assert not target.exists()
    assert count(mixed.path, Query(), ["status"]) == {("complete",): 200}


def test_a_damaged_name_is_an_error_where_it_is_told(mixed: Written) -> None:
    oldest = mixed.place.every()[0]
    oldest.write_bytes(oldest.read_bytes().replace(b'"principle":"no-', b'"principle":"n\xff-', 1))
    with pytest.raises(DecisionLogError, match="not as it was written"):
        count(mixed.path, Query(), ["principle"])
    with pytest.raises(DecisionLogError, match="not as it was written"):
        list(fronts(mixed.path, Query()))


class Copied(bytes):
    """Part of a file; bytes it is put behind one by one are counted."""

    copied = 0

    def __radd__(self, before: bytes) -> bytes:
        Copied.copied += len(before)
        return bytes(before) + bytes(self)


class Parts(FileIO):
    def __init__(self, file: File, **_: object) -> None:
        super().__init__(file, closefd=not isinstance(file, int))
        self.seek(0)

    def read(self, size: int | None = -1) -> bytes:
        return Copied(super().read(-1 if size is None else size))


def test_a_line_over_many_blocks_is_not_copied_with_each_of_them(
    mixed: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 64)
    monkeypatch.setattr(module, "at_start", Parts)
    assert len(list(records(mixed.path, Query()))) == 200
    assert Copied.copied == 0


def test_a_group_by_day_is_counted_within_a_range_of_time(mixed: Written) -> None:
    times = [line["time"] for line in mixed.lines() if line["kind"] == "decision"]
    counts = count(mixed.path, Query(since=times[30], until=times[170]), ["day", "action"])
    assert sum(counts.values()) == 140
    assert {day for day, _ in counts} == {time[:10] for time in times[30:170]}


def test_memory_does_not_grow_with_the_log(written: Written) -> None:
    def peak(size: int) -> int:
        log = written.log()
        for _ in range(size):
            log.record([record(number) for number in range(100)])
        tracemalloc.start()
        count(written.path, Query(), ["action"])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small = peak(20)
    large = peak(100)
    assert large < 1.5 * small


def test_where_there_is_no_log_that_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DecisionLogError, match="there is no decision log"):
        list(fronts(tmp_path / "decisions.jsonl", Query()))


@pytest.mark.parametrize("content", [b'{"text": "hello"}\n', b"\x00\xff\xfe" * 50, b"no end of line"])
def test_a_file_that_is_no_log_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(content)
    with pytest.raises(DecisionLogError, match="no line at its beginning is a record"):
        list(fronts(path, Query()))


def test_a_log_whose_opening_was_torn_is_still_read(mixed: Written) -> None:
    before = list(fronts(mixed.path, Query()))
    content = mixed.path.read_bytes()
    mixed.path.write_bytes(content[10:])
    assert before
    assert list(fronts(mixed.path, Query())) == before


def test_a_table_in_csv_has_every_decision(mixed: Written, run: Runner) -> None:
    target = mixed.path.with_suffix(".csv")
    assert run.alone("log", "query", mixed.path, "--csv", target) == 0
    with target.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    lines = [line for line in mixed.lines() if line["kind"] == "decision"]
    assert [int(row["seq"]) for row in rows] == [line["seq"] for line in lines]
    assert [json.loads(row["scores"]) for row in rows] == [line["scores"] for line in lines]
    assert [row["principle"] for row in rows] == [line["principle"] or "" for line in lines]


def test_a_table_in_parquet_has_every_decision(mixed: Written, run: Runner) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    target = mixed.path.with_suffix(".parquet")
    assert run.alone("log", "query", mixed.path, "--parquet", target) == 0
    rows = parquet.read_table(target).to_pylist()
    lines = [line for line in mixed.lines() if line["kind"] == "decision"]
    assert [row["seq"] for row in rows] == [line["seq"] for line in lines]
    assert [dict(row["margins"]) for row in rows] == [line["margins"] for line in lines]
    assert [row["allowed"] for row in rows] == [line["allowed"] for line in lines]


@pytest.mark.parametrize("body", ["raise ImportError('needs NumPy 2.0 or newer')", "import no_such_module_at_all"])
def test_a_table_in_parquet_needs_a_pyarrow_that_works(
    mixed: Written, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    broken = tmp_path / "lib" / "pyarrow"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(body)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(broken.parent)
    target = mixed.path.with_suffix(".parquet")
    assert run.alone("log", "query", mixed.path, "--parquet", target) == 2
    assert "Parquet needs" in run.err
    assert not target.exists()


def test_the_command_counts_and_prints(mixed: Written, run: Runner) -> None:
    assert run.alone("log", "query", mixed.path, "--by", "action,stage") == 0
    assert [line.split() for line in run.out.splitlines()] == [
        ["action", "stage", "decisions"],
        ["allow", "input", "180"],
        ["allow", "tool", "10"],
        ["block", "tool", "10"],
    ]
    assert run.alone("log", "query", mixed.path, "--action", "block") == 0
    assert [json.loads(line)["seq"] for line in run.out.splitlines()] == brute(mixed, action="block")
    assert run.alone("log", "query", mixed.path, "--by", "score") == 2
    assert run.alone("log", "query", mixed.path, "--by", "action", "--csv", mixed.path.with_suffix(".csv")) == 2


@pytest.mark.parametrize("way", [(), ("--by", "day"), ("--csv", "out.csv")])
def test_the_command_says_so_where_nothing_is_found(
    mixed: Written, run: Runner, monkeypatch: pytest.MonkeyPatch, way: tuple[str, ...]
) -> None:
    monkeypatch.chdir(mixed.path.parent)
    asked = ("log", "query", str(mixed.path), *way, "--principle")
    assert run.alone(*asked, "no-overide") == 0
    told = f"no-overide decided nothing in {mixed.path}: did you mean 'no-override'? known: no-override\n"
    assert run.err.endswith(told)
    assert run.alone(*asked, "no-override", "--stage", "output") == 0
    assert run.err.endswith(f"no decision in {mixed.path} is as asked for\n")
    assert run.alone(*asked, "no-override") == 0
    assert "no decision" not in run.err


def test_the_command_finds_an_actor_by_the_name_the_guard_was_given(mixed: Written, run: Runner) -> None:
    assert run.alone("log", "query", mixed.path, "--actor-name", "ada", "--by", "actor") == 2
    assert f"{mixed.place.key} is not there" in run.err
    assert "actor_key=KEY" in run.err
    mixed.place.key.write_bytes(b"k" * 32)
    assert run.alone("log", "query", mixed.path, "--actor-name", "ada", "--by", "actor") == 0
    assert run.out.splitlines()[1].split() == [mixed.log().pseudonym("ada"), "50"]


def test_the_command_verifies(mixed: Written, run: Runner) -> None:
    assert run.alone("log", "verify", mixed.path) == 0
    assert run.out.splitlines()[0] == "SOUND"
    newest = mixed.lines()[-1]
    assert run.alone("log", "verify", mixed.path, "--anchor", f"{newest['seq']}:{newest['hash']}") == 0
    assert run.alone("log", "verify", mixed.path, "--anchor", "5") == 2
    data = mixed.place.closed(2).read_bytes()
    mixed.place.closed(2).write_bytes(data.replace(b'"allowed":true', b'"allowed":null', 1))
    assert run.alone("log", "verify", mixed.path, "--json") == 1
    broken = json.loads(run.out)["broken"]
    assert broken["file"] == "decisions.000002.jsonl"
    assert f"decisions.000002.jsonl:{broken['line']}: the record does not match its hash" in run.err
    assert run.alone("log", "verify", mixed.path.with_name("none.jsonl")) == 2


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_that_cannot_be_finished_leaves_the_one_before(mixed: Written, run: Runner, kind: str) -> None:
    target = mixed.path.with_suffix(f".{kind}")
    assert run.alone("log", "query", mixed.path, f"--{kind}", target) == 0
    before = target.read_bytes()
    mixed.path.write_bytes(mixed.path.read_bytes().replace(b'"coverage":', b'"coverage":x'))
    assert run.alone("log", "query", mixed.path, f"--{kind}", target) != 0
    assert target.read_bytes() == before
    assert not list(target.parent.glob(".guardsdk-*"))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_no_log_is_refused_in_the_words_of_who_reads_it(tmp_path: Path, run: Runner, kind: str) -> None:
    path, target = tmp_path / "notes.txt", tmp_path / f"table.{kind}"
    assert run.alone("log", "query", path, f"--{kind}", target) == 2
    assert run.err == f"guardsdk: {path}: there is no decision log\n"
    path.write_text("of mine\n")
    assert run.alone("log", "query", path, f"--{kind}", target) == 2
    assert run.err == f"guardsdk: {path}: no line at its beginning is a record of a decision log\n"
    assert not target.exists()


def test_what_a_later_version_adds_to_a_record_does_not_stop_a_table(written: Written, run: Runner) -> None:
    written.fill(1)
    entry = {"stage": "input", "action": "allow", "status": "complete", "principle": None, "actor": None}
    later = {"model": {"name": "m", "version": "1", "digest": "d", "signature": "s"}, "mood": "calm"}
    Writer(written.place, LogRules(), None).append([Entry("decision", timestamp(0), {**entry, **later})])
    target = written.path.with_suffix(".csv")
    assert run.alone("log", "query", written.path, "--csv", target) == 0
    with target.open(newline="") as stream:
        assert [row["model_name"] for row in csv.DictReader(stream)] == ["", "m"]


def test_a_log_that_goes_on_to_its_next_file_meanwhile_is_read_whole(mixed: Written) -> None:
    reading = records(mixed.path, Query())
    found = [next(reading)["seq"]]
    mixed.path.rename(mixed.place.closed(len(mixed.place.every())))
    mixed.log(max_bytes=32 * 1024).record([record(500)])
    assert [*found, *(one["seq"] for one in reading)] == brute(mixed)[:-1]


def test_a_clock_that_was_set_back_hides_no_decision(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    log = written.fill(3)
    monkeypatch.setattr(time, "time_ns", lambda: START_NS - 3_600 * 10**9)  # the next file begins an hour earlier
    written.path.rename(written.place.closed(1))
    log.record([record(4)])
    assert len(list(records(written.path, Query(since=timestamp(START_NS + 10**9))))) == 3


def test_a_clock_that_was_set_forward_and_back_within_a_file_hides_no_decision(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = written.log()
    log.record([record(0), record(7_200), record(1)])
    monkeypatch.setattr(time, "time_ns", lambda: START_NS + 2 * 10**9)  # the next file begins at the right time
    written.path.rename(written.place.closed(1))
    log.record([record(3)])
    asked = Query(since=timestamp(START_NS + 3_600 * 10**9), until=timestamp(START_NS + 10_000 * 10**9))
    assert [one["time"] for one in records(written.path, asked)] == [timestamp(START_NS + 7_200 * 10**9)]
    before = Query(until=timestamp(START_NS + 3_600 * 10**9))
    assert len(list(records(written.path, before))) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes among its files")
def test_a_pipe_in_the_place_of_a_log_is_not_waited_for(tmp_path: Path, run: Runner) -> None:
    pipe = tmp_path / "decisions.jsonl"
    os.mkfifo(pipe)
    for reading in (lambda: list(records(pipe, Query())), lambda: verify(pipe)):
        with pytest.raises(DecisionLogError, match="a pipe or a device"):
            reading()
    pipe.rename(pipe.with_name("decisions.jsonl.key"))
    assert run.alone("log", "query", pipe, "--actor-name", "ada") == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a link takes a right of its own")
def test_a_log_that_is_named_by_a_link_is_read_as_it_was_written(tmp_path: Path, run: Runner) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "current.jsonl"
    link.symlink_to(tmp_path / "disk" / "decisions.jsonl")
    with DecisionLog(link, LogRules(max_bytes=4096)) as log:  # which goes on to further files beside the first
        for number in range(12):
            log.record([record(number, actor="ann", fired=number == 3)])
    report = verify(link)
    assert report.sound
    assert (report.files > 1, report.decisions, report.notes) == (True, 12, [])
    assert sum(count(link, Query(), ("action",)).values()) == 12
    assert run.alone("log", "query", link, "--actor-name", "ann", "--by", "stage") == 0
    assert run.out.splitlines()[1].split() == ["input", "12"]
    number = next(one["seq"] for one in records(link, Query(action="block")))
    add_marks(link, [Mark(number, "0" * 64, "right", timestamp(START_NS))])
    assert set(marks_of(tmp_path / "disk" / "decisions.jsonl")) == {number}
    assert [one.name for one in tmp_path.iterdir() if one.name != "disk"] == [link.name]
