"""What goes back to the source: values sent, errors thrown, the end of interest; and how far it is read."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from guardsdk import Blocked, Guard
from guardsdk.errors import InputError, InputTypeError
from guardsdk.telemetry import OpenTelemetryObserver
from tests.streaming.screens import PatternGuard, Patterns, policy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
    from pathlib import Path

LINE = "A line that is long enough to be a segment by itself.\n"


class Source:
    """Lines without end, and what was done to them."""

    def __init__(self, *, fail_at: int = -1, line: str = LINE) -> None:
        self.log: list[object] = []
        self.read = 0
        self._fail_at = fail_at
        self._line = line

    def _next(self) -> str:
        self.read += 1
        if self.read == self._fail_at:
            raise LookupError
        return self._line

    def lines(self) -> Generator[str, Any, str]:
        try:
            while True:
                try:
                    got = yield self._next()
                except KeyError:
                    got = "caught"
                self.log += [] if got is None else [got]
                if got == "end":
                    return "The last words."
        finally:
            self.log.append("closed")

    async def alines(self) -> AsyncGenerator[str, Any]:
        try:
            while True:
                try:
                    got = yield self._next()
                except KeyError:
                    got = "caught"
                self.log += [] if got is None else [got]
                if got == "end":
                    return
        finally:
            self.log.append("closed")


async def alist(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


def send_all(stream: Generator[Any, Any, Any], *values: object) -> None:
    for value in values:
        stream.send(value)


def test_the_source_is_read_no_further_than_the_next_chunk_needs(patterns: PatternGuard) -> None:
    source = Source()
    stream = patterns.stream(source.lines())
    assert source.read == 0
    for taken in range(1, 5):
        assert next(stream) == LINE
        assert source.read == taken + 1  # the next line says that this one is over
    stream.close()
    assert source.log == ["closed"]
    with pytest.raises(StopIteration):
        next(stream)


async def test_an_async_source_is_read_no_further_either(patterns: PatternGuard) -> None:
    source = Source()
    stream = patterns.stream(source.alines())
    for taken in range(1, 5):
        assert await anext(stream) == LINE
        assert source.read == taken + 1
    await stream.aclose()
    assert source.log == ["closed"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


def test_values_and_errors_reach_the_source_and_its_last_words_are_kept(patterns: PatternGuard) -> None:
    source = Source()
    stream = patterns.stream(source.lines())
    next(stream)
    assert stream.send("one") == LINE
    assert stream.throw(KeyError()) == LINE
    assert source.log == ["one", "caught"]
    with pytest.raises(StopIteration) as end:
        send_all(stream, "end", None, None, None)
    assert end.value.value == "The last words."
    assert source.log == ["one", "caught", "end", "closed"]
    assert patterns.texts[-1].endswith("The last words.")


async def test_values_and_errors_reach_an_async_source(patterns: PatternGuard) -> None:
    source = Source()
    stream = patterns.stream(source.alines())
    await anext(stream)
    assert await stream.asend("one") == LINE
    assert await stream.athrow(KeyError()) == LINE
    assert source.log == ["one", "caught"]
    await stream.asend("end")
    assert await alist(stream) == []
    assert source.log == ["one", "caught", "end", "closed"]


def test_values_sent_while_the_source_is_ahead_arrive_one_by_one(patterns: PatternGuard) -> None:
    source = Source(line="Short. ")
    stream = patterns.stream(source.lines())
    next(stream)
    ahead = source.read
    assert ahead > 2
    stream.send("one")
    stream.send("two")
    while source.read < ahead + 2:
        next(stream)
    assert source.log == ["one", "two"]


def test_an_error_the_source_does_not_know_comes_back_and_ends_it(patterns: PatternGuard) -> None:
    source = Source()
    stream = patterns.stream(source.lines())
    next(stream)
    with pytest.raises(ZeroDivisionError):
        stream.throw(ZeroDivisionError())
    assert source.log == ["closed"]


async def test_an_error_an_async_source_does_not_know_comes_back_and_ends_it(patterns: PatternGuard) -> None:
    source = Source()
    stream = patterns.stream(source.alines())
    await anext(stream)
    with pytest.raises(ZeroDivisionError):
        await stream.athrow(ZeroDivisionError())
    assert source.log == ["closed"]


def test_a_source_that_is_no_generator_takes_nothing(patterns: PatternGuard) -> None:
    stream = patterns.stream([LINE, LINE, LINE])
    next(stream)
    with pytest.raises(InputError, match="nothing can be sent"):
        stream.send("one")
    stream = patterns.stream([LINE, LINE, LINE])
    next(stream)
    with pytest.raises(KeyError):
        stream.throw(KeyError())


def test_an_error_of_the_source_comes_through_and_drops_what_was_held_back(patterns: PatternGuard) -> None:
    source = Source(fail_at=3)
    stream = patterns.stream(source.lines())
    assert next(stream) == LINE
    with pytest.raises(LookupError):
        next(stream)
    assert source.log == ["closed"]


async def test_an_error_of_an_async_source_comes_through(patterns: PatternGuard) -> None:
    source = Source(fail_at=3)
    stream = patterns.stream(source.alines())
    assert await anext(stream) == LINE
    with pytest.raises(LookupError):
        await anext(stream)
    assert source.log == ["closed"]


def test_a_stopped_stream_closes_its_source_before_anybody_hears_of_it(patterns: PatternGuard) -> None:
    source = Source(line="This line is forbidden and long enough for a segment.\n")
    with pytest.raises(Blocked):
        next(patterns.stream(source.lines()))
    assert source.log == ["closed"]


async def test_a_stopped_async_stream_closes_its_source_and_may_await_its_last_chunk(patterns: PatternGuard) -> None:
    async def closing_chunk(verdict: Any) -> str:
        await asyncio.sleep(0)
        return f"[{verdict.principle_id}]"

    source = Source(line="This line is forbidden and long enough for a segment.\n")
    assert await alist(patterns.stream(source.alines(), on_block=closing_chunk)) == ["[word]"]
    assert source.log == ["closed"]
    source = Source(line="This line is forbidden and long enough for a segment.\n")
    with pytest.raises(Blocked):
        await anext(patterns.stream(source.alines()))
    assert source.log == ["closed"]


class Stuck:
    """A source that cannot be closed."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __iter__(self) -> Iterator[str]:
        return iter([self._line] * 3)

    def close(self) -> None:
        raise ConnectionError


