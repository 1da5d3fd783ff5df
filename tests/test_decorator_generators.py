from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked
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


def chat(prompt: str) -> Generator[str, str | None]:
    """Say without end what was heard last, in lines long enough to be checked one by one."""
    heard: str | None = prompt
    try:
        while True:
            try:
                heard = yield f"This is what was heard the last time before this line: ({heard}).\n"
            except KeyError:
                heard = "caught"
    finally:
        log.append("closed")


async def achat(prompt: str) -> AsyncGenerator[str, str | None]:
    heard: str | None = prompt
    try:
        while True:
            try:
                heard = yield f"This is what was heard the last time before this line: ({heard}).\n"
            except KeyError:
                heard = "caught"
    finally:
        log.append("closed")


def test_nothing_comes_out_before_it_is_checked() -> None:
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


def test_a_sentence_comes_out_before_the_next_is_asked_for() -> None:
    guard = StageGuard()

    @guarded(guard=guard)
    def lines(prompt: str) -> Generator[str]:
        for number in range(3):
            log.append(f"line {number}")
            yield f"This is line number {number} of the answer to {prompt}.\n"

    answer = lines("tea")
    assert "number 0" in next(answer)
    assert log == ["line 0", "line 1"]
    assert guard.seen[-1].context == "tea"
    assert len(list(answer)) == 2


def test_the_return_value_is_checked_and_kept() -> None:
    guard = StageGuard()

    def delegate() -> Generator[str, str | None]:
        log.append((yield from guarded(guard=guard)(talk)("hello")))

    assert list(delegate()) == ["[hello]"]
    assert log == ["closed", "done"]
    assert guard.texts(Stage.OUTPUT) == ["[hello]", "done"]


def test_a_generator_that_is_never_started_is_never_checked_and_never_called() -> None:
    guard = StageGuard()
    guarded(guard=guard)(talk)("hello").close()
    assert guard.seen == []
    assert log == []


def test_values_and_errors_reach_a_screened_generator() -> None:
    generator = guarded(guard=StageGuard())(chat)("hello")
    assert "(hello)" in next(generator)
    assert "(None)" in generator.send("more")  # what it said before it heard of it
    assert "(more)" in generator.throw(KeyError())
    assert "(caught)" in next(generator)
    log.clear()
    generator.close()
    assert log == ["closed"]


async def test_values_and_errors_reach_a_screened_async_generator() -> None:
    generator = guarded(guard=StageGuard())(achat)("hello")
    assert "(hello)" in await anext(generator)
    assert "(None)" in await generator.asend("more")
    assert "(more)" in await generator.athrow(KeyError())
    assert "(caught)" in await anext(generator)
    log.clear()
    await generator.aclose()
    assert log == ["closed"]


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


async def test_a_cancelled_reader_closes_the_generator() -> None:
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
async def test_a_blocked_input_starts_no_generator(output: bool) -> None:
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
