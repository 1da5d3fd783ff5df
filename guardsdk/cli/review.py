"""``guardsdk review``: lets a person mark decisions as right or wrong, and suggests changes from the marks."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from dataclasses import asdict
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

from guardsdk.calibration.preferences import OPENING, preferences
from guardsdk.calibration.suggesting import passed, suggestions
from guardsdk.calibration.witness import Evidence, evidence
from guardsdk.cli.arguments import command, positive
from guardsdk.cli.lines import standard_input
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, counted, quoted, say, say_all, say_json
from guardsdk.decisions.entry import timestamp
from guardsdk.decisions.files import Place
from guardsdk.decisions.marks import Mark, Said, add_marks, marked, marks_of, marks_path
from guardsdk.decisions.query import Query, found_at, records
from guardsdk.disk import require_apart, require_own, write_file
from guardsdk.errors import InputError
from guardsdk.monitor.files import read_state
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

_KEYS: Final[dict[str, Said]] = {"r": "right", "w": "wrong"}
_DIGITS: Final = 20
"""Digits of a decision's number: more than any log has, and fewer than Python's limit."""
_TEXT: Final = "guardsdk.text"


def review_options(parser: ArgumentParser) -> None:
    """Add the commands of ``guardsdk review`` to ``parser``."""
    commands = parser.add_subparsers(dest="review_command", required=True, metavar="COMMAND")
    marking = command(commands, "mark", "go through decisions and mark each right or wrong")
    marking.set_defaults(run=_mark, alone=True)
    marking.add_argument("log", type=Path, metavar="LOG", help="the decision log")
    marking.add_argument("--principle", metavar="ID", help="only decisions of this principle")
    marking.add_argument("--stage", choices=[stage.value for stage in Stage], help="only decisions on this stage")
    marking.add_argument(
        "--passed", action="store_true", help="decisions that let a text pass, not those that held one back"
    )
    marking.add_argument(
        "--most",
        type=positive,
        default=50,
        metavar="N",
        help="how many at most, nearest to a threshold first (default: 50)",
    )
    marking.add_argument("--by", metavar="NAME", help="who says so, kept with the marks")
    marking.add_argument(
        "--set",
        action="append",
        default=[],
        type=_pair,
        metavar="NUMBER=right|wrong",
        help="mark this decision without asking; may be repeated",
    )
    suggesting = command(commands, "suggest", "suggest which threshold to move, and what that would have changed")
    suggesting.set_defaults(run=_suggest, alone=True)
    suggesting.add_argument("log", type=Path, metavar="LOG", help="the decision log")
    suggesting.add_argument(
        "--monitor",
        type=Path,
        metavar="STATE.json",
        help="say what a monitor saw as well, from what Monitor.save wrote",
    )
    suggesting.add_argument("--json", action="store_true", help="print it as JSON")
    exporting = command(commands, "export", "write answers that were rightly stopped as preference pairs (DPO)")
    exporting.set_defaults(run=_export, alone=True)
    exporting.add_argument("log", type=Path, metavar="LOG", help="the decision log")
    exporting.add_argument(
        "--answers",
        type=Path,
        required=True,
        metavar="FILE.jsonl",
        help="JSON lines with seq, the decision's number, and prompt, answer, revised",
    )
    exporting.add_argument(
        "--out", type=Path, required=True, metavar="FILE.jsonl", help="where pairs go: prompt, chosen, rejected"
    )


def _mark(options: Namespace) -> Exit:
    if options.set:
        if options.principle or options.stage or options.passed:
            msg = "--set marks decisions by number: --principle, --stage and --passed choose which are asked about"
            raise InputError(msg)
        found = found_at(options.log, [number for number, _ in options.set])
        if lost := [number for number, _ in options.set if number not in found]:
            msg = f"{options.log} has no decision {lost[0]}"
            raise InputError(msg)
        add_marks(options.log, [_said(found[number], said, options.by) for number, said in options.set])
    else:
        _ask(options)
    marks = marks_of(options.log)
    wrong = sum(mark.said == "wrong" for mark in marks.values())
    complain(f"{counted(len(marks), 'decision')} marked in {marks_path(options.log)}, {wrong} of them wrong")
    return Exit.DONE


def _ask(options: Namespace) -> None:
    asked = False
    for record in _open(options):
        asked = True
        say_all(_shown(record))
        while (answer := _answer()) not in {*_KEYS, "s", "q"}:
            say("r, w, s or q")
        if answer == "q":
            return
        if answer in _KEYS:  # written at once, so that stopping half-way keeps the earlier marks
            add_marks(options.log, [_said(record, _KEYS[answer], options.by)])
    if not asked:
        complain(
            "no decision to ask about: none is as asked for, or all are marked; --passed asks about those that passed"
        )


def _answer() -> str:
    say("right, wrong, skip or quit? [r/w/s/q]")
    sys.stdout.flush()
    return standard_input().readline().decode("utf-8", "replace").strip().lower()[:1] or "q"


def _open(options: Namespace) -> Iterator[dict[str, Any]]:
    """Yield unmarked decisions, at most ``--most``, those nearest to a threshold first."""
    marks = marks_of(options.log)
    query = Query(stage=options.stage, principle=options.principle)
    kept: list[tuple[float, int, dict[str, Any]]] = []
    for record in records(options.log, query):
        if not record["margins"] or passed(record) is not options.passed or marked(record, marks) is not None:
            continue
        kept.append((min(map(abs, record["margins"].values())), record["seq"], record))
        if len(kept) > 4 * options.most:  # keeps memory constant
            kept = sorted(kept, key=lambda one: one[:2])[: options.most]
    for _, _, record in sorted(kept, key=lambda one: one[:2])[: options.most]:
        yield record


def _shown(record: dict[str, Any]) -> Iterator[str]:
    by = record["principle"] or "no principle"
    yield ""
    yield f"{record['seq']}  {record['time']}  {record['stage']}  {record['action']} by {by}"
    for name, margin in sorted(record["margins"].items(), key=lambda item: -item[1]):
        line = record["thresholds"][name]
        yield f"    {name:32} {line + margin:.4f} at {line:.4f}" + (" fired" if name in record["findings"] else "")
    words = quoted(record[_TEXT]) if _TEXT in record else "not in the log"
    yield f"    text of {record['length']} characters: {words}"


def _said(record: dict[str, Any], said: Said, by: str | None) -> Mark:
    return Mark(record["seq"], record["hash"], said, timestamp(time_ns()), by)


def _marked(log: Path) -> dict[int, Said]:
    """Return the marks by number, for lines that still have the marked hash."""
    marks = marks_of(log)
    found = found_at(log, list(marks))
    said = {number: marked(record, marks) for number, record in found.items()}
    if lost := len(marks) - sum(one is not None for one in said.values()):
        complain(f"left out: {counted(lost, 'mark')} of what is not in the log any more")
    return {number: one for number, one in said.items() if one is not None}


def _suggest(options: Namespace) -> Exit:
    said = _marked(options.log)
    found = suggestions(records(options.log, Query()), said)
    seen: dict[tuple[str, str], Evidence] = {}
    if options.monitor is not None:
        seen = evidence(read_state(options.monitor), found, str(options.monitor))
    if options.json:
        rows = [
            {
                "principle": one.principle_id,
                "stage": one.stage,
                "threshold": one.line,
                "suggested": one.moved,
                "put_right": one.put_right,
                "put_wrong": one.put_wrong,
                "changed": one.changed,
                "decisions": one.decisions,
                "monitor": None if not seen else asdict(seen[one.principle_id, one.stage]),
            }
            for one in found
        ]
        say_json(rows)
        return Exit.DONE
    for one in found:
        say(str(one))
        if seen:
            say(f"    the monitor: {seen[one.principle_id, one.stage]}")
    if not found:
        say(f"nothing to move: no threshold puts more of the {len(said)} marked decisions right than wrong")
    return Exit.DONE


def _export(options: Namespace) -> Exit:
    require_apart([options.out], [options.answers, *Place(options.log).family()])
    require_own(options.out, OPENING, "guardsdk review export")
    answers = [_answer_at(f"{options.answers}:{number}", line) for number, line in _lines(options.answers)]
    said = _marked(options.log)
    pairs = list(preferences(answers, found_at(options.log, list(said)), said))
    if not pairs:
        complain(
            f"nothing written to {options.out}: none of {len(answers)} answers was stopped by a decision marked right"
        )
        return Exit.UNCHECKED
    write_file(options.out, "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs))
    written = f"{counted(len(pairs), 'pair')} of {counted(len(answers), 'answer')} written"
    complain(f"{written} to {options.out}; it holds their texts")
    return Exit.DONE


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as stream:  # lines end at line feeds only, as JSON may contain other separators unescaped
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield number, line


def _answer_at(place: str, line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        msg = f"{place}: not a JSON object"
        raise InputError(msg)
    return place, row


def _pair(given: str) -> tuple[int, Said]:
    number, _, word = given.partition("=")
    if not number.isascii() or not number.isdigit() or len(number) > _DIGITS or word not in _KEYS.values():
        msg = "must be a number and right or wrong, such as 17=wrong"
        raise ArgumentTypeError(msg)
    return int(number), "right" if word == "right" else "wrong"
