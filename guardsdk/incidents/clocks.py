"""The severity of an incident and its reporting deadlines: EU AI Act (2024/1689), articles 26(5) and 73.

Pure. The articles were read in third-party copies of the consolidated text, not in the Official Journal. Whether they
apply at all, which requires a high-risk system and a date of application, is a legal question not answered here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

SECOND_HAND: Final = (
    "articles 3(49), 26(5) and 73 of the EU AI Act, read in copies by others and not in the Official Journal"
)
NOT_DECIDED: Final = (
    "Dates are computed as if the Act applied. Whether it does (a high-risk system, in force for it at that time), and "
    "whether the system caused the harm, is for people to decide."
)


class Role(StrEnum):
    """The role of whoever keeps the record, in relation to the system."""

    PROVIDER = "provider"
    DEPLOYER = "deployer"


class Harm(StrEnum):
    """What an incident led to, directly or indirectly; all but the last make it serious (article 3(49))."""

    DEATH = "death"
    HEALTH = "health"
    """Serious harm to a person's health."""
    CRITICAL_INFRASTRUCTURE = "critical-infrastructure"
    """Serious and irreversible disruption of its management or operation."""
    FUNDAMENTAL_RIGHTS = "fundamental-rights"
    """Infringement of obligations of Union law that protect them."""
    PROPERTY_OR_ENVIRONMENT = "property-or-environment"
    """Serious harm to either."""
    WIDESPREAD_INFRINGEMENT = "widespread-infringement"
    """An infringement under article 3(61), which article 73(3) treats like disrupted infrastructure."""
    OTHER = "other"
    """Harm, or a near miss, that is none of these."""


class Recipient(StrEnum):
    """Who is informed of an incident."""

    AUTHORITY = "authority"
    """A market surveillance authority."""
    PROVIDER = "provider"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Clock:
    """One reporting duty and its deadline."""

    article: str
    recipient: Recipient
    """The recipient whose notification stops it."""
    duty: str
    due: datetime | None
    """``None`` if due immediately, without a last day."""


_DAYS: Final = {
    Harm.CRITICAL_INFRASTRUCTURE: ("73(3)", 2),
    Harm.WIDESPREAD_INFRINGEMENT: ("73(3)", 2),
    Harm.DEATH: ("73(4)", 10),
    Harm.HEALTH: ("73(2)", 15),
    Harm.FUNDAMENTAL_RIGHTS: ("73(2)", 15),
    Harm.PROPERTY_OR_ENVIRONMENT: ("73(2)", 15),
}


def serious(harms: Iterable[Harm]) -> bool:
    """Whether an incident with ``harms`` is serious."""
    return any(harm in _DAYS for harm in harms)


def clocks(harms: Iterable[Harm], aware: datetime, role: Role) -> tuple[Clock, ...]:
    """Return the reporting duties, the earliest first; empty if the incident is not serious.

    ``aware`` is when the reporting party became aware of it. Days are counted to the minute, so a deadline is never
    later than one counted to the end of its day.
    """
    given = set(harms)
    duties: dict[str, timedelta] = {}
    for harm, (article, days) in _DAYS.items():
        if harm in given:
            duties[article] = timedelta(days=days)
    found = [
        Clock(
            article,
            Recipient.AUTHORITY,
            f"report to the authority within {span.days} days of becoming aware",
            aware + span,
        )
        for article, span in sorted(duties.items(), key=lambda one: one[1])
    ]
    if found and role is Role.DEPLOYER:
        duty = (
            "inform the provider at once, then importer or distributor and the authorities; where the provider cannot "
            "be reached, the dates of article 73 are the deployer's"
        )
        found.insert(0, Clock("26(5)", Recipient.PROVIDER, duty, None))
    return tuple(found)


def standing(clock: Clock, reported: datetime | None, now: datetime) -> str:
    """Return the state of a clock: running, overdue, or stopped by a report in time or late."""
    if clock.due is None:
        return "at once" if reported is None else f"reported {utc(reported)}"
    if reported is not None:
        apart = f"{_span(abs(clock.due - reported))} {'after' if reported > clock.due else 'before'} the last moment"
        return f"reported {utc(reported)}, {apart}"
    if now > clock.due:
        return f"overdue by {_span(now - clock.due)}"
    return f"running, {_span(clock.due - now)} left"


def utc(when: datetime) -> str:
    """Return a time in UTC as in reports, to the minute."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds() // 60), 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
