"""What the decision log tells and asks OpenTelemetry, so that it need not know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.trace import SpanKind

from guardsdk.telemetry import names
from guardsdk.telemetry.sources import Sources

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


def current_ids() -> tuple[str | None, str | None]:
    """Return trace and span id of the caller's current span in hexadecimal, or none where there is no span."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None, None
    return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)


class LogReporter:
    """Reports how a decision log fares. Like the observer it uses the global providers where none are given."""

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        """Report to the given providers, or to the global ones as they are at each report."""
        self._sources = Sources(tracer_provider, meter_provider, logger_provider)

    def count(self, outcome: Literal["written", "lost"], number: int) -> None:
        """Count ``number`` records."""
        instruments = self._sources.instruments()
        if instruments is not None:
            instruments.log.add(number, {names.OUTCOME.name: outcome})

    def anchor(self, file: int, sequence: int, digest: str) -> None:
        """Say how far the log goes, to someone who cannot be made to forget it by whoever can edit the file."""
        attributes: dict[str, str | int] = {
            names.ANCHOR_FILE.name: file,
            names.ANCHOR_SEQUENCE.name: sequence,
            names.ANCHOR_HASH.name: digest,
        }
        logger, tracer = self._sources.logger(), self._sources.tracer()
        if logger is not None:
            logger.emit(LogRecord(attributes=attributes, event_name=names.ANCHOR))
        elif tracer is not None:
            tracer.start_span(names.ANCHOR, kind=SpanKind.INTERNAL, attributes=attributes).end()
