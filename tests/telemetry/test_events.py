"""Evaluations as events of the logs API where there is one, and the proposed names where the host asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.trace import NoOpTracerProvider

from guardsdk.settings import Settings
from guardsdk.telemetry import OpenTelemetryObserver
from guardsdk.telemetry.reporters import LogReporter
from guardsdk.verdict import Action, Stage
from tests.blocking import blocking_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from opentelemetry.sdk._logs import ReadableLogRecord

    from tests.telemetry.conftest import Watched

TEXT = "What is the capital of Portugal?"
OPTED_IN = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http, gen_ai_latest_experimental"}


class Logs:
    def __init__(self) -> None:
        self.exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # theirs is untyped
        self.provider = LoggerProvider()
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))

    def events(self) -> list[ReadableLogRecord]:
        return list(self.exporter.get_finished_logs())


@pytest.fixture
def logs() -> Iterator[Logs]:
    logs = Logs()
    yield logs
    logs.provider.shutdown()


def test_with_a_logger_provider_evaluations_are_log_records_of_the_span(watched: Watched, logs: Logs) -> None:
    observer = watched.observer_that(logger_provider=logs.provider)
    verdict = watched.guard(blocking_policy(Stage.INPUT), observers=[observer]).check(TEXT)
    span = watched.span()
    assert span.events == ()
    (event,) = logs.events()
    one = event.log_record
    assert one.event_name == "gen_ai.evaluation.result"
    assert (one.trace_id, one.span_id) == (span.context.trace_id, span.context.span_id)
    assert one.timestamp == span.end_time
    assert one.attributes is not None
    assert one.attributes["gen_ai.evaluation.name"] == "all-input"
    assert one.attributes["gen_ai.evaluation.score.value"] == verdict.scores["prompt_injection"]
    assert event.instrumentation_scope is not None
    assert event.instrumentation_scope.name == "guardsdk"


def test_events_go_out_where_nobody_takes_spans(watched: Watched, logs: Logs) -> None:
    observer = OpenTelemetryObserver(
        tracer_provider=NoOpTracerProvider(), meter_provider=watched.meter_provider, logger_provider=logs.provider
    )
    guard = watched.guard(observers=[observer])
    with watched.tracer.start_as_current_span("request") as around:
        verdict = guard.check(TEXT)
    events = logs.events()
    assert len(events) == len(verdict.evaluations)
    assert {event.log_record.span_id for event in events} == {around.get_span_context().span_id}


def guardrail(watched: Watched, **changes: Any) -> Mapping[str, object]:
    watched.exporter.clear()
    stage = changes.pop("stage", Stage.INPUT)
    policy = blocking_policy(stage)
    changes.setdefault("action", Action.BLOCK)
    shadow = changes.pop("shadow", False)
    principles = tuple(
        one.model_copy(update={**changes, "replacement": "Not today."} if changes["action"] == "replace" else changes)
        for one in policy.principles
    )
    policy = policy.model_copy(update={"principles": principles, "shadow": shadow})
    observer = watched.observer_that(settings=Settings.from_environment(OPTED_IN))
    watched.guard(policy, observers=[observer]).check(TEXT, stage=stage)
    attributes = watched.span().attributes or {}
    return {name: value for name, value in attributes.items() if name.startswith("gen_ai.")}


def test_the_proposed_names_are_on_the_span_where_the_host_opted_in(watched: Watched) -> None:
    found = dict(guardrail(watched))
    assert isinstance(found.pop("gen_ai.guardrail.security.risk.score"), float)
    assert found == {
        "gen_ai.operation.name": "run_guardrail",
        "gen_ai.guardrail.component.name": "guardsdk",
        "gen_ai.guardrail.target.type": "input",
        "gen_ai.guardrail.target.subtype": "llm",
        "gen_ai.guardrail.verdict.type": "deny",
        "gen_ai.guardrail.security.policy.id": "certain",
        "gen_ai.guardrail.security.policy.rule.id": "all-input",
        "gen_ai.guardrail.security.risk.category": "prompt_injection",
    }


@pytest.mark.parametrize(
    ("action", "word"),
    [("flag", "warn"), ("redact", "modify"), ("replace", "modify"), ("review", "deny"), ("block", "deny")],
)
def test_actions_in_the_words_of_the_proposal(watched: Watched, action: str, word: str) -> None:
    found = guardrail(watched, action=Action(action), shadow=action == "block")
    assert found["gen_ai.guardrail.verdict.type"] == word


def test_a_tool_result_is_the_output_of_a_tool_call(watched: Watched) -> None:
    found = guardrail(watched, stage=Stage.TOOL)
    assert found["gen_ai.guardrail.target.type"] == "output"
    assert found["gen_ai.guardrail.target.subtype"] == "tool_call"


def test_a_failed_check_has_no_verdict_in_those_words(watched: Watched, tmp_path: Path) -> None:
    observer = watched.observer_that(settings=Settings(latest_gen_ai=True))
    watched.guard(models=tmp_path / "none", observers=[observer]).check(TEXT)
    assert "gen_ai.guardrail.verdict.type" not in (watched.span().attributes or {})


@pytest.mark.parametrize("value", ["", "http", "gen_ai", "gen_ai_latest_experimental_2"])
def test_nothing_but_the_exact_word_opts_in(watched: Watched, value: str) -> None:
    settings = Settings.from_environment({"OTEL_SEMCONV_STABILITY_OPT_IN": value})
    watched.guard(observers=[watched.observer_that(settings=settings)]).check(TEXT)
    assert not any(name.startswith("gen_ai.guardrail") for name in watched.span().attributes or {})


def test_an_anchor_is_an_event_or_a_span(watched: Watched, logs: Logs) -> None:
    expected = {
        "guardsdk.decision_log.file": 2,
        "guardsdk.decision_log.sequence": 40,
        "guardsdk.decision_log.hash": "ab" * 32,
    }
    LogReporter(tracer_provider=watched.tracer_provider, logger_provider=logs.provider).anchor(2, 40, "ab" * 32)
    (event,) = logs.events()
    assert (event.log_record.event_name, event.log_record.attributes) == ("guardsdk.decision_log.anchor", expected)
    LogReporter(tracer_provider=watched.tracer_provider).anchor(2, 40, "ab" * 32)
    (span,) = watched.exporter.get_finished_spans()
    assert (span.name, dict(span.attributes or {})) == ("guardsdk.decision_log.anchor", expected)
    assert span.start_time == span.end_time
