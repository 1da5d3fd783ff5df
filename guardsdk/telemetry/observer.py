"""The observer that reports every check to OpenTelemetry: a span, its events and the metrics, all from one record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.trace import SpanKind, StatusCode

from guardsdk.settings import Settings
from guardsdk.telemetry import names, values
from guardsdk.telemetry.content import Capture
from guardsdk.telemetry.sources import Sources
from guardsdk.verdict import Status

if TYPE_CHECKING:
    from opentelemetry._logs import Logger, LoggerProvider
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from guardsdk.observing import CheckRecord
    from guardsdk.telemetry.sources import Instruments

_NANOSECONDS = 1_000_000_000


class OpenTelemetryObserver:
    """Creates one span with events per check and records the metrics; see ``names`` for all of them.

    The span is created after the check, with the check's own start and end, as a child of the caller's current span, so
    that a cancelled task cannot leave an open span behind. The events are log records if there is a logger provider,
    else span events. Without an SDK nothing is created. Thread-safe.
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        capture: str | None = None,
        capture_key: bytes | None = None,
        settings: Settings | None = None,
    ) -> None:
        """Report to the given providers, or to whatever global ones are set at each check.

        Args:
            tracer_provider: Receives the spans.
            meter_provider: Receives the metrics.
            logger_provider: Receives the events.
            capture: What is emitted of the checked text: ``"none"``, ``"hash"``, ``"redacted"`` or ``"full"``; any
                other word means ``"none"``. Defaults to the environment's ``GUARDSDK_CAPTURE_TEXT``, or none.
            capture_key: Key of the hashes; see ``content.Capture``.
            settings: Settings to use in place of the environment's.

        Raises:
            InputError: An environment variable or ``capture_key`` has an invalid value.
        """
        settings = Settings.from_environment() if settings is None else settings
        self._sources = Sources(tracer_provider, meter_provider, logger_provider)
        self._capture = Capture(settings.capture_text if capture is None else capture, capture_key)
        self._guardrail_names = settings.latest_gen_ai
        self.wants_text = self._capture.wanted
        """Whether the records must contain the checked text, for this observer only."""

    def on_check(self, record: CheckRecord) -> None:
        """Report one check. Exceptions of the SDK are for the caller to catch (``observing.notify`` does)."""
        tracer, logger = self._sources.tracer(), self._sources.logger()
        if tracer is not None:
            self._span(tracer, logger, record)
        elif logger is not None:
            _emit(logger, record, None)
        instruments = self._sources.instruments()
        if instruments is not None:
            _measure(instruments, record)

    def _span(self, tracer: Tracer, logger: Logger | None, record: CheckRecord) -> None:
        verdict = record.verdict
        attributes = values.span_attributes(record)
        attributes |= self._capture.attributes(record)
        if self._guardrail_names:
            attributes |= values.guardrail_attributes(verdict)
        span = tracer.start_span(
            names.SPAN,
            kind=SpanKind.INTERNAL,
            attributes=attributes,  # set at the start, so that a sampler can see them
            start_time=record.started_ns,
        )
        try:
            if logger is not None:
                _emit(logger, record, trace.set_span_in_context(span))
            if span.is_recording():
                if logger is None:
                    _add_events(span, record)
                if verdict.status is Status.FAILED:  # a block is not an error: the guard did its job
                    span.set_status(StatusCode.ERROR, verdict.error)
        finally:
            span.end(_end(record))


def _end(record: CheckRecord) -> int:
    return record.started_ns + round(record.verdict.duration_s * _NANOSECONDS)


def _add_events(span: Span, record: CheckRecord) -> None:
    end = _end(record)
    for evaluation in record.verdict.evaluations:
        span.add_event(names.EVENT, values.evaluation_attributes(evaluation), timestamp=end)


def _emit(logger: Logger, record: CheckRecord, context: Context | None) -> None:
    """Emit the events as log records of ``context``, by default the current one."""
    end = _end(record)
    for evaluation in record.verdict.evaluations:
        logger.emit(
            LogRecord(
                timestamp=end,
                context=context,
                attributes=values.evaluation_attributes(evaluation),
                event_name=names.EVENT,
            )
        )


def _measure(instruments: Instruments, record: CheckRecord) -> None:
    verdict = record.verdict
    stage, status, cached = verdict.stage, verdict.status, verdict.cached
    duration = values.duration_attributes(stage, status, cached, values.error_type(verdict))
    decision = values.decision_attributes(stage, verdict.action, status, verdict.would_action, verdict.principle_id)
    instruments.duration.record(verdict.duration_s, duration)
    instruments.decisions.add(1, decision)
    instruments.cache.add(1, values.cache_attributes(stage, cached))
    instruments.coverage.record(verdict.coverage, values.stage_attributes(stage))
    for attributes in values.errors_attributes(verdict):
        instruments.errors.add(1, attributes)
    note = instruments.score.record
    for label, score in verdict.scores.items():
        note(score, values.score_attributes(stage, label))
    for one in verdict.evaluations:
        distance = abs(one.margin)
        if distance <= names.BAND:
            instruments.distance.record(distance, values.distance_attributes(stage, one.principle_id, one.fired))
