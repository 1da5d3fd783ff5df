"""Alerts: their content, how many are kept, when the same alert may be raised again, and who is notified."""

from __future__ import annotations

import inspect
import logging
from collections import OrderedDict, deque
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import Field

from guardsdk.errors import InputTypeError, reject_type
from guardsdk.frozen import Frozen
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_logger = logging.getLogger("guardsdk")
_NANOSECONDS = 1_000_000_000
_FIRST_S, _END_S = -62_135_596_800, 253_402_300_800
"""The years 1 to 9999, which Python's calendar covers, in seconds since the epoch."""
_DIGITS = 16
"""Digits of a digest that are displayed."""

_LESS = " (info)"
"""Suffix of an alert's subject during cool-down if its severity is ``info``."""
_FUNCTIONS = {
    "pseudonym": "takes the name of an actor and returns a pseudonym",
    "references": "returns the quantiles of benign scores",
}
"""What functions that a monitor is given do; all others are called with alerts."""
_Key = tuple["Kind", Stage, str]
"""What makes two alerts the same: kind, stage and subject."""


class Kind(StrEnum):
    """The kind of an alert."""

    SCORE_DRIFT = "score_drift"
    """The score distribution of a label has changed."""
    RATE_SHIFT = "rate_shift"
    """The share of blocked, flagged, degraded, out-of-range or boundary texts has changed."""
    MODEL_CHANGE = "model_change"
    """Another model scores the texts of a stage. From now on its scores are compared with its own."""
    REPEATED_BLOCKS = "repeated_blocks"
    """An actor is blocked repeatedly, more often than others."""
    REPHRASED = "rephrased"
    """A text was blocked; the actor sent it again in other words, and it passed."""
    REFUSAL_BYPASS = "refusal_bypass"
    """The model refused; the actor asked again for the same, and the model complied."""
    ADJACENT_VOLUME = "adjacent_volume"
    """An actor sends many texts close below a threshold."""
    PROBING = "probing"
    """An actor's scores climb towards a threshold, text by text."""


