"""How severe an incident is, and until when it must be reported: EU AI Act (2024/1689), articles 26(5) and 73.

Pure. The articles were read in copies of the consolidated text by others, not in the Official Journal. Whether they
apply at all, which takes a high-risk system and a date of application, is a question of law that nothing here answers.
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
    """What whoever keeps the record is to the system."""

    PROVIDER = "provider"
    DEPLOYER = "deployer"


class Harm(StrEnum):
    """What an incident led to, directly or indirectly; all but the last make it a serious one (article 3(49))."""

    DEATH = "death"
    HEALTH = "health"
    """Serious harm to a person's health."""
    CRITICAL_INFRASTRUCTURE = "critical-infrastructure"
    """Its management or operation was disrupted seriously and irreversibly."""
    FUNDAMENTAL_RIGHTS = "fundamental-rights"
    """Obligations of Union law that protect them were infringed."""
    PROPERTY_OR_ENVIRONMENT = "property-or-environment"
    """Serious harm to either."""
    WIDESPREAD_INFRINGEMENT = "widespread-infringement"
    """An infringement as article 3(61) has it, which article 73(3) puts beside disrupted infrastructure."""
    OTHER = "other"
    """Harm, or a near miss, that is none of these."""


class Recipient(StrEnum):
    """Who is told of an incident."""

    AUTHORITY = "authority"
    """A market surveillance authority."""
    PROVIDER = "provider"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Clock:
    """One duty to report, and the last moment for it."""

    article: str
    recipient: Recipient
    """Whose being told stops it."""
    duty: str
    due: datetime | None
    """None where it is at once and no last day is named."""


_DAYS: Final = {
    Harm.CRITICAL_INFRASTRUCTURE: ("73(3)", 2),
    Harm.WIDESPREAD_INFRINGEMENT: ("73(3)", 2),
    Harm.DEATH: ("73(4)", 10),
    Harm.HEALTH: ("73(2)", 15),
    Harm.FUNDAMENTAL_RIGHTS: ("73(2)", 15),
    Harm.PROPERTY_OR_ENVIRONMENT: ("73(2)", 15),
}


def serious(harms: Iterable[Harm]) -> bool:
    """Whether an incident that led to ``harms`` is a serious one."""
    return any(harm in _DAYS for harm in harms)


def clocks(harms: Iterable[Harm], aware: datetime, role: Role) -> tuple[Clock, ...]:
    """Return what must be reported by when, the earliest first; nothing where the incident is not serious.

    ``aware`` is when whoever reports became aware of it. The days are counted to the minute, so a date is never later
    than one counted to the end of its day.
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
    """Say how a clock stands: running, overdue, or stopped by a report, before or after its last moment."""
    if clock.due is None:
        return "at once" if reported is None else f"reported {utc(reported)}"
    if reported is not None:
        apart = f"{_span(abs(clock.due - reported))} {'after' if reported > clock.due else 'before'} the last moment"
        return f"reported {utc(reported)}, {apart}"
    if now > clock.due:
        return f"overdue by {_span(now - clock.due)}"
    return f"running, {_span(clock.due - now)} left"


def utc(when: datetime) -> str:
    """Return a moment in UTC as it stands in reports, to the minute."""
    return f"{when:%Y-%m-%d %H:%M} UTC"


def _span(span: timedelta) -> str:
    hours, minutes = divmod(int(span.total_seconds() // 60), 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
