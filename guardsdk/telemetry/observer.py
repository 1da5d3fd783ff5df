"""The observer that tells OpenTelemetry of every check: a span, its events and three metrics, all from one record."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, StatusCode

from guardsdk.telemetry import names, render
from guardsdk.verdict import Status
from guardsdk.version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from guardsdk.observing import CheckRecord

_NANOSECONDS = 1_000_000_000


def _records(part: object) -> bool:
    """Whether a provider, tracer or meter can record: the API package's own cannot.

    Those are the no-op ones, which an SDK that is switched off hands out too, and the proxies of an SDK that is not
    there. The proxy for metrics has no public name, so the package a class comes from decides.
    """
    return not type(part).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


@dataclass(frozen=True, slots=True)
class _Instruments:
    """The instruments of one meter provider."""

    provider: MeterProvider
    live: bool
    duration: Histogram
    decisions: Counter
    score: Histogram

    @classmethod
    def of(cls, provider: MeterProvider) -> Self:
        meter = provider.get_meter(names.SCOPE, __version__)

        def histogram(metric: names.Metric) -> Histogram:
            return meter.create_histogram(
                metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.boundaries
            )

        counted = names.METRIC_DECISIONS
        return cls(
            provider=provider,
            live=_records(meter),
            duration=histogram(names.METRIC_DURATION),
            decisions=meter.create_counter(counted.name, counted.unit, counted.meaning),
            score=histogram(names.METRIC_SCORE),
        )


class OpenTelemetryObserver:
    """Makes one span with events per check and feeds the metrics; see ``names`` for all of it.

    The span is made when the check is over, with the check's own start and end, as a child of whatever span is current
    in the caller's context: there is no open span a cancelled task could leave behind. Where no SDK is installed
    nothing is built. Safe to share between threads.
    """

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        """Report to the given providers, or to the global ones as they are at each check."""
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._lock = threading.Lock()
        self._tracer: tuple[TracerProvider, Tracer] | None = None
        self._instruments: _Instruments | None = None

    def on_check(self, record: CheckRecord) -> None:
        """Report one check. What the SDK raises is the caller's to catch (``observing.notify`` does)."""
        traces = self._tracer_provider or trace.get_tracer_provider()
        if _records(traces):
            tracer = self._tracer_of(traces)
            if _records(tracer):
                self._span(tracer, record)
        meters = self._meter_provider or metrics.get_meter_provider()
        if _records(meters):
            instruments = self._instruments_of(meters)
            if instruments.live:
                self._measure(instruments, record)

    def _tracer_of(self, provider: TracerProvider) -> Tracer:
        known = self._tracer
        if known is None or known[0] is not provider:
            known = self._tracer = (provider, provider.get_tracer(names.SCOPE, __version__))
        return known[1]

    def _instruments_of(self, provider: MeterProvider) -> _Instruments:
        known = self._instruments
        if known is None or known.provider is not provider:
            with self._lock:  # two threads creating one instrument at once would make the SDK warn of a duplicate
                known = self._instruments
                if known is None or known.provider is not provider:
                    known = self._instruments = _Instruments.of(provider)
        return known

    @staticmethod
    def _span(tracer: Tracer, record: CheckRecord) -> None:
        verdict = record.verdict
        end = record.started_ns + round(verdict.duration_s * _NANOSECONDS)
        span = tracer.start_span(
            names.SPAN,
            kind=SpanKind.INTERNAL,
            attributes=render.span_attributes(record),  # at the start, where a sampler can see them
            start_time=record.started_ns,
        )
        try:
            if span.is_recording():
                for evaluation in verdict.evaluations:
                    span.add_event(names.EVENT, render.evaluation_attributes(evaluation), timestamp=end)
                if verdict.status is Status.FAILED:  # a block is the guard at work, not an error
                    span.set_status(StatusCode.ERROR, verdict.error)
        finally:
            span.end(end)

    @staticmethod
    def _measure(instruments: _Instruments, record: CheckRecord) -> None:
        verdict = record.verdict
        instruments.duration.record(verdict.duration_s, render.duration_attributes(verdict))
        instruments.decisions.add(1, render.decision_attributes(verdict))
        for label, score in verdict.scores.items():
            instruments.score.record(score, render.score_attributes(verdict, label))
