"""The real SDK with everything it exports kept in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guardsdk.guard import Guard
from guardsdk.telemetry import OpenTelemetryObserver
from guardsdk.telemetry.names import SPAN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.metrics.export import Metric
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Tracer

    from guardsdk.policy.model import Policy


@dataclass
class Watched:
    """Providers, what they exported, and guards that report to them."""

    tracer_provider: TracerProvider
    meter_provider: MeterProvider
    exporter: InMemorySpanExporter
    reader: InMemoryMetricReader
    model_directory: Path

    @property
    def observer(self) -> OpenTelemetryObserver:
        return self.observer_that()

    def observer_that(self, **options: Any) -> OpenTelemetryObserver:
        return OpenTelemetryObserver(
            tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options
        )

    @property
    def tracer(self) -> Tracer:
        """A tracer of the application around the guard."""
        return self.tracer_provider.get_tracer("app")

    def guard(self, policy: Policy | None = None, **options: Any) -> Guard:
        own: dict[str, Any] = {"models": self.model_directory, "providers": "cpu", "observers": [self.observer]}
        return Guard(policy, **(own | options))

    def spans(self) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == SPAN]

    def span(self) -> ReadableSpan:
        (span,) = self.spans()
        return span

    def metrics(self) -> dict[str, Metric]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        return {
            metric.name: metric
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def watched(model_directory: Path) -> Iterator[Watched]:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracer_provider, meter_provider = TracerProvider(), MeterProvider(metric_readers=[reader])
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Watched(tracer_provider, meter_provider, exporter, reader, model_directory)
    tracer_provider.shutdown()
    meter_provider.shutdown()