class AsyncStuck(Stuck):
    async def __aiter__(self) -> AsyncIterator[str]:
        for line in self:
            yield line


async def test_a_source_that_cannot_be_closed_hides_no_verdict(
    patterns: PatternGuard, caplog: pytest.LogCaptureFixture
) -> None:
    line = "This line is forbidden and long enough for a segment.\n"
    with pytest.raises(Blocked):
        list(patterns.stream(Stuck(line)))
    with pytest.raises(Blocked):
        await alist(patterns.stream(AsyncStuck(line)))
    assert "closing the source of a stopped stream raised ConnectionError" in caplog.text
    for source in (Stuck(LINE), AsyncStuck(LINE)):  # nothing was stopped, so it is an error like any other
        with pytest.raises(ConnectionError):
            await alist(patterns.stream(source)) if isinstance(source, AsyncStuck) else list(patterns.stream(source))


def test_a_stream_that_is_closed_before_it_began_closes_its_source(patterns: PatternGuard) -> None:
    class Response:
        """Like a response of a client: iterated by a generator, closed by itself."""

        closed = False

        def __iter__(self) -> Iterator[str]:
            yield LINE

        def close(self) -> None:
            self.closed = True

    response = Response()
    patterns.stream(response).close()
    assert response.closed
    response = Response()
    assert list(patterns.stream(response)) == [LINE]
    assert response.closed


