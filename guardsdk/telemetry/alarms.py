"""What the monitor tells OpenTelemetry, so that it need not know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.trace import SpanKind

from guardsdk.telemetry import names
from guardsdk.telemetry.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_NUMBERS: Final = {
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "critical": SeverityNumber.ERROR,
}


class AlertReporter:
    """Reports alerts. Like the observer it uses the global providers where none are given."""

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        """Report to the given providers, or to the global ones as they are at each alert."""
        self._sources = Sources(tracer_provider, meter_provider, logger_provider)

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
        attributes: dict[str, str | float] = {**few}
        if series is not None:
            attributes[names.ALERT_SERIES.name] = series
        if actor is not None:
            attributes[names.ALERT_ACTOR.name] = actor
        for figure, value in evidence.items():
            attributes[names.ALERT_EVIDENCE.name.replace(names.FIGURE_PLACE, figure)] = value
        logger, tracer = self._sources.logger(), self._sources.tracer()
        if logger is not None:
            logger.emit(
                LogRecord(
                    timestamp=time_ns,
                    severity_number=_NUMBERS.get(severity),
                    attributes=attributes,
                    event_name=names.ALERT,
                )
            )
        elif tracer is not None:
            tracer.start_span(names.ALERT, kind=SpanKind.INTERNAL, attributes=attributes).end()
