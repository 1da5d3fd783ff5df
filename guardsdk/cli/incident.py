"""``guardsdk incident``: open, note, close, list and export, in a tamper-evident file."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardsdk.cli.arguments import command, key_in, moment, output, positive
from guardsdk.cli.outcome import Exit
from guardsdk.cli.terminal import complain, say, say_all, table
from guardsdk.decisions.files import Place
from guardsdk.disk import require_apart, require_own, write_file
from guardsdk.errors import InputError
from guardsdk.incidents.clocks import NOT_DECIDED, Harm, Recipient, Role, standing, utc
from guardsdk.incidents.events import Report
from guardsdk.incidents.export import JSON, MARKDOWN, as_json, as_markdown, chain_problem
from guardsdk.incidents.log import IncidentLog, links

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Sequence

    from guardsdk.decisions.verify import Report as ChainReport
    from guardsdk.incidents.events import Incident

_DEFAULT = Path("incidents.jsonl")
_EXPORTED = "exit status: 0 written, 1 written, and the file is not as it was written, 2 could not write or bad usage"
_LISTED = "exit status: 0 listed, 1 listed, and the file is not as it was written, 2 could not look or bad usage"
_HARMS = ", ".join(harm.value for harm in Harm)


def incident_options(parser: ArgumentParser) -> None:
    """Add the commands of ``guardsdk incident`` to ``parser``."""
    commands = parser.add_subparsers(dest="incident_command", required=True, metavar="COMMAND")
    opening = _common(command(commands, "open", "record a new incident"), _open)
    for name, words in (
        ("title", "in a few words"),
        ("reporter", "who reports it"),
        ("system", "system or source"),
        ("description", "what happened"),
    ):
        opening.add_argument(f"--{name}", required=True, metavar="TEXT", help=words)
    opening.add_argument(
        "--occurred", required=True, type=moment, metavar="TIME", help="when, such as 2026-11-25T14:30 (UTC)"
    )
    opening.add_argument("--aware", type=moment, metavar="TIME", help="when you became aware of it (default: now)")
    opening.add_argument(
        "--impact", action="append", required=True, metavar="TEXT", help="what it did; may be repeated"
    )
    opening.add_argument(
        "--stakeholder", action="append", required=True, metavar="TEXT", help="who was affected; may be repeated"
    )
    opening.add_argument(
        "--harm", action="append", required=True, type=_harm, metavar="HARM", help=f"one of {_HARMS}; may be repeated"
    )
    opening.add_argument(
        "--role",
        choices=[role.value for role in Role],
        default=Role.DEPLOYER.value,
        help=f"your role for the system (default: {Role.DEPLOYER.value})",
    )
    _decisions(opening)
    noting = _common(command(commands, "note", "add what became known or was done"), _note)
    noting.add_argument("incident", metavar="ID", help="id of the incident")
    noting.add_argument("--author", required=True, metavar="TEXT", help="who says so")
    noting.add_argument("--text", required=True, metavar="TEXT", help="what became known or was done")
    noting.add_argument(
        "--harm",
        action="append",
        type=_harm,
        metavar="HARM",
        help="replaces the harms so far; may be repeated",
    )
    noting.add_argument("--reported-to", choices=[one.value for one in Recipient], help="who got a report")
    noting.add_argument("--recipient", default="", metavar="TEXT", help="name of the authority or company")
    noting.add_argument("--reported-at", type=moment, metavar="TIME", help="when they got it (default: now)")
    noting.add_argument(
        "--withdraws",
        type=positive,
        metavar="NUMBER",
        help="record of a report that was not made as it says, by its number in an export; it stops no clock any more",
    )
    _decisions(noting)
    closing = _common(command(commands, "close", "say how it ended"), _close)
    closing.add_argument("incident", metavar="ID", help="id of the incident")
    closing.add_argument("--author", required=True, metavar="TEXT", help="who says so")
    closing.add_argument("--resolution", required=True, metavar="TEXT", help="cause, and what was changed")
    _common(command(commands, "list", "list every incident, and the deadlines still running", _LISTED), _list)
    exporting = _common(command(commands, "export", "write incidents as Markdown or JSON", _EXPORTED), _export)
    exporting.add_argument("incident", nargs="*", metavar="ID", help="ids of incidents (default: all)")
    exporting.add_argument(
        "--out",
        type=_file,
        metavar="FILE",
        help="file to write, .md or .json (default, and for -: Markdown, standard output)",
    )


def _common(parser: ArgumentParser, run: Callable[[Namespace], Exit]) -> ArgumentParser:
    parser.set_defaults(run=run, alone=True)
    parser.add_argument(
        "--log", type=Path, default=_DEFAULT, metavar="FILE", help=f"file of incidents (default: {_DEFAULT})"
    )
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="the key of the hashes, where the file has one")
    return parser


def _decisions(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--decision",
        action="append",
        type=int,
        default=[],
        metavar="NUMBER",
        help="a decision it is about; may be repeated",
    )
    parser.add_argument("--decision-log", type=Path, metavar="FILE", help="the log these numbers are of")


def _harm(given: str) -> Harm:
    try:
        return Harm(given)
    except ValueError:
        msg = f"must be one of {_HARMS}"
        raise ArgumentTypeError(msg) from None


def _file(given: str) -> Path | None:
    name = output(given)
    return None if name is None else Path(name)


def _log(options: Namespace) -> IncidentLog:
    return IncidentLog(options.log, key=key_in(options.key_file))


def _existing(options: Namespace) -> IncidentLog:
    """Return the log to read. Raises ``InputError`` if it does not exist yet."""
    if not options.log.exists():
        msg = f"there is no {options.log}: guardsdk incident open writes down the first incident"
        raise InputError(msg)
    return _log(options)


def _read(options: Namespace) -> tuple[dict[str, Incident], list[str], ChainReport]:
    """Return the readable incidents, the problem with each unreadable line, and the state of the chain."""
    log = _existing(options)
    (found, unread), chain = log.readable(), log.verify()
    if unread and not (found or chain.records):
        msg = f"{options.log} is no file of incidents: {unread[0]}"
        raise InputError(msg)
    return found, unread, chain


def _linked(options: Namespace) -> dict[str, Any]:
    if bool(options.decision) != (options.decision_log is not None):
        msg = "--decision and --decision-log go together"
        raise InputError(msg)
    return {"decisions": links(options.decision_log, options.decision)} if options.decision else {}


def _open(options: Namespace) -> Exit:
    names = ("title", "reporter", "system", "description", "occurred", "role")
    fields: dict[str, Any] = {name: getattr(options, name) for name in names}
    if options.aware is not None:
        fields["aware"] = options.aware
    opened = _log(options).open(
        impacts=options.impact, stakeholders=options.stakeholder, harms=options.harm, **fields, **_linked(options)
    )
    say(opened.id)
    _tell_clocks(opened)
    return Exit.DONE


def _note(options: Namespace) -> Exit:
    fields: dict[str, Any] = {"author": options.author, "text": options.text, **_linked(options)}
    if options.harm is not None:
        fields["harms"] = options.harm
    if options.withdraws is not None:
        fields["withdraws"] = options.withdraws
    if options.reported_to is not None:
        at = options.reported_at or datetime.now(UTC)
        fields["report"] = Report(to=options.reported_to, name=options.recipient, at=at)
    elif options.reported_at is not None or options.recipient:
        msg = "--reported-at and --recipient go with --reported-to"
        raise InputError(msg)
    noted = _log(options).note(options.incident, **fields)
    _tell_clocks(noted)
    return Exit.DONE


def _close(options: Namespace) -> Exit:
    closed = _log(options).close(options.incident, author=options.author, resolution=options.resolution)
    _tell_clocks(closed)
    return Exit.DONE


def _tell_clocks(one: Incident) -> None:
    for line in _clocks(one, datetime.now(UTC)):
        complain(line)


def _clocks(one: Incident, now: datetime) -> Iterator[str]:
    yield f"{one.id}: {one.severity}" + ("" if one.closed is None else ", closed")
    for clock in one.clocks:
        due = "" if clock.due is None else f" by {utc(clock.due)}"
        yield f"article {clock.article}: {clock.duty}{due}: {standing(clock, one.reported(clock.recipient), now)}"
    if one.clocks:
        yield NOT_DECIDED


def _list(options: Namespace) -> Exit:
    found, unread, chain = _read(options)
    now = datetime.now(UTC)
    rows = [("incident", "state", "severity", "occurred", "clock", "standing", "title")]
    for one in found.values():
        clock = next((clock for clock in one.clocks if clock.due is not None), None)
        rows.append(
            (
                one.id,
                "open" if one.closed is None else "closed",
                one.severity,
                f"{one.opening.occurred:%Y-%m-%d}",
                "-" if clock is None else clock.article,
                "-" if clock is None else standing(clock, one.reported(clock.recipient), now),
                one.opening.title,
            )
        )
    say_all(table(rows))
    if not found:
        complain(f"no incident in {options.log}")
    return _told(chain, unread, "list")


def _told(chain: ChainReport, unread: Sequence[str], where: str) -> Exit:
    """Report what is missing from the list or report and where the chain is broken; return the exit status."""
    if unread:
        lines = (
            f"1 line is not in this {where}"
            if len(unread) == 1
            else f"{len(unread)} lines are not in this {where}; the first"
        )
        complain(f"{lines}: {unread[0]}")
    if not chain.sound:
        complain(f"the chain is broken: {chain_problem(chain)}")
    return Exit.DONE if chain.sound and not unread else Exit.NOT_SO


def _export(options: Namespace) -> Exit:
    require_apart([options.out], [*Place(options.log).family(), options.key_file])
    whole = options.out is not None and options.out.suffix == ".json"
    if not (options.out is None or whole or options.out.suffix == ".md"):
        msg = f"--out {options.out}: give a name that ends in .md or .json, which says how it is written"
        raise InputError(msg)
    require_own(options.out, JSON if whole else MARKDOWN, "guardsdk incident export")
    found, unread, chain = _read(options)
    if unknown := [name for name in options.incident if name not in found]:
        msg = f"there is no incident {unknown[0]!r} in {options.log}"
        raise InputError(msg)
    chosen = [one for name, one in found.items() if name in options.incident or not options.incident]
    report = chosen, chain, datetime.now(UTC), unread
    written = json.dumps(as_json(*report), indent=2) if whole else as_markdown(*report).rstrip("\n")
    if options.out is None:
        say(written)
    else:
        write_file(options.out, written + "\n")
    return _told(chain, unread, "report")
