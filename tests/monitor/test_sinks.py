"""Alerts on their way out: to the real OpenTelemetry SDK and into the decision log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guardsdk import Guard, Policy
from guardsdk.decisions import DecisionLog
from guardsdk.decisions.query import Query, records
from guardsdk.decisions.verify import verify
from guardsdk.monitor import Kind, Monitor
from guardsdk.telemetry import names
from guardsdk.telemetry.reporters import AlertReporter
from tests.monitor.test_monitor import MARKER, TOML, policy, record
from tests.tiny import write_model

if TYPE_CHECKING:
    from pathlib import Path


def blocked(monitor: Monitor) -> None:
    for number in range(8):
        monitor.on_check(record(number, 0.99, actor=MARKER))


@pytest.mark.parametrize("events", [True, False])
def test_an_alert_is_an_event_and_counts(events: bool) -> None:
    logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # theirs is untyped
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    logger_provider = LoggerProvider()
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(logs))
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    reporter = AlertReporter(
        tracer_provider=tracer_provider,
        meter_provider=MeterProvider([reader]),
        logger_provider=logger_provider if events else None,
    )
    monitor = Monitor(policy(), reporter=reporter)
    blocked(monitor)
    (alert,) = monitor.alerts
    if events:
        (event,) = [one.log_record for one in logs.get_finished_logs()]
        assert event.event_name == names.ALERT
        assert event.timestamp == alert.time_ns
        told = dict(event.attributes or {})
        assert spans.get_finished_spans() == ()
    else:
        (span,) = spans.get_finished_spans()
        assert span.name == names.ALERT
        assert span.start_time == span.end_time == alert.time_ns
        told = dict(span.attributes or {})
    assert told.pop(names.ALERT_ACTOR.name) == alert.actor
    assert told.pop(names.ALERT_KIND.name) == "repeated_blocks"
    assert told.pop(names.ALERT_SEVERITY.name) == "warning"
    assert told.pop(names.STAGE.name) == "input"
    assert told.pop(names.MODEL_DIGEST.name) == alert.model
    prefix = names.ALERT_EVIDENCE.name.removesuffix(names.FIGURE_PLACE)
    assert told == {prefix + figure: value for figure, value in alert.evidence.items()}
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
    assert metric.name == names.METRIC_ALERTS.name
    (point,) = metric.data.data_points
    assert dict(point.attributes or {}).keys() == {one.name for one in names.METRIC_ALERTS.attributes}


def test_alerts_stand_in_the_chain_of_the_decision_log(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    model = write_model(tmp_path / "model")
    with Guard(Policy.from_toml(TOML), models=model, observers=[], decision_log=path) as guard:
        for _ in range(8):
            guard.check("attack attack", actor=MARKER)
        (alert,) = guard.monitor.alerts
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    (written,) = [line["alert"] for line in lines if line["kind"] == "alert"]
    assert written == alert.figures
    assert written["kind"] == Kind.REPEATED_BLOCKS
    assert MARKER not in path.read_text()
    report = verify(path)
    assert report.sound
    assert report.decisions == 8 == len(list(records(path, Query())))


def test_of_a_change_of_the_model_both_are_told() -> None:
    spans = InMemorySpanExporter()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    monitor = Monitor(policy(), reporter=AlertReporter(tracer_provider=tracer_provider))
    for number, model in enumerate(("d" * 64, "e" * 64)):
        told = record(number)
        assert told.verdict.model is not None
        scored = told.verdict.model.model_copy(update={"digest": model})
        monitor.on_check(replace(told, verdict=told.verdict.model_copy(update={"model": scored})))
    monitor.catch_up()
    (span,) = spans.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes[names.MODEL_DIGEST.name] == "e" * 64
    assert span.attributes[names.ALERT_MODEL_BEFORE.name] == "d" * 64


def test_guards_that_share_monitor_and_log_write_an_alert_once(tmp_path: Path) -> None:
    path, model = tmp_path / "decisions.jsonl", write_model(tmp_path / "model")
    rules = Policy.from_toml(TOML)
    with DecisionLog(path) as log:
        shared = Monitor(rules)
        for _ in range(2):
            with Guard(rules, models=model, observers=[], decision_log=log, monitor=shared) as guard:
                for _ in range(4):
                    guard.check("attack attack", actor=MARKER)
        assert [alert.kind for alert in shared.alerts] == [Kind.REPEATED_BLOCKS]
    assert [line["kind"] for line in map(json.loads, path.read_text().splitlines())].count("alert") == 1


def test_guards_that_share_a_monitor_and_name_one_log_write_an_alert_once(tmp_path: Path) -> None:
    path, model = tmp_path / "decisions.jsonl", write_model(tmp_path / "model")
    rules = Policy.from_toml(TOML)
    shared = Monitor(rules)
    places: list[Path | str] = [path, str(path), tmp_path / "other" / ".." / path.name]
    for place in places:  # as where one takes the place of another
        guard = Guard(rules, models=model, observers=[], decision_log=place, monitor=shared)
        guard.check("filler")
        guard.close()
    with Guard(rules, models=model, observers=[], decision_log=path, monitor=shared) as guard:
        for _ in range(8):
            guard.check("attack attack", actor=MARKER)
    assert [alert.kind for alert in shared.alerts] == [Kind.REPEATED_BLOCKS]
    assert [line["kind"] for line in map(json.loads, path.read_text().splitlines())].count("alert") == 1
    assert verify(path).sound
