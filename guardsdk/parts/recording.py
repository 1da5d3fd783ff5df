"""A guard's observers, decision log, monitor and reviewer, created from its arguments."""

# ruff: noqa: PLC0415  a guard without these parts does not import their modules

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardsdk.disk import located
from guardsdk.errors import GuardError, InputError, reject_type
from guardsdk.parts.given import parts_of
from guardsdk.parts.unheard import Unheard, heard
from guardsdk.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.decisions.log import DecisionLog
    from guardsdk.monitor.alerts import Alert
    from guardsdk.monitor.monitor import Monitor
    from guardsdk.observing import Observer
    from guardsdk.policy.model import Policy
    from guardsdk.policy.recalibrating import Quantiles
    from guardsdk.reviewing import Reviewer
    from guardsdk.settings import Settings

_KEY_BYTES: Final = 32


class Watching:
    """The mixin of a guard that gives access to its monitor."""

    _monitor: Monitor | None

    @property
    def monitor(self) -> Monitor:
        """The monitor, which is notified of every check; its alerts are in ``guard.monitor.alerts``.

        Raises ``GuardError`` if it was switched off: no alerts must not be confused with no monitoring.
        """
        if self._monitor is None:
            msg = "the guard has no monitor: it was made with monitor=False"
            raise GuardError(msg)
        return self._monitor


def observers_of(given: Sequence[Observer] | None, settings: Settings) -> Sequence[Observer]:
    """Return the given observers, by default the one for OpenTelemetry. Raises ``InputTypeError`` for anything else.

    An async ``on_check`` is rejected, as it would never be awaited. The OpenTelemetry observer is slow to import, so it
    is only created once the program uses OpenTelemetry.
    """
    if given is not None:
        return parts_of(given, "observers", "on_check", methods=("on_check",))

    def observer() -> Observer:
        from guardsdk.telemetry.observer import OpenTelemetryObserver

        return OpenTelemetryObserver(settings=settings)

    return (observer() if heard() else Unheard(observer, wants_text=settings.capture_text != "none"),)


def reviewer_of(given: object) -> Reviewer | None:
    """Return the reviewer for a callable, a queue or a reviewer. Raises ``DecorationError`` for anything else."""
    if given is None:
        return None
    from guardsdk.reviewing import Reviewer

    return given if isinstance(given, Reviewer) else Reviewer(given)


def log_of(given: str | Path | DecisionLog | None, policy: Policy) -> DecisionLog | None:
    """Return the decision log given, one at the given path under the policy's rules, the policy's own log, or ``None``.

    Raises ``InputTypeError`` if ``given`` has another type, ``InputError`` if it is a directory.
    """
    rules = policy.decision_log
    if given is None and rules is None:
        return None
    from guardsdk.decisions.log import DecisionLog

    if isinstance(given, DecisionLog):
        return given
    path = given if given is not None or rules is None else rules.path
    if path is None:
        msg = f"policy {policy.name!r} has a table [decision_log] without a path; name one there, or as decision_log"
        raise InputError(msg)
    if not isinstance(path, str | Path):
        reject_type("decision_log", "a path or a DecisionLog", path)
    if located(path).is_dir():  # also the empty path; nothing could ever be written there
        msg = f"decision_log must name a file, and {str(Path(path))!r} is a directory"
        raise InputError(msg)
    return DecisionLog(path, rules)


def monitor_of(
    given: bool | Monitor,  # noqa: FBT001  as given by the user
    policy: Policy,
    log: DecisionLog | None,
    references: Callable[[], Quantiles],
) -> Monitor | None:
    """Return the monitor given, a new one under the policy's rules, or ``None`` if it is switched off.

    The one made here calls actors what ``log`` calls them, as soon as it can be written. Raises ``InputTypeError``
    where ``given`` is none of these, ``InputError`` where it has other rules than ``policy``.
    """
    if given is False:
        return None
    from guardsdk.monitor.monitor import Monitor
    from guardsdk.policy.monitoring import MonitorRules

    if not isinstance(given, Monitor | bool):
        reject_type("monitor", "True, False or a Monitor", given)
    if isinstance(given, Monitor):
        monitor = given
        if monitor.rules != (policy.monitor or MonitorRules()):  # also those by which it would limit actors
            msg = (
                f"the monitor has other rules than the table [monitor] of policy {policy.name!r}, which would have no "
                "effect; make it with Monitor(policy), or give both policies the same table"
            )
            raise InputError(msg)
    else:
        from guardsdk.policy.recalibrating import references as on_scale

        monitor = Monitor(
            policy,
            pseudonym=None if log is None else _Names(log).of,
            references=lambda: on_scale(policy.recalibrate, references()),
        )
    if log is not None:
        monitor.listen(_Writer(log.path, log))
    return monitor


class _Names:
    """The pseudonyms a monitor uses for actors: those of ``log`` or, until its key is available, its own.

    A log that cannot be written is handled by the log's own rules; actors are monitored all the same. Their pseudonyms
    change once the log gets its key, with the next record of a named actor that it can write.
    """

    def __init__(self, log: DecisionLog) -> None:
        self._log = log
        self._own = Pseudonyms(secrets.token_bytes(_KEY_BYTES))
        self._failed = False

    def of(self, actor: str) -> str:
        """Return the pseudonym of ``actor``: 32 hexadecimal digits."""
        # Tried once: the log itself retries with every record, and may have to wait for other writers.
        if self._log.has_key or not self._failed:
            try:
                return self._log.pseudonym(actor)
            except OSError:
                self._failed = True
        return self._own.of(actor)


@dataclass(frozen=True)
class _Writer:
    """Writes alerts to the decision log at a path: once, however many guards share it and the monitor.

    Two guards that were given the path have a ``DecisionLog`` each, and so has one that takes the place of another.
    """

    path: Path
    log: DecisionLog = field(compare=False)

    def __call__(self, alert: Alert) -> None:
        self.log.note("alert", alert.time_ns, {"alert": alert.figures})
