"""Over the wire: a real exporter sends what a guard tells to a receiver in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from guardsdk import Guard
from guardsdk.decisions import DecisionLog
from guardsdk.telemetry import OpenTelemetryObserver, names
from guardsdk.telemetry.reporters import LogReporter
from guardsdk.verdict import Stage
from tests.blocking import blocking_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

otlp = pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

TEXT = "What is the capital of Portugal?"


class Receiver:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("receiver.py"))], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def received(self) -> dict[str, list[Any]]:
        """End the process and return what it was sent, by path."""
        self._process.terminate()
        out, _ = self._process.communicate(timeout=60)
        found: dict[str, list[Any]] = {}
        for line in out.splitlines():
            request = json.loads(line)
            found.setdefault(request["path"], []).append(request["content"])
        return found

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.stop()


def values(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


def test_a_collector_receives_spans_events_metrics_and_anchors(
    receiver: Receiver, model_directory: Path, tmp_path: Path
) -> None:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    traces, logs = TracerProvider(), LoggerProvider()
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(f"{receiver.url}/v1/logs")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{receiver.url}/v1/metrics"), 60_000)
    meters = MeterProvider(metric_readers=[reader])
    observer = OpenTelemetryObserver(tracer_provider=traces, meter_provider=meters, logger_provider=logs)
    reporter = LogReporter(tracer_provider=traces, meter_provider=meters, logger_provider=logs)
    log = DecisionLog(tmp_path / "decisions.jsonl", reporter=reporter)
    policy = blocking_policy(Stage.INPUT)
    with (
        traces.get_tracer("app").start_as_current_span("request") as request,
        Guard(policy, models=model_directory, providers="cpu", observers=[observer], decision_log=log) as guard,
    ):
        verdict = guard.check(TEXT)
    for provider in (traces, logs, meters):
        provider.shutdown()
    received = receiver.received()

    scopes = [
        scope for one in received["/v1/traces"] for spans in one["resourceSpans"] for scope in spans["scopeSpans"]
    ]
    (span,) = [span for scope in scopes if scope["scope"]["name"] == "guardsdk" for span in scope["spans"]]
    attributes = values(span["attributes"])
    assert attributes["guardsdk.principle.id"] == "all-input"
    assert attributes["guardsdk.score.prompt_injection"] == verdict.scores["prompt_injection"]
    parents = [one["spanId"] for scope in scopes if scope["scope"]["name"] == "app" for one in scope["spans"]]
    assert [span["parentSpanId"]] == parents
    assert request.get_span_context().is_valid

    events = [
        event
        for one in received["/v1/logs"]
        for resource in one["resourceLogs"]
        for scope in resource["scopeLogs"]
        for event in scope["logRecords"]
    ]
    evaluation = next(one for one in events if one["eventName"] == names.EVENT)
    assert evaluation["spanId"] == span["spanId"]
    assert values(evaluation["attributes"])["gen_ai.evaluation.score.label"] == "fail"
    anchors = [values(one["attributes"]) for one in events if one["eventName"] == names.ANCHOR]
    newest = json.loads((tmp_path / "decisions.jsonl").read_text().splitlines()[-1])
    assert {anchor["guardsdk.decision_log.hash"] for anchor in anchors} == {newest["hash"]}

    metrics = {
        metric["name"]: metric
        for one in received["/v1/metrics"]
        for resource in one["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
    }
    seldom = {names.METRIC_ERRORS.name, names.METRIC_DISTANCE.name, names.METRIC_ALERTS.name}
    assert set(metrics) >= {one.name for one in names.METRICS} - seldom
    points = metrics["guardsdk.score"]["histogram"]["dataPoints"]
    assert {tuple(point["explicitBounds"]) for point in points} == {names.METRIC_SCORE.boundaries}
    assert TEXT not in json.dumps(received)
