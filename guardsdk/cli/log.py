"""``guardsdk log``: verifies a decision log, and shows what is in it."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from dataclasses import asdict
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.cli.arguments import DONE, command, key_in, moment
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, counted, say, say_all, say_json, table
from guardsdk.decisions import export, parquet
from guardsdk.decisions.export import to_csv
from guardsdk.decisions.files import Place
from guardsdk.decisions.log import DecisionLog
from guardsdk.decisions.parquet import to_parquet
from guardsdk.decisions.query import COUNTED, Query, count, records
from guardsdk.decisions.verify import anchors_of, verify
from guardsdk.disk import read_file, require_apart, require_own, whole_file
from guardsdk.errors import InputError
from guardsdk.policy.reading import nearest
from guardsdk.verdict import Action, Stage, Status

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_QUERIED = f"""examples:
  guardsdk log query decisions.jsonl --by principle,action --since 2026-11-01
  guardsdk log query decisions.jsonl --action block --csv blocked.csv
{DONE}"""
_VERIFIED = "exit status: 0 every record is there and unchanged, 1 not so, 2 could not look or bad usage"


def log_options(parser: ArgumentParser) -> None:
    """Add the commands of ``guardsdk log`` to ``parser``."""
    commands = parser.add_subparsers(dest="log_command", required=True, metavar="COMMAND")
    verifying = command(commands, "verify", "name the first place where the chain is broken", epilog=_VERIFIED)
    verifying.set_defaults(run=_verify, alone=True)
    verifying.add_argument(
        "path", type=Path, metavar="PATH", help="the decision log, the file that is being written to"
    )
    verifying.add_argument("--key-file", type=Path, metavar="FILE", help="the key of the hashes, where the log has one")
    verifying.add_argument(
        "--anchor",
        action="append",
        default=[],
        metavar="NUMBER:HASH",
        help="number and hash of a record, as sent to telemetry; may be repeated",
    )
    verifying.add_argument("--json", action="store_true", help="print it as JSON")
    querying = command(commands, "query", "find decisions, count them, or write them to a table", _QUERIED)
    querying.set_defaults(run=_query, alone=True)
    querying.add_argument("path", type=Path, metavar="PATH", help="the decision log, the file that is being written to")
    querying.add_argument("--stage", choices=[one.value for one in Stage], help="only decisions on this stage")
    querying.add_argument("--action", choices=[one.value for one in Action], help="only decisions with this action")
    querying.add_argument("--status", choices=[one.value for one in Status], help="only checks with this status")
    querying.add_argument("--principle", metavar="ID", help="only where this principle decided")
    querying.add_argument("--actor", metavar="PSEUDONYM", help="only this actor, by the pseudonym in the log")
    querying.add_argument(
        "--actor-name", metavar="NAME", help="only this actor, as the guard was given it; needs the log's .key file"
    )
    querying.add_argument(
        "--since", type=_time, metavar="TIME", help="from 2026-11-25 or 2026-11-25T14:30 on; UTC unless stated"
    )
    querying.add_argument("--until", type=_time, metavar="TIME", help="before this time")
    querying.add_argument(
        "--by", type=_groups, metavar="A,B", help=f"count them by one or more of {', '.join(COUNTED)}"
    )
    querying.add_argument("--csv", type=Path, metavar="FILE", help="write a table to FILE")
    querying.add_argument(
        "--parquet", type=Path, metavar="FILE", help="the same as Parquet (pip install 'guardsdk[parquet]')"
    )


def _verify(options: Namespace) -> Exit:
    try:
        anchors = anchors_of(options.anchor)
    except ValueError as error:
        raise InputError(str(error)) from None
    report = verify(options.path, key=key_in(options.key_file), anchors=anchors)
    if options.json:
        say_json({"sound": report.sound, **asdict(report)})
    else:
        span = f"{report.first} to {report.last}" if report.records else "none"
        say("SOUND" if report.broken is None else "BROKEN")
        notes = (("note", note) for note in report.notes)
        records_found = f"{span}, {report.decisions} of them decisions"
        say_all(table([("files", str(report.files)), ("records", records_found), *notes]))
    if report.broken is None:
        return Exit.DONE
    place = f"{report.broken.file}:{report.broken.line}" if report.broken.line else report.broken.file
    complain(f"{place}: {report.broken.reason}")
    return Exit.NOT_SO


def _query(options: Namespace) -> Exit:
    if sum(way is not None for way in (options.by, options.csv, options.parquet)) > 1:
        msg = "give one of --by, --csv and --parquet"
        raise InputError(msg)
    query = Query(
        stage=options.stage,
        action=options.action,
        status=options.status,
        principle=options.principle,
        actor=_actor(options),
        since=options.since,
        until=options.until,
    )
    require_apart((options.csv, options.parquet), Place(options.path).family())
    require_own(options.csv, export.OPENING, "guardsdk log query")
    require_own(options.parquet, parquet.OPENING, "guardsdk log query")
    found = 0
    if options.by is not None:
        groups = count(options.path, query, options.by)
        found = len(groups)
        rows = ((*group, str(number)) for group, number in groups.items())
        say_all(table([(*options.by, "decisions"), *rows]))
    elif options.csv is not None:
        with whole_file(options.csv) as stream:
            text = TextIOWrapper(stream, encoding="utf-8", newline="")
            found = to_csv(records(options.path, query), text)
            text.detach()  # flushes it without closing the file
        complain(f"{counted(found, 'decision')} written to {options.csv}")
    elif options.parquet is not None:
        found = to_parquet(records(options.path, query), options.parquet)
        complain(f"{counted(found, 'decision')} written to {options.parquet}")
    else:
        for found, record in enumerate(records(options.path, query), 1):  # noqa: B007  counted
            say(json.dumps(record))
    if not found:
        complain(_nothing(options.path, query))
    return Exit.DONE


def _nothing(path: Path, query: Query) -> str:
    """Report that no decision was found and, if the requested principle never decided, which ones did."""
    names = [] if query.principle is None else [name for (name,) in count(path, Query(), ("principle",)) if name != "-"]
    if query.principle in (None, *names):
        return f"no decision in {path} is as asked for"
    return f"{query.principle} decided nothing in {path}: {nearest(str(query.principle), names or ['none'])}"


def _actor(options: Namespace) -> str | None:
    if options.actor_name is None:
        return None if options.actor is None else str(options.actor)
    if options.actor is not None:
        msg = "give --actor or --actor-name, not both"
        raise InputError(msg)
    kept = Place(options.path).key
    if not kept.exists():
        msg = (
            f"{kept} is not there, which --actor-name needs: nobody was named yet, or the log has its own key; then "
            "ask for --actor with what DecisionLog(PATH, actor_key=KEY).pseudonym(NAME) returns"
        )
        raise InputError(msg)
    return DecisionLog(options.path, actor_key=read_file(kept)).pseudonym(options.actor_name)


def _time(given: str) -> str:
    """Return the time in the format of the lines."""
    return f"{moment(given).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"  # %Y does not pad with zeros


def _groups(given: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in given.split(","))
    unknown = [name for name in names if name not in COUNTED]
    if unknown:
        msg = f"must be some of {', '.join(COUNTED)}, with commas between"
        raise ArgumentTypeError(msg)
    return names
