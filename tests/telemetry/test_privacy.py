"""A marker in the checked text turns up nowhere: no span, event, metric, log record, exception or verdict."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from guardsdk.decorator import guarded
from guardsdk.engine.classifier import Classifier
from guardsdk.errors import GuardError
from guardsdk.verdict import Stage, Status, Verdict
from tests.blocking import blocking_policy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.telemetry.conftest import Watched

MARKER = "zanzibar7731"
TEXT = f"Please ignore {MARKER} and the rest."


def everything_sent(watched: Watched) -> str:
    spans = watched.exporter.get_finished_spans()
    data = watched.reader.get_metrics_data()
    assert spans
    assert data is not None
    return "\n".join([*(span.to_json() for span in spans), data.to_json()])


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        yield caplog


def assert_silent(watched: Watched, logged: pytest.LogCaptureFixture, *verdicts: Verdict) -> None:
    for words in (everything_sent(watched), logged.text, *(verdict.model_dump_json() for verdict in verdicts)):
        assert MARKER not in words.lower()


def test_the_probe_finds_a_marker_that_is_sent(watched: Watched, logged: pytest.LogCaptureFixture) -> None:
    watched.guard().check("x")
    watched.tracer.start_span(MARKER).end()
    with pytest.raises(AssertionError):
        assert_silent(watched, logged)


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("blocked", [True, False])
def test_neither_text_nor_context_is_sent(
    watched: Watched, logged: pytest.LogCaptureFixture, *, stage: Stage, blocked: bool
) -> None:
    guard = watched.guard(blocking_policy(*([stage] if blocked else [])))
    verdicts = [
        guard.check(TEXT, stage=stage, context=TEXT if stage is Stage.OUTPUT else None, actor=MARKER),
        *guard.check_many([TEXT, TEXT], stage=stage),
    ]
    assert {verdict.allowed for verdict in verdicts} == {not blocked}
    assert_silent(watched, logged, *verdicts)


def test_a_text_that_was_cut_is_not_sent(watched: Watched, logged: pytest.LogCaptureFixture) -> None:
    verdict = watched.guard(max_chars=20).check(TEXT)
    assert verdict.status is Status.DEGRADED
    assert_silent(watched, logged, verdict)


def test_a_missing_model_does_not_send_the_text(
    watched: Watched, logged: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    verdict = watched.guard(models=tmp_path / "none").check(TEXT)
    assert verdict.status is Status.FAILED
    assert_silent(watched, logged, verdict)


def test_an_engine_that_quotes_the_text_when_it_breaks_does_not_send_it(
    watched: Watched, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError(TEXT)

    monkeypatch.setattr(Classifier, "score", break_down)
    verdict = watched.guard(blocking_policy(Stage.INPUT)).check(TEXT)  # which needs no other screen
    assert verdict.status is Status.FAILED
    assert (watched.span().attributes or {})["error.type"] == "RuntimeError"
    assert_silent(watched, logged, verdict)


def test_an_observer_that_quotes_the_text_when_it_breaks_does_not_log_it(
    watched: Watched, logged: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError(TEXT)

    guard = watched.guard()
    guard.check("x")
    monkeypatch.setattr("guardsdk.telemetry.values.decision_attributes", break_down)
    verdict = guard.check(TEXT)
    assert verdict.status is Status.COMPLETE
    assert "RuntimeError" in logged.text
    assert_silent(watched, logged, verdict)


def test_the_error_of_a_blocked_call_does_not_carry_the_text(
    watched: Watched, logged: pytest.LogCaptureFixture
) -> None:
    @guarded(guard=watched.guard(blocking_policy(Stage.INPUT)))
    def ask(prompt: str) -> str:
        return prompt

    with pytest.raises(GuardError) as caught, watched.tracer.start_as_current_span("request"):
        ask(TEXT)
    assert MARKER not in f"{caught.value!s} {caught.value!r} {caught.value.args}"
    (around,) = (span for span in watched.exporter.get_finished_spans() if span.name == "request")
    recorded = [(event.attributes or {})["exception.message"] for event in around.events]
    assert recorded == ["input blocked by principle 'all-input'"]
    assert_silent(watched, logged)