async def test_an_async_response_is_closed_by_its_own_method(patterns: PatternGuard) -> None:
    class Response:
        closed = False

        async def __aiter__(self) -> AsyncIterator[str]:
            yield LINE

        async def close(self) -> None:
            self.closed = True

    response = Response()
    stream = patterns.stream(response)
    await stream.aclose()
    assert response.closed


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
async def test_a_stream_that_its_reader_drops_closes_its_source_at_once(patterns: PatternGuard) -> None:
    """Nobody else would: the connection of a model stays open, and the answer goes on being written and paid for."""
    source = Source()
    for _ in patterns.stream(source.lines()):
        break
    assert source.log == ["closed"]
    source = Source()
    async for _ in patterns.stream(source.alines()):
        break
    for _ in range(100):  # the loop closes it, in a task of its own
        if source.log:
            break
        await asyncio.sleep(0.01)
    assert source.log == ["closed"]


async def test_a_cancelled_reader_closes_the_source(patterns: PatternGuard) -> None:
    waiting = asyncio.Event()
    log: list[str] = []

    async def hang() -> AsyncIterator[str]:
        try:
            yield LINE
            waiting.set()
            await asyncio.Event().wait()
        finally:
            log.append("closed")

    task = asyncio.ensure_future(alist(patterns.stream(hang())))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["closed"]


async def test_a_reader_cancelled_during_a_check_leaves_no_thread_waiting(model_directory: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Patterns):
        def read(self, *args: Any) -> Any:
            begun.set()
            assert go_on.wait(60)
            return super().read(*args)

    source = Source()
    guard = Guard(policy(), models=model_directory, observers=(), screens=[Slow()])
    task = asyncio.ensure_future(alist(guard.stream(source.alines())))
    await asyncio.to_thread(begun.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert source.log == ["closed"]
    go_on.set()
    await asyncio.get_running_loop().shutdown_default_executor()  # returns only when no check hangs


async def test_the_loop_goes_on_while_a_check_runs(model_directory: Path) -> None:
    loop_ran = threading.Event()

    class Waiting(Patterns):
        def read(self, *args: Any) -> Any:
            assert loop_ran.wait(60)
            return super().read(*args)

    async def set_soon() -> None:
        loop_ran.set()

    async def one() -> AsyncIterator[str]:
        yield LINE

    guard = Guard(policy(), models=model_directory, observers=(), screens=[Waiting()])
    reading = asyncio.ensure_future(alist(guard.stream(one())))
    await asyncio.sleep(0)
    await asyncio.ensure_future(set_soon())
    assert await reading == [LINE]


async def test_two_readers_at_once_are_refused(patterns: PatternGuard) -> None:
    async def hang() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield LINE

    stream = patterns.stream(hang())
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="already running"):
        await anext(stream)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_an_awaitable_is_refused_with_a_hint(patterns: PatternGuard) -> None:
    async def create() -> list[str]:
        return [LINE]

    made: Any = create()
    with pytest.raises(InputTypeError, match="await it first"):
        patterns.stream(made)
    await made


def test_checks_are_children_of_the_span_the_stream_was_opened_in(model_directory: Path) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    observer = OpenTelemetryObserver(tracer_provider=provider)
    guard = Guard(policy(), models=model_directory, observers=[observer], screens=[Patterns()])
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("call") as call:
        stream = guard.stream([LINE, LINE, LINE])
    with tracer.start_as_current_span("reader"):
        assert list(stream) == [LINE, LINE, LINE]
    with tracer.start_as_current_span("async call") as async_call:
        astream = guard.stream(Source(fail_at=4).alines())
    with pytest.raises(LookupError), tracer.start_as_current_span("async reader"):
        asyncio.run(alist(astream))
    parents = {
        span.parent.span_id for span in exporter.get_finished_spans() if span.name == "guardsdk.check" and span.parent
    }
    assert parents == {call.get_span_context().span_id, async_call.get_span_context().span_id}
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_the_source_runs_in_the_context_of_its_reader(patterns: PatternGuard) -> None:
    variable = contextvars.ContextVar("variable", default="opened")

    def lines() -> Iterator[str]:
        yield variable.get() + LINE

    stream = patterns.stream(lines())
    variable.set("read")
    assert list(stream) == ["read" + LINE]
