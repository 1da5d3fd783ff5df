"""The events written about an incident, and how they combine. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from guardsdk.frozen import Frozen
from guardsdk.incidents.clocks import Harm, Recipient, Role, clocks, serious

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardsdk.incidents.clocks import Clock

Words = Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"\S")]


def _in_utc(when: datetime) -> datetime:
    try:
        return when.astimezone(UTC)
    except OverflowError:  # pydantic would not treat this as a validation error
        msg = "must lie in the years 1 to 9999 in UTC"
        raise ValueError(msg) from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class DecisionLink(Frozen):
    """A reference to a record of a decision log, by number and hash, with its content; it has no text."""

    log: str
    """Name of the log file."""
    seq: int = Field(ge=1)
    hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    time: str
    stage: str
    action: str
    principle: str | None


class Report(Frozen):
    """A notification of the incident to somebody."""

    to: Recipient
    name: str = Field(default="", max_length=1000)
    """Which authority or company."""
    at: Moment


class Opening(Frozen):
    """What is known initially. The fields are the minimum of NIST AI 600-1 (GV-4.3-002), and three more.

    The list was read in third-party copies of the publication.
    """

    event: Literal["open"] = "open"
    incident: str = Field(pattern=r"^INC-\d{8}-[0-9a-f]{6}$")
    """Generated when the record is opened."""
    title: Words
    reporter: Words
    system: Words
    """System or source."""
    reported: Moment
    """When this record was made."""
    occurred: Moment
    description: Words
    impacts: tuple[Words, ...] = Field(min_length=1)
    stakeholders: tuple[Words, ...] = Field(min_length=1)
    """Who was affected."""
    harms: tuple[Harm, ...] = Field(min_length=1)
    aware: Moment
    """When the keeper of this record became aware of the incident, from which reporting deadlines count."""
    role: Role
    decisions: tuple[DecisionLink, ...] = ()


class Note(Frozen):
    """What became known or was done later."""

    event: Literal["note"] = "note"
    incident: str
    author: Words
    text: Words
    harms: tuple[Harm, ...] | None = None
    """The harms as known now; null if unchanged."""
    report: Report | None = None
    withdraws: int | None = Field(default=None, ge=1)
    """Number of the record of a report that was not actually made; it no longer stops a clock."""
    decisions: tuple[DecisionLink, ...] = ()


class Closing(Frozen):
    """The end of the incident, and what follows from it."""

    event: Literal["close"] = "close"
    incident: str
    author: Words
    resolution: Words
    """The cause that was found, and what was changed."""


Event = Opening | Note | Closing
_KINDS: dict[str, type[Event]] = {"open": Opening, "note": Note, "close": Closing}


def event_of(record: dict[str, Any]) -> Event:
    """Return the event in a line of an incident log. Raises ``ValueError`` if there is none."""
    kind = _KINDS.get(str(record.get("event")))
    if kind is None:
        msg = "the line holds no known event"
        raise ValueError(msg)
    return kind.model_validate({name: value for name, value in record.items() if name in kind.model_fields})


class Written(Frozen):
    """One event with its position in the log."""

    seq: int
    hash: str
    time: Moment
    """When it was written."""
    event: Event


class Incident(Frozen):
    """All events of one incident, in order."""

    history: tuple[Written, ...] = Field(min_length=1)

    @property
    def opening(self) -> Opening:
        """The first event."""
        first = self.history[0].event
        if not isinstance(first, Opening):
            msg = "an incident begins with its opening"
            raise TypeError(msg)
        return first

    @property
    def id(self) -> str:
        """The incident's id."""
        return self.opening.incident

    @property
    def closed(self) -> Closing | None:
        """The closing event; ``None`` while it is open."""
        return next((one.event for one in self.history if isinstance(one.event, Closing)), None)

    @property
    def harms(self) -> tuple[Harm, ...]:
        """The harms as last known."""
        told = [one.event.harms for one in self.history if isinstance(one.event, Note) and one.event.harms is not None]
        return told[-1] if told else self.opening.harms

    @property
    def severity(self) -> str:
        """``serious`` or ``not serious``, in the sense of article 3(49) of the EU AI Act."""
        return "serious" if serious(self.harms) else "not serious"

    @property
    def reports(self) -> tuple[Report, ...]:
        """The notifications made, without withdrawn ones."""
        return tuple(self.reports_by_record.values())

    @property
    def reports_by_record(self) -> dict[int, Report]:
        """The same, by the number of the record."""
        notes = {one.seq: one.event for one in self.history if isinstance(one.event, Note)}
        withdrawn = {note.withdraws for note in notes.values()}
        return {
            number: note.report for number, note in notes.items() if note.report is not None and number not in withdrawn
        }

    def reported(self, to: Recipient) -> datetime | None:
        """Return when it was first reported to such a recipient; ``None`` if it was not."""
        return min((one.at for one in self.reports if one.to is to), default=None)

    @property
    def decisions(self) -> tuple[DecisionLink, ...]:
        """Decisions that belong to it, each once."""
        links = [link for one in self.history if isinstance(one.event, Opening | Note) for link in one.event.decisions]
        return tuple({(link.log, link.hash): link for link in links}.values())

    @property
    def clocks(self) -> tuple[Clock, ...]:
        """The reporting duties, by the harms last known."""
        return clocks(self.harms, self.opening.aware, self.opening.role)


def incidents_of(written: Iterable[Written], problems: list[str]) -> dict[str, Incident]:
    """Group events by incident, in order of opening; events without an incident are added to ``problems``."""
    found: dict[str, list[Written]] = {}
    for one in written:
        if isinstance(one.event, Opening):
            found[one.event.incident] = [one]
        elif one.event.incident in found:
            found[one.event.incident].append(one)
        else:
            problems.append(f"record {one.seq} is about {one.event.incident}, of which there is no opening")
    return {name: Incident(history=tuple(history)) for name, history in found.items()}
