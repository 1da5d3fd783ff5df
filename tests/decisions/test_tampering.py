"""Whatever is done to a log afterwards, ``verify`` names the first place where it no longer holds."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from guardsdk.decisions import DecisionLog
from guardsdk.decisions.entry import Entry, encoded, line_of
from guardsdk.decisions.files import raw_lines
from guardsdk.decisions.verify import anchors_of, verify
from guardsdk.errors import DecisionLogError
from tests.decisions.conftest import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from guardsdk.decisions.files import File
    from tests.decisions.conftest import Written

KEY = b"secret of the auditor"


def change(path: Path, how: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(how(path.read_bytes().splitlines(keepends=True))))


def edited(lines: list[bytes]) -> list[bytes]:
    lines[4] = lines[4].replace(b'"action":"allow"', b'"action":"block"')
    return lines


def rehashed(lines: list[bytes]) -> list[bytes]:
    """One line is edited and its own hash computed anew, by someone who does not know that the next line names it."""
    content = json.loads(lines[4])
    body = {name: value for name, value in content.items() if name not in {"v", "seq", "kind", "time", "prev", "hash"}}
    body["action"] = "block"
    entry = Entry(content["kind"], content["time"], body)
    lines[4] = encoded(line_of(content["seq"], entry, content["prev"], None))
    return lines


def test_an_untouched_log_is_sound(written: Written) -> None:
    written.fill(10)
    report = verify(written.path)
    assert report.sound
    assert (report.first, report.last, report.decisions, report.notes) == (1, 11, 10, [])


@pytest.mark.parametrize(
    ("how", "line", "reason"),
    [
        (edited, 5, "does not match its hash"),
        (rehashed, 6, "does not follow record 5"),
        (lambda lines: lines[:4] + lines[5:], 5, "records 5 to 5 are missing"),
        (lambda lines: lines[:4] + lines[6:], 5, "records 5 to 6 are missing"),
        (lambda lines: lines[1:], 1, "does not begin with its opening"),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], 5, "records 5 to 5 are missing"),
        (lambda lines: [*lines[:5], lines[3], *lines[5:]], 6, "record 4 stands after record 5"),
        (lambda lines: [*lines[:4], lines[4][:-3] + b"\n", *lines[5:]], 5, "not a record"),
        (lambda lines: [*lines[:4], b"\n", *lines[4:]], 5, "not a record"),
        (lambda lines: lines[:8], 0, "records 9 to 11 are missing at the end"),
        (lambda lines: lines[:1], 0, "records 2 to 11 are missing at the end"),
        (lambda _: [], 0, "records 1 to 11 are missing at the end"),
    ],
)
def test_the_first_break_is_named(
    written: Written, how: Callable[[list[bytes]], list[bytes]], line: int, reason: str
) -> None:
    written.fill(10)
    change(written.path, how)
    broken = verify(written.path).broken
    assert broken is not None
    assert (broken.file, broken.line) == ("decisions.jsonl", line)
    assert reason in broken.reason


def test_what_was_cut_off_stays_missing_when_the_log_goes_on(written: Written) -> None:
    written.fill(10)
    change(written.path, lambda lines: lines[:8])
    written.fill(5)
    assert "missing" in written.kinds()
    broken = verify(written.path).broken
    assert broken is not None
    assert "records 9 to 11 are missing" in broken.reason


def test_a_log_that_was_removed_whole_stays_missing_when_it_goes_on(written: Written) -> None:
    log = written.fill(10)
    written.path.unlink()
    log.record([record()])
    assert written.lines()[0]["seq"] == 12
    assert not verify(written.path).sound


@pytest.mark.parametrize(("number", "reason"), [(1, "records 1 to"), (2, "are missing")])
def test_a_closed_file_that_is_missing_is_noticed(written: Written, number: int, reason: str) -> None:
    written.fill(40, max_bytes=8192)
    written.place.closed(number).unlink()
    broken = verify(written.path).broken
    assert broken is not None
    assert reason in broken.reason


def test_the_end_of_a_closed_file_is_chained_to_the_next(written: Written) -> None:
    written.fill(40, max_bytes=8192)
    change(written.place.closed(2), lambda lines: lines[:-1])
    broken = verify(written.path).broken
    assert broken is not None
    assert (broken.file, broken.line) == ("decisions.000003.jsonl", 1)


def forge(written: Written, keep: int, key: bytes | None) -> None:
    """Do what someone with all the files and without the key can: cut the end off and write a head that fits."""
    change(written.path, lambda lines: lines[:keep])
    last = json.loads(written.path.read_bytes().splitlines()[-1])
    other = DecisionLog(written.path.with_name("other.jsonl"), chain_key=key)
    other.record([record()])
    head = json.loads(written.place.head.read_bytes())
    head["seq"], head["hash"] = last["seq"], last["hash"]
    from guardsdk.decisions.files import Head, write_head

    with written.place.head.open("r+b", buffering=0) as stream:
        write_head(stream.fileno(), Head(head["file"], last["seq"], last["hash"]), key)


def test_without_a_key_a_forged_head_hides_the_end_and_an_anchor_shows_it(written: Written) -> None:
    written.fill(10)
    newest = written.lines()[-1]
    forge(written, 8, None)
    assert verify(written.path).sound
    anchors = anchors_of([f"{newest['seq']}:{newest['hash']}"])
    broken = verify(written.path, anchors=anchors).broken
    assert broken is not None
    assert "record 11 was anchored" in broken.reason


@pytest.mark.parametrize("given", ["²:" + 64 * "0", "3:" + 64 * "g", "3:" + 63 * "0", "3"])
def test_what_is_no_anchor_is_refused_and_takes_no_log_for_another(given: str) -> None:
    with pytest.raises(ValueError, match="an anchor is written NUMBER:HASH"):
        anchors_of([given])


def test_an_anchor_in_capitals_is_the_same(written: Written) -> None:
    written.fill(3)
    newest = written.lines()[-1]
    assert verify(written.path, anchors=anchors_of([f"{newest['seq']}:{newest['hash'].upper()}"])).sound


@pytest.mark.parametrize("body", [{"event": "expired", "through": "all"}, {"event": "torn", "file": [1]}])
def test_a_record_that_was_hashed_right_and_says_nonsense_is_a_break(written: Written, body: dict[str, object]) -> None:
    written.fill(2)
    newest = written.lines()[-1]
    forged = line_of(newest["seq"] + 1, Entry("note", newest["time"], body), newest["hash"], None)
    with written.path.open("ab") as stream:
        stream.write(encoded(forged))
    broken = verify(written.path).broken
    assert broken is not None
    assert (broken.line, "no writer" in broken.reason) == (4, True)


def test_a_log_written_anew_is_not_the_one_that_was_anchored(written: Written) -> None:
    log = written.fill(10)
    anchored = written.lines()[6]
    for one in written.path.parent.iterdir():
        one.unlink()
    log.record([record(number + 1) for number in range(10)])
    assert verify(written.path).sound
    broken = verify(written.path, anchors={anchored["seq"]: anchored["hash"]}).broken
    assert broken is not None
    assert broken.line == 7
    assert "written anew" in broken.reason


def test_with_a_key_nobody_else_can_compute_the_chain_anew(written: Written) -> None:
    log = DecisionLog(written.path, chain_key=KEY)
    for number in range(10):
        log.record([record(number)])
    assert verify(written.path, key=KEY).sound
    assert not verify(written.path).sound
    assert not verify(written.path, key=b"another").sound
    change(written.path, rehashed)
    broken = verify(written.path, key=KEY).broken
    assert broken is not None
    assert broken.line == 5


@pytest.mark.parametrize("empty", [False, True])
@pytest.mark.parametrize(("begun", "given"), [(KEY, b"another"), (KEY, None), (None, KEY)])
def test_nothing_is_added_to_a_log_of_another_key(
    written: Written, begun: bytes | None, given: bytes | None, *, empty: bool
) -> None:
    DecisionLog(written.path, chain_key=begun).record([record()])
    if empty:  # a writer was killed when it had closed a file and made the next
        written.path.rename(written.place.closed(1))
        written.path.touch()
    else:
        with written.path.open("ab") as stream:
            stream.write(b'{"v":1,"seq":3')  # torn, and left to a writer that may cut it off
    before = {one: one.read_bytes() for one in written.path.parent.iterdir()}
    log = DecisionLog(written.path, chain_key=given)
    with pytest.raises(DecisionLogError, match="nothing was added: give the key it was begun with, or another file"):
        log.record([record()])
    assert {one: one.read_bytes() for one in written.path.parent.iterdir()} == before
    DecisionLog(written.path, chain_key=begun).record([record()])
    assert verify(written.path, key=begun).sound


def test_a_last_line_that_was_edited_is_not_taken_for_another_key(written: Written) -> None:
    written.fill(2)
    change(written.path, lambda lines: [*lines[:-1], lines[-1].replace(b'"allow"', b'"block"')])
    written.fill(1)
    broken = verify(written.path).broken
    assert broken is not None
    assert broken.line == 3


def test_with_a_key_a_forged_head_is_seen_to_be_forged(written: Written) -> None:
    log = DecisionLog(written.path, chain_key=KEY)
    for number in range(10):
        log.record([record(number)])
    forge(written, 8, None)
    broken = verify(written.path, key=KEY).broken
    assert broken is not None
    assert broken.reason.startswith("the head is missing or damaged")


@pytest.mark.parametrize("content", [None, b"", b"{"])
@pytest.mark.parametrize("cut", [0, 3])
def test_without_a_head_nobody_knows_that_the_end_is_the_end(written: Written, cut: int, content: bytes | None) -> None:
    written.fill(10)
    anchor = [f"{written.lines()[-1]['seq']}:{written.lines()[-1]['hash']}"]
    if cut:
        change(written.path, lambda lines: lines[:-cut])
    written.place.head.unlink()
    if content is not None:
        written.place.head.write_bytes(content)
    broken = verify(written.path).broken
    assert broken is not None
    assert "no anchor of record" in broken.reason
    assert verify(written.path, anchors=anchors_of(anchor)).sound is not bool(cut)


def test_a_writer_that_goes_on_does_not_make_it_good_but_who_vouches_for_its_note(written: Written) -> None:
    written.fill(10)
    change(written.path, lambda lines: lines[:-3])
    written.place.head.unlink()
    written.fill(5)
    assert "headless" in written.kinds()
    broken = verify(written.path).broken
    assert broken is not None
    said = re.search(r"--anchor (\S+) vouches", broken.reason)
    assert said is not None
    (line,) = [one for one in written.lines() if one.get("event") == "headless"]
    assert said[1] == f"{line['seq']}:{line['hash']}"
    assert verify(written.path, anchors=anchors_of([said[1]])).sound
    newest = written.lines()[-1]
    assert not verify(written.path, anchors=anchors_of([f"{newest['seq']}:{newest['hash']}"])).sound


def test_a_head_that_was_removed_is_told(written: Written) -> None:
    written.fill(10)
    written.place.head.unlink()
    written.fill(1)
    assert written.kinds()[-2:] == ["headless", "decision"]


def test_where_there_is_no_log_that_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DecisionLogError, match="there is no decision log"):
        verify(tmp_path / "decisions.jsonl")
    with pytest.raises(DecisionLogError, match="there is no decision log"):
        verify(tmp_path / "none" / "decisions.jsonl")


@pytest.mark.parametrize("content", [b"notes", b"notes\nof mine", b"x" * 5000])
def test_what_is_no_log_is_not_sound(written: Written, content: bytes) -> None:
    written.path.write_bytes(content)
    broken = verify(written.path).broken
    assert broken is not None
    assert (broken.line, broken.reason) == (1, "not a record: the line was changed")


def test_a_log_is_followed_while_it_is_written_to(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    log = written.fill(30, max_bytes=8 * 1024)
    read = raw_lines

    def busy(file: File) -> Iterator[bytes]:
        for line in read(file):
            log.record([record()])
            yield line

    monkeypatch.setattr("guardsdk.decisions.verify.raw_lines", busy)
    report = verify(written.path)
    assert report.broken is None
    assert report.decisions >= 30
