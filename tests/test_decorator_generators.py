from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked, InputError
from guardsdk.verdict import Stage
from tests.blocking import StageGuard

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

log: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


def talk(prompt: str) -> Generator[str, str | None, str]:
    """Yield, report what comes back, and end with a return value."""
    heard = prompt
    try:
        while heard != "stop":
            try:
                heard = (yield f"[{heard}]") or "stop"
            except KeyError:
                heard = "caught"
    finally:
        log.append("closed")
    return "done"


async def atalk(prompt: str) -> AsyncGenerator[str, str | None]:
    heard = prompt
    try:
        while heard != "stop":
            try:
                heard = (yield f"[{heard}]") or "stop"
            except KeyError:
                heard = "caught"
    finally:
        log.append("closed")


def test_nothing_comes_out_before_all_of_it_is_checked() -> None:
    guard = StageGuard(Stage.OUTPUT)

    @guarded(guard=guard)
    def words(prompt: str) -> Generator[str]:
        for word in (prompt, " is", " fine"):
            log.append(word)
            yield word

    with pytest.raises(Blocked):
        next(words("tea"))
    assert log == ["tea", " is", " fine"]
    assert guard.texts(Stage.OUTPUT) == ["tea is fine"]


def test_the_return_value_is_checked_and_kept() -> None:
    guard = StageGuard()

    def delegate() -> Generator[str, str | None]:
        log.append((yield from guarded(guard=guard)(talk)("hello")))

    assert list(delegate()) == ["[hello]"]
    assert log == ["closed", "done"]
    assert guard.texts(Stage.OUTPUT) == ["[hello]done"]


def test_a_generator_that_is_never_started_is_never_checked_and_never_called() -> None:
    guard = StageGuard()
    guarded(guard=guard)(talk)("hello").close()
    assert guard.seen == []
    assert log == []


def test_a_value_sent_into_a_collected_generator_is_refused() -> None:
    generator = guarded(guard=StageGuard())(talk)("hello")
    next(generator)
    with pytest.raises(InputError, match="nothing can be sent"):
        generator.send("more")


async def test_a_value_sent_into_a_collected_async_generator_is_refused() -> None:
    generator = guarded(guard=StageGuard())(atalk)("hello")
    await anext(generator)
    with pytest.raises(InputError, match="nothing can be sent"):
        await generator.asend("more")


def test_an_error_half_way_lets_nothing_out_and_closes_the_generator() -> None:
    @guarded(guard=StageGuard())
    def fail(prompt: str) -> Generator[str]:
        try:
            yield prompt
            raise LookupError
        finally:
            log.append("closed")

    with pytest.raises(LookupError):
        next(fail("hello"))
    assert log == ["closed"]


async def test_a_cancelled_collection_closes_the_generator() -> None:
    started = asyncio.Event()

    @guarded(guard=StageGuard())
    async def hang(prompt: str) -> AsyncGenerator[str]:
        try:
            yield prompt
            started.set()
            await asyncio.Event().wait()
        finally:
            log.append("closed")

    task = asyncio.ensure_future(anext(hang("hello")))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["closed"]


def test_without_output_check_a_generator_is_the_generator_itself() -> None:
    guard = StageGuard(Stage.OUTPUT)
    generator = guarded(guard=guard, output=False)(talk)("hello")
    assert next(generator) == "[hello]"
    assert generator.send("again") == "[again]"
    assert generator.throw(KeyError()) == "[caught]"
    with pytest.raises(StopIteration) as stop:
        generator.send("stop")
    assert stop.value.value == "done"
    generator = guarded(guard=guard, output=False)(talk)("hello")
    next(generator)
    log.clear()
    generator.close()
    assert log == ["closed"]
    assert guard.texts(Stage.OUTPUT) == []


async def test_without_output_check_an_async_generator_is_the_generator_itself() -> None:
    guard = StageGuard(Stage.OUTPUT)
    generator = guarded(guard=guard, output=False)(atalk)("hello")
    assert await anext(generator) == "[hello]"
    assert await generator.asend("again") == "[again]"
    assert await generator.athrow(KeyError()) == "[caught]"
    with pytest.raises(StopAsyncIteration):
        await generator.asend("stop")
    generator = guarded(guard=guard, output=False)(atalk)("hello")
    await anext(generator)
    with pytest.raises(LookupError):
        await generator.athrow(LookupError())
    generator = guarded(guard=guard, output=False)(atalk)("hello")
    await anext(generator)
    log.clear()
    await generator.aclose()
    assert log == ["closed"]
    assert guard.texts(Stage.OUTPUT) == []


@pytest.mark.parametrize("output", [True, False])
async def test_a_blocked_input_starts_no_generator(output: bool) -> None:  # noqa: FBT001  a parameter of pytest
    guard = StageGuard(Stage.INPUT)
    assert list(guarded(guard=guard, output=output, on_block="Sorry.")(talk)("hello")) == ["Sorry."]
    replies = guarded(guard=guard, output=output, on_block="Sorry.")(atalk)("hello")
    assert [item async for item in replies] == ["Sorry."]
    assert log == []


def test_chunks_of_a_chat_completion_are_joined_choice_by_choice() -> None:
    guard = StageGuard()

    @guarded(guard=guard)
    def chunks(prompt: str) -> Generator[dict[str, object]]:
        for index, text in ((0, "He"), (1, "Good"), (0, "llo "), (1, "bye "), (0, prompt), (1, prompt)):
            yield {"choices": [{"index": index, "delta": {"content": text}}]}
        yield {"choices": [], "usage": {"total_tokens": 7}}

    assert len(list(chunks("you"))) == 7
    assert guard.texts(Stage.OUTPUT) == ["Hello you", "Goodbye you"]
