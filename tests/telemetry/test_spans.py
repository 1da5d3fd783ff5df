"""One span per check: what it says, whose child it is, and what counts as an error."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

from guardsdk.decorator import guarded
from guardsdk.errors import GuardError
from guardsdk.guard import Guard
from guardsdk.policy.model import Policy, Principle
from guardsdk.telemetry import OpenTelemetryObserver
from guardsdk.verdict import Action, Stage, Status
from tests.blocking import blocking_policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.telemetry.conftest import Watched

TEXT = "What is the capital of Portugal?"


def attributes_of(span: ReadableSpan) -> Mapping[str, object]:
    assert span.attributes is not None
    return span.attributes


def parent_id(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def test_a_span_carries_every_score_threshold_and_margin_of_the_verdict(watched: Watched) -> None:
    verdict = watched.guard().check(TEXT)
    attributes = attributes_of(watched.span())
    assert verdict.scores
    for label, score in verdict.scores.items():
        assert attributes[f"guardsdk.score.{label}"] == score
    assert verdict.evaluations
    for evaluation in verdict.evaluations:
        assert attributes[f"guardsdk.threshold.{evaluation.label}"] == evaluation.threshold
        assert attributes[f"guardsdk.margin.{evaluation.label}"] == evaluation.margin


def test_a_span_says_what_was_decided_and_on_what_it_ran(watched: Watched) -> None:
    verdict = watched.guard(blocking_policy(Stage.TOOL)).check(TEXT, stage="tool", actor="mail-reader")
    assert verdict.model is not None
    assert verdict.policy is not None
    attributes = attributes_of(watched.span())
    expected = {
        "guardsdk.stage": "tool",
        "guardsdk.action": "block",
        "guardsdk.status": "complete",
        "guardsdk.allowed": False,
        "guardsdk.principle.id": "all-tool",
        "guardsdk.findings": ("all-tool",),
        "guardsdk.coverage": 1.0,
        "guardsdk.text.length": len(TEXT),
        "guardsdk.model.name": verdict.model.name,
        "guardsdk.model.version": verdict.model.version,
        "guardsdk.model.digest": verdict.model.digest,
        "guardsdk.policy.name": "certain",
        "guardsdk.policy.version": "1",
        "guardsdk.policy.digest": verdict.policy.digest,
        "guardsdk.provider.requested": "cpu",
        "guardsdk.provider.active": "CPUExecutionProvider",
        "guardsdk.cached": False,
        "guardsdk.check.duration": verdict.duration_s,
    }
    assert {name: value for name, value in attributes.items() if name in expected} == expected
    assert watched.span().kind is SpanKind.INTERNAL
    assert "mail-reader" not in watched.span().to_json()


def test_a_span_says_in_shadow_mode_what_would_have_followed(watched: Watched) -> None:
    watched.guard(blocking_policy(Stage.INPUT).model_copy(update={"shadow": True})).check(TEXT)
    attributes = attributes_of(watched.span())
    assert (attributes["guardsdk.action"], attributes["guardsdk.would_action"]) == ("flag", "block")
    assert attributes["guardsdk.allowed"] is True


def test_the_reason_for_the_active_provider_is_told_where_there_is_one(watched: Watched) -> None:
    verdict = watched.guard(providers="auto").check(TEXT)
    assert attributes_of(watched.span()).get("guardsdk.provider.reason") == verdict.provider_reason
    assert attributes_of(watched.span())["guardsdk.provider.requested"] == "auto"


def test_a_verdict_from_the_cache_says_so_and_keeps_its_scores(watched: Watched) -> None:
    guard = watched.guard()
    guard.check(TEXT)
    guard.check(TEXT)
    first, second = map(attributes_of, watched.spans())
    assert (first["guardsdk.cached"], second["guardsdk.cached"]) == (False, True)
    scores = {name for name in first if name.startswith("guardsdk.score.")}
    assert scores
    assert {name: first[name] for name in scores} == {name: second[name] for name in scores}


def test_a_span_lasts_as_long_as_the_check_and_its_events_lie_inside(watched: Watched) -> None:
    with watched.tracer.start_as_current_span("request"):
        verdict = watched.guard().check(TEXT)
    span = watched.span()
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.end_time - span.start_time == round(verdict.duration_s * 1e9)
    assert {event.timestamp for event in span.events} == {span.end_time}
    (around,) = (one for one in watched.exporter.get_finished_spans() if one.name == "request")
    assert around.start_time is not None
    assert around.start_time <= span.start_time


def test_there_is_one_evaluation_event_per_principle(watched: Watched) -> None:
    policy = Policy(
        name="two",
        version="1",
        principles=(
            Principle(id="low", text="x", label="prompt_injection", stages=(Stage.INPUT,), threshold=0.0),
            Principle(id="high", text="x", label="prompt_injection", stages=(Stage.INPUT,), threshold=1.0),
        ),
    )
    verdict = watched.guard(policy).check(TEXT)
    score = verdict.scores["prompt_injection"]
    span = watched.span()
    assert [event.name for event in span.events] == ["gen_ai.evaluation.result"] * 2
    assert [dict(event.attributes or {}) for event in span.events] == [
        {
            "gen_ai.evaluation.name": "low",
            "gen_ai.evaluation.score.value": score,
            "gen_ai.evaluation.score.label": "fail",
            "gen_ai.evaluation.explanation": (
                f"prompt_injection {score:.4f} reached the threshold 0.0000 (margin +{score:.4f})"
            ),
        },
        {
            "gen_ai.evaluation.name": "high",
            "gen_ai.evaluation.score.value": score,
            "gen_ai.evaluation.score.label": "pass",
            "gen_ai.evaluation.explanation": (
                f"prompt_injection {score:.4f} is below the threshold 1.0000 (margin {score - 1.0:+.4f})"
            ),
        },
    ]
    # One label, two thresholds: the span shows the one that is nearest to firing.
    assert attributes_of(span)["guardsdk.threshold.prompt_injection"] == 0.0
    assert attributes_of(span)["guardsdk.margin.prompt_injection"] == score


def test_a_block_is_no_error(watched: Watched) -> None:
    verdict = watched.guard(blocking_policy(Stage.INPUT)).check(TEXT)
    assert verdict.action is Action.BLOCK
    assert watched.span().status.status_code is StatusCode.UNSET
    assert "error.type" not in attributes_of(watched.span())


def test_a_failed_check_is_an_error_with_its_type(watched: Watched, tmp_path: Path) -> None:
    verdict = watched.guard(models=tmp_path / "none").check(TEXT)
    assert verdict.status is Status.FAILED
    span = watched.span()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == verdict.error
    assert attributes_of(span)["error.type"] == "ModelNotFoundError"
    assert attributes_of(span)["guardsdk.status"] == "failed"
    assert span.events == ()


def test_a_degraded_check_is_no_error_and_says_what_was_missing(watched: Watched) -> None:
    verdict = watched.guard(max_chars=8).check(TEXT)
    assert verdict.status is Status.DEGRADED
    span = watched.span()
    assert span.status.status_code is StatusCode.UNSET
    assert attributes_of(span)["guardsdk.degraded_reasons"] == verdict.degraded_reasons
    assert attributes_of(span)["guardsdk.coverage"] == verdict.coverage


def test_a_check_is_a_child_of_the_span_around_it(watched: Watched) -> None:
    guard = watched.guard()
    with watched.tracer.start_as_current_span("request") as request:
        guard.check(TEXT)
        assert trace.get_current_span() is request
    guard.check(TEXT)
    inside, outside = watched.spans()
    assert parent_id(inside) == request.get_span_context().span_id
    assert inside.context.trace_id == request.get_span_context().trace_id
    assert outside.parent is None


def test_every_text_of_a_batch_has_its_span_under_the_same_parent(watched: Watched) -> None:
    with watched.tracer.start_as_current_span("request") as request:
        watched.guard().check_many([TEXT, "", TEXT])
    assert [parent_id(span) for span in watched.spans()] == [request.get_span_context().span_id] * 3


async def test_checks_in_concurrent_tasks_each_keep_their_own_parent(watched: Watched) -> None:
    guard = watched.guard(cache=0)

    async def request(number: int) -> tuple[int, int]:
        with watched.tracer.start_as_current_span(f"request {number}") as around:
            text = "x" * (number + 1)
            await asyncio.create_task(guard.acheck(text))
            return len(text), around.get_span_context().span_id

    expected = dict(await asyncio.gather(*(request(number) for number in range(8))))
    found = {attributes_of(span)["guardsdk.text.length"]: parent_id(span) for span in watched.spans()}
    assert found == expected


def test_a_cancelled_task_leaves_a_finished_span(watched: Watched) -> None:
    begun = threading.Event()
    go_on = threading.Event()

    class Slow:
        """Stands in front of the telemetry and holds the check until its task is cancelled."""

        def on_check(self, record: object) -> None:
            del record
            begun.set()
            go_on.wait(30)

    guard = Guard(models=watched.model_directory, providers="cpu", observers=[Slow(), watched.observer])

    async def run() -> int:
        with watched.tracer.start_as_current_span("request") as around:
            task = asyncio.create_task(guard.acheck(TEXT))
            await asyncio.to_thread(begun.wait, 30)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        go_on.set()
        return around.get_span_context().span_id

    request_id = asyncio.run(run())  # it waits for its threads, so the check is over
    assert parent_id(watched.span()) == request_id
    assert watched.span().end_time is not None


def test_threads_hand_on_the_parent_where_they_hand_on_the_context(watched: Watched) -> None:
    guard = watched.guard()
    with ThreadPoolExecutor(4) as pool, watched.tracer.start_as_current_span("request") as request:
        carried = [pool.submit(contextvars.copy_context().run, guard.check, "y" * n) for n in range(1, 9)]
        plain = [pool.submit(guard.check, "z" * n) for n in range(11, 19)]
        for future in carried + plain:
            future.result()
    parents = {attributes_of(span)["guardsdk.text.length"]: parent_id(span) for span in watched.spans()}
    assert parents == dict.fromkeys(range(1, 9), request.get_span_context().span_id) | dict.fromkeys(range(11, 19))


class OnlyBlocks(Sampler):
    def should_sample(self, *args: object, **more: object) -> SamplingResult:
        """Called as (parent_context, trace_id, name, kind, attributes, ...)."""
        attributes = more.get("attributes") or args[4]
        assert isinstance(attributes, dict)
        kept = attributes["guardsdk.action"] == "block"
        return SamplingResult(Decision.RECORD_AND_SAMPLE if kept else Decision.DROP, attributes)

    def get_description(self) -> str:
        return "OnlyBlocks"


def test_a_sampler_can_choose_by_the_decision(watched: Watched) -> None:
    provider = TracerProvider(sampler=OnlyBlocks())
    provider.add_span_processor(SimpleSpanProcessor(watched.exporter))
    observer = OpenTelemetryObserver(tracer_provider=provider, meter_provider=watched.meter_provider)
    policy = blocking_policy(Stage.TOOL)
    guard = Guard(policy, models=watched.model_directory, providers="cpu", observers=[observer])
    guard.check(TEXT, stage="input")
    guard.check(TEXT, stage="tool")
    assert [attributes_of(span)["guardsdk.stage"] for span in watched.spans()] == ["tool"]


def test_checks_of_a_guarded_generator_are_children_of_the_span_it_was_first_driven_in(watched: Watched) -> None:
    @guarded(guard=watched.guard(blocking_policy(), cache=0))
    def ask(prompt: str) -> Iterator[str]:
        yield f"{prompt} Lisbon."

    with watched.tracer.start_as_current_span("request") as request:
        assert list(ask(TEXT))
    assert {attributes_of(span)["guardsdk.stage"] for span in watched.spans()} == {"input", "output"}
    assert {parent_id(span) for span in watched.spans()} == {request.get_span_context().span_id}


async def test_async_generators_in_concurrent_tasks_each_keep_their_own_parent(watched: Watched) -> None:
    guard = watched.guard(blocking_policy(), cache=0)

    @guarded(guard=guard)
    async def ask(prompt: str) -> AsyncIterator[str]:
        await asyncio.sleep(0)
        yield prompt

    async def request(number: int) -> tuple[str, set[int]]:
        with watched.tracer.start_as_current_span(f"request {number}") as around:
            async for _ in ask("x" * (number + 1)):
                await asyncio.sleep(0)
            return "x" * (number + 1), {around.get_span_context().span_id}

    expected = {len(text): parents for text, parents in await asyncio.gather(*(request(number) for number in range(6)))}
    found: dict[object, set[int | None]] = {}
    for span in watched.spans():
        found.setdefault(attributes_of(span)["guardsdk.text.length"], set()).add(parent_id(span))
    assert found == expected


def test_checks_of_a_stream_are_children_of_the_span_it_was_opened_in(watched: Watched) -> None:
    guard = watched.guard(blocking_policy(), cache=0)
    with watched.tracer.start_as_current_span("request") as request:
        stream = guard.stream(iter([TEXT, " It is Lisbon.", " Or so they say."]))
        next(stream)
    list(stream)
    assert {parent_id(span) for span in watched.spans()} == {request.get_span_context().span_id}


def test_a_call_that_ends_in_an_error_leaves_finished_spans(watched: Watched) -> None:
    @guarded(guard=watched.guard(blocking_policy(Stage.OUTPUT), cache=0))
    def ask(prompt: str) -> str:
        if "fail" in prompt:
            raise LookupError
        return prompt

    for text in (TEXT, "fail"):
        with pytest.raises((GuardError, LookupError)), watched.tracer.start_as_current_span("request"):
            ask(text)
    spans = watched.exporter.get_finished_spans()
    assert len(watched.spans()) == 3
    assert all(span.end_time is not None for span in spans)
