"""Exports incidents as Markdown and JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from guardsdk.incidents.clocks import NOT_DECIDED, SECOND_HAND, standing, utc
from guardsdk.incidents.events import Closing, Note, Opening
from guardsdk.render.markdown import plain, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from guardsdk.decisions.verify import Report as ChainReport
    from guardsdk.incidents.events import Incident, Written

MARKDOWN: Final = "# Incidents\n\nAs of "
"""The beginning of a Markdown report."""
JSON: Final = '{\n  "exported": "'
"""The beginning of a JSON report, indented by two."""


def as_json(
    incidents: Sequence[Incident], chain: ChainReport, now: datetime, unread: Sequence[str] = ()
) -> dict[str, Any]:
    """Return everything that was written, with severity and clocks as of ``now``.

    ``unread`` lists what is wrong with each line of the file that is left out.
    """
    return {
        "exported": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "chain": {"sound": chain.sound, "records": chain.records, "problem": chain_problem(chain)},
        "unread": list(unread),
        "basis": SECOND_HAND,
        "not_decided": NOT_DECIDED,
        "incidents": [
            {
                "id": one.id,
                "state": "open" if one.closed is None else "closed",
                "severity": one.severity,
                "harms": [harm.value for harm in one.harms],
                "clocks": [
                    {
                        "article": clock.article,
                        "duty": clock.duty,
                        "due": None if clock.due is None else f"{clock.due:%Y-%m-%dT%H:%M:%SZ}",
                        "standing": standing(clock, one.reported(clock.recipient), now),
                    }
                    for clock in one.clocks
                ],
                "decisions": [link.model_dump() for link in one.decisions],
                "history": [event.model_dump(mode="json") for event in one.history],
            }
            for one in incidents
        ],
    }


def chain_problem(chain: ChainReport) -> str | None:
    """Return where the chain is broken; ``None`` if it verifies."""
    return None if chain.broken is None else f"{chain.broken.file}:{chain.broken.line}: {chain.broken.reason}"


def as_markdown(incidents: Sequence[Incident], chain: ChainReport, now: datetime, unread: Sequence[str] = ()) -> str:
    """Return a report of ``incidents`` as of ``now``; ``unread`` is as in ``as_json``."""
    problem = chain_problem(chain)
    held = f"whole: {chain.records} records" if problem is None else f"BROKEN: {plain(problem)}"
    lines = [f"{MARKDOWN}{utc(now)}. The chain of the file is {held}.", ""]
    lines += [f"{NOT_DECIDED} Basis: {SECOND_HAND}.", ""]
    if unread:
        lines += [f"Lines that cannot be read, and are not in this report: {plain('; '.join(unread))}.", ""]
    for one in incidents:
        lines += [*_incident(one, now), ""]
    if not incidents:
        lines += ["No incident is recorded.", ""]
    return "\n".join(lines)


def _incident(one: Incident, now: datetime) -> Iterator[str]:
    opening = one.opening
    yield f"## {one.id}: {plain(opening.title)}"
    yield ""
    rows = [
        ("State", "open" if one.closed is None else "closed"),
        ("Severity", f"{one.severity} ({', '.join(harm.value for harm in one.harms)})"),
        ("Reporter", opening.reporter),
        ("System or source", opening.system),
        ("Reported", utc(opening.reported)),
        ("Date of incident", utc(opening.occurred)),
        ("Became aware", f"{utc(opening.aware)}, as {opening.role.value}"),
        ("Impacts", "; ".join(opening.impacts)),
        ("Stakeholders impacted", "; ".join(opening.stakeholders)),
    ]
    yield table(("field", "value"), [(name, plain(value)) for name, value in rows])
    yield ""
    yield plain(opening.description)
    if one.clocks:
        clocks = [
            tuple(map(plain, (clock.article, clock.duty, "at once" if clock.due is None else utc(clock.due), at)))
            for clock in one.clocks
            for at in [standing(clock, one.reported(clock.recipient), now)]
        ]
        yield ""
        yield table(("article", "duty", "last moment", "standing"), clocks)
    if one.decisions:
        links = [
            (plain(link.log), str(link.seq), link.time, link.stage, link.action, link.hash[:16])
            for link in one.decisions
        ]
        yield ""
        yield table(("log", "record", "time", "stage", "action", "hash"), links)
    yield ""
    yield table(("record", "written", "by", "what"), [_told(event) for event in one.history])


def _told(line: Written) -> tuple[str, str, str, str]:
    event = line.event
    written = str(line.seq), plain(utc(line.time))
    if isinstance(event, Opening):
        return *written, plain(event.reporter), "opened"
    if isinstance(event, Closing):
        return *written, plain(event.author), f"closed: {plain(event.resolution)}"
    return *written, plain(event.author), plain(_noted(event))


def _noted(note: Note) -> str:
    parts = [note.text]
    if note.harms is not None:
        parts.append(f"harms are now {', '.join(harm.value for harm in note.harms)}")
    if note.withdraws is not None:
        parts.append(f"withdraws the report in record {note.withdraws}")
    if note.report is not None:
        name = f" ({note.report.name})" if note.report.name else ""
        parts.append(f"reported to {note.report.to.value}{name} at {utc(note.report.at)}")
    return "; ".join(parts)