class Severity(StrEnum):
    """How important an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Alert(Frozen):
    """Something worth looking at, with the figures that show why. It contains no text."""

    kind: Kind
    severity: Severity
    time_ns: int = Field(ge=_FIRST_S * _NANOSECONDS, lt=_END_S * _NANOSECONDS)
    """When the check that raised it began, in nanoseconds since the epoch."""
    stage: Stage
    series: str | None = None
    """The label or rate it is about, such as ``jailbreak`` or ``blocked``; null for alerts about an actor."""
    actor: str | None = None
    """The actor's pseudonym; null for alerts about the traffic."""
    evidence: dict[str, float]
    """The figures behind it, by name; ``docs/monitor.md`` lists those of each kind."""
    model: str | None = None
    """Digest of the model that scored the text."""
    model_before: str | None = None
    """Digest of the model before it, if the alert is about that change."""

    @property
    def about(self) -> str:
        """The series or the actor."""
        return self.series or self.actor or ""

    @property
    def models(self) -> str:
        """The model change, if it is about one, else empty."""
        now, before = (self.model or "")[:_DIGITS], (self.model_before or "")[:_DIGITS]
        return f"(model {now} after {before})" if before else ""

    @property
    def figures(self) -> dict[str, Any]:
        """The alert without its time, as JSON values."""
        return self.model_dump(mode="json", exclude={"time_ns"})

    @property
    def time(self) -> str:
        """The time in ISO 8601, UTC, to the second."""
        return datetime.fromtimestamp(self.time_ns // _NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def __str__(self) -> str:
        """Return the alert in one line."""
        figures = ", ".join(f"{name} {value:.4g}" for name, value in self.evidence.items())
        about = " ".join(filter(None, [self.kind.value, self.stage.value, self.about, self.models]))
        return f"{self.time} {self.severity.value} {about}: {figures}"


def dated(seconds: float) -> float:
    """Return ``seconds`` since the epoch. Raises ``ValueError`` if they are not a valid date."""
    if not _FIRST_S <= seconds < _END_S:
        msg = "a time is not a valid date"
        raise ValueError(msg)
    return seconds


class Alerts:
    """The newest alerts, oldest first, and those in cool-down. Not thread-safe: called under the monitor's lock."""

    def __init__(self, keep: int, cooldown_s: float, now: Callable[[], float]) -> None:
        """Keep ``keep`` alerts, and suppress repetitions within ``cooldown_s`` of the clock ``now`` (seconds)."""
        self.kept: deque[Alert] = deque(maxlen=keep)
        self.total = 0
        """The number of alerts raised so far, including those no longer kept."""
        self.suppressed = 0
        """The number of alerts suppressed because the same one had been raised shortly before."""
        self._cooldown_s = cooldown_s
        self._now = now
        self._told: OrderedDict[_Key, float] = OrderedDict()
        """When each alert was last raised, the oldest first."""
        # At least as many as kept alerts: making up actors to push others out here only repeats known alerts.
        self._most = max(keep, 1024)

    def add(self, alert: Alert) -> bool:
        """Keep ``alert`` and return true; return false if the same one was raised within the cool-down."""
        # Keyed separately, so that a warning is not suppressed by a mere info, nor one model change by another.
        about = f"{alert.about}{alert.models}{_LESS if alert.severity is Severity.INFO else ''}"
        key, now_s = (alert.kind, alert.stage, about), self._now()
        if self._cools(key, now_s):
            self.suppressed += 1
            return False
        self._note(key, now_s)
        self.kept.append(alert)
        self.total += 1
        return True

    def _cools(self, key: _Key, now_s: float) -> bool:
        return key in self._told and abs(now_s - self._told[key]) < self._cooldown_s

    def _note(self, key: _Key, told_s: float) -> None:
        self._told[key] = told_s
        self._told.move_to_end(key)
        if len(self._told) > self._most:
            self._told.popitem(last=False)

    def cooling(self) -> list[list[Any]]:
        """Return the alerts now in cool-down as JSON values: kind, stage, subject, and since when."""
        now_s = self._now()
        return [[*key, told_s] for key, told_s in self._told.items() if self._cools(key, now_s)]

    def cool(self, cooling: Iterable[Sequence[Any]]) -> None:
        """Apply the cool-downs that ``cooling`` returned, in this process or another.

        Raises ``ValueError`` or ``TypeError`` if they are invalid.
        """
        told = dict(self._told)
        for kind, stage, about, told_s in cooling:
            key = (Kind(kind), Stage(stage), str(about))
            told[key] = max(float(told_s), told.get(key, 0.0))
        self._told.clear()
        for key, told_s in sorted(told.items(), key=lambda one: one[1]):
            self._note(key, told_s)

    def forget(self, actor: str) -> None:
        """Remove every alert about the pseudonym ``actor``."""
        rest = [alert for alert in self.kept if alert.actor != actor]
        self.kept.clear()
        self.kept.extend(rest)
        for key in [key for key in self._told if key[2] in (actor, f"{actor}{_LESS}")]:
            del self._told[key]


def require_functions(**given: object) -> None:
    """Raise ``InputTypeError`` if one is not callable, or is async, which nobody would await."""
    for name, one in given.items():
        if not callable(one):
            reject_type(name, f"a function that {_FUNCTIONS.get(name, 'takes an alert')}", one)
        if inspect.iscoroutinefunction(one) or inspect.iscoroutinefunction(type(one).__call__):
            msg = f"{name} is async, and nobody awaits it; give a plain function"
            raise InputTypeError(msg)


def require_reporter(given: object) -> None:
    """Raise ``InputTypeError`` unless it is an ``AlertReporter``: a failure to report is not seen by anybody."""
    from guardsdk.telemetry.reporters import AlertReporter  # noqa: PLC0415  slow; most monitors are given none

    if not isinstance(given, AlertReporter):
        reject_type("reporter", "a guardsdk.telemetry.reporters.AlertReporter", given)


def tell(listeners: Iterable[Callable[[Alert], None]], fresh: deque[Alert]) -> None:
    """Take the alerts out of ``fresh``, in order, and notify every listener of each. Thread-safe.

    A listener that raises neither stops the others nor affects the host.
    """
    while fresh:
        try:
            alert = fresh.popleft()
        except IndexError:  # another thread took the last one
            return
        for listener in listeners:
            try:
                listener(alert)
            except Exception as error:  # noqa: BLE001  alerting must never break the call it observes
                _logger.warning("monitor: a listener raised %s; the alert is kept", type(error).__qualname__)
