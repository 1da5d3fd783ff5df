"""Alerts: what they say, how many are kept, how soon the same one may come again, and who is told."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from cachetools import TTLCache
from pydantic import BaseModel, ConfigDict

from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_logger = logging.getLogger("guardsdk")
_NANOSECONDS = 1_000_000_000


class Kind(StrEnum):
    """What an alert is about."""

    SCORE_DRIFT = "score_drift"
    """The scores of a label are distributed otherwise than before."""
    RATE_SHIFT = "rate_shift"
    """The share of blocked, flagged, degraded, out-of-range or boundary texts has changed."""
    REPEATED_BLOCKS = "repeated_blocks"
    """An actor is blocked again and again, more often than the others."""
    REPHRASED = "rephrased"
    """A text was blocked; the actor said it in other words, and it passed."""
    REFUSAL_BYPASS = "refusal_bypass"
    """The model refused; the actor came back with the same, and it delivered."""
    ADJACENT_VOLUME = "adjacent_volume"
    """An actor sends many texts close below a threshold."""
    PROBING = "probing"
    """An actor's scores climb, text by text, towards a threshold."""


class Severity(StrEnum):
    """How much an alert matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Alert(BaseModel):
    """Something worth looking at, with the figures that say why. It holds no text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    severity: Severity
    time_ns: int
    """When the check that raised it began: nanoseconds since the epoch."""
    stage: Stage
    series: str | None = None
    """The label or rate it is about, such as ``jailbreak`` or ``blocked``; none for alerts about an actor."""
    actor: str | None = None
    """The actor's pseudonym; none for alerts about the traffic."""
    evidence: dict[str, float]
    """The figures behind it, by name; ``docs/monitor.md`` says what each kind has."""
    model: str | None = None
    """Digest of the model that scored the text."""

    @property
    def about(self) -> str:
        """The series or actor, as one word."""
        return self.series or self.actor or ""

    @property
    def figures(self) -> dict[str, Any]:
        """What it says, but for its time and model, as JSON values."""
        return self.model_dump(mode="json", include={"kind", "severity", "stage", "series", "actor", "evidence"})

    @property
    def time(self) -> str:
        """The time in ISO 8601, UTC, to the second."""
        return datetime.fromtimestamp(self.time_ns // _NANOSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def __str__(self) -> str:
        """Return the alert in one line."""
        figures = ", ".join(f"{name} {value:.4g}" for name, value in self.evidence.items())
        return f"{self.time} {self.severity.value} {self.kind.value} {self.stage.value} {self.about}: {figures}"


class Alerts:
    """The newest alerts, oldest first. Not thread-safe: the monitor calls it under its lock."""

    def __init__(self, keep: int, cooldown_s: float, now: Callable[[], float]) -> None:
        """Keep ``keep`` alerts and hold back repetitions within ``cooldown_s`` of the clock ``now`` (seconds)."""
        self.kept: deque[Alert] = deque(maxlen=keep)
        self.total = 0
        """Alerts raised so far, those no longer kept included."""
        self.suppressed = 0
        """Alerts held back because the same one had been raised shortly before."""
        self._cooling: TTLCache[tuple[Kind, Stage, str], None] | None = None
        if cooldown_s:
            # As many as kept alerts: whoever makes up actors to be forgotten here only repeats what was told.
            self._cooling = TTLCache(maxsize=max(keep, 1024), ttl=cooldown_s, timer=now)

    def add(self, alert: Alert) -> bool:
        """Keep ``alert`` and return true, or false where the same one was raised within the cool-down."""
        key = (alert.kind, alert.stage, alert.about)
        if self._cooling is not None:
            if key in self._cooling:
                self.suppressed += 1
                return False
            self._cooling[key] = None
        self.kept.append(alert)
        self.total += 1
        return True

    def forget(self, actor: str) -> None:
        """Drop every alert about the pseudonym ``actor``."""
        rest = [alert for alert in self.kept if alert.actor != actor]
        self.kept.clear()
        self.kept.extend(rest)


def tell(listeners: Iterable[Callable[[Alert], None]], alert: Alert) -> None:
    """Tell every listener; one that raises neither stops the others nor reaches the host."""
    for listener in listeners:
        try:
            listener(alert)
        except Exception as error:  # noqa: BLE001  bookkeeping may never break the call it watches
            _logger.warning("monitor: a listener raised %s; the alert is kept", type(error).__qualname__)
