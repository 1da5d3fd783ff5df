"""What the monitor and the decision log report to OpenTelemetry, so that they need not depend on it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Literal

from opentelemetry import _logs, trace
from opentelemetry._logs import SeverityNumber

from guardsdk.telemetry import names
from guardsdk.telemetry.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_SEVERITIES: Final = {
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "critical": SeverityNumber.ERROR,
}


class _Reporter:
    """What both reporters share: events (spans if there is no logger provider) and counts."""

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        """Report to the given providers, or to whatever global ones are set at each report."""
        self._sources = Sources(tracer_provider, meter_provider, logger_provider)

    def _event(
        self,
        name: str,
        attributes: dict[str, str | int | float],
        *,
        time_ns: int | None = None,
        severity: SeverityNumber | None = None,
    ) -> None:
        logger, tracer = self._sources.logger(), self._sources.tracer()
        if logger is not None:
            record = _logs.LogRecord(
                timestamp=time_ns, severity_number=severity, attributes=attributes, event_name=name
            )
            logger.emit(record)
        elif tracer is not None:
            at_ns = time.time_ns() if time_ns is None else time_ns
            tracer.start_span(name, kind=trace.SpanKind.INTERNAL, attributes=attributes, start_time=at_ns).end(at_ns)


class AlertReporter(_Reporter):
    """Reports the alerts of a monitor."""

    def report(
        self,
        *,
        kind: str,
        severity: str,
        stage: str,
        series: str | None,
        actor: str | None,
        evidence: Mapping[str, float],
        model: str | None,
        model_before: str | None,
        time_ns: int,
    ) -> None:
        """Count an alert and emit it as an event, or as a span if there is no logger provider."""
        few = {names.STAGE.name: stage, names.ALERT_KIND.name: kind, names.ALERT_SEVERITY.name: severity}
        instruments = self._sources.instruments()
        if instruments is not None:
            instruments.alerts.add(1, few)
        attributes: dict[str, str | int | float] = {**few}
        told = {
            names.ALERT_SERIES: series,
            names.ALERT_ACTOR: actor,
            names.MODEL_DIGEST: model,
            names.ALERT_MODEL_BEFORE: model_before,
        }
        attributes |= {key.name: value for key, value in told.items() if value is not None}
        for figure, value in evidence.items():
            attributes[names.ALERT_EVIDENCE.name.replace(names.FIGURE_PLACE, figure)] = value
        self._event(names.ALERT, attributes, time_ns=time_ns, severity=_SEVERITIES.get(severity))


class LogReporter(_Reporter):
    """Reports the state of a decision log."""

    def count(self, outcome: Literal["written", "lost"], number: int) -> None:
        """Count ``number`` records."""
        instruments = self._sources.instruments()
        if instruments is not None:
            instruments.log.add(number, {names.OUTCOME.name: outcome})

    def anchor(self, file: int, sequence: int, digest: str) -> None:
        """Report how far the log goes to a system that whoever can edit the file cannot alter."""
        self._event(
            names.ANCHOR,
            {names.ANCHOR_FILE.name: file, names.ANCHOR_SEQUENCE.name: sequence, names.ANCHOR_HASH.name: digest},
        )


def current_ids() -> tuple[str | None, str | None]:
    """Return trace and span id of the caller's current span in hexadecimal; ``None`` without a span."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None, None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
