"""What the monitor tells OpenTelemetry, so that it need not know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry._logs import SeverityNumber

from guardsdk.telemetry import names
from guardsdk.telemetry.sources import Reporter

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBERS: Final = {
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "critical": SeverityNumber.ERROR,
}


class AlertReporter(Reporter):
    """Reports alerts. Like the observer it uses the global providers where none are given."""

    def report(
        self,
        *,
        kind: str,
        severity: str,
        stage: str,
        series: str | None,
        actor: str | None,
        evidence: Mapping[str, float],
        time_ns: int,
    ) -> None:
        """Count an alert and tell it as an event, or as a span where nobody takes events."""
        few = {names.STAGE.name: stage, names.ALERT_KIND.name: kind, names.ALERT_SEVERITY.name: severity}
        instruments = self._sources.instruments()
        if instruments is not None:
            instruments.alerts.add(1, few)
        attributes: dict[str, str | int | float] = {**few}
        if series is not None:
            attributes[names.ALERT_SERIES.name] = series
        if actor is not None:
            attributes[names.ALERT_ACTOR.name] = actor
        for figure, value in evidence.items():
            attributes[names.ALERT_EVIDENCE.name.replace(names.FIGURE_PLACE, figure)] = value
        self._event(names.ALERT, attributes, time_ns=time_ns, severity=_NUMBERS.get(severity))
