from __future__ import annotations

import asyncio
import sys
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import CallbackManager
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from guardsdk import Guard
from guardsdk.errors import Blocked
from guardsdk.extract.growing import GrowingText
from guardsdk.integrations import runs
from guardsdk.integrations.langchain import GuardCallbackHandler
from guardsdk.verdict import Stage
from tests.blocking import Seen, StageGuard
from tests.integrations.chains import (
    SYSTEM,
    CountingModel,
    Handler,
    PlainModel,
    chain_of,
    config_of,
    model_of,
    remembered,
    with_either,
)
from tests.leaking import LEAKS, RULES

FEW = 4
"""Words of instructions that are no leak by themselves."""

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def test_a_blocked_input_streams_nothing_and_calls_nothing() -> None:
    model = model_of("fine answer")
    with pytest.raises(Blocked):
        next(chain_of(model).stream({"question": "hello"}, config_of(GuardCallbackHandler(StageGuard(Stage.INPUT)))))
    assert model.called == []


@with_either
async def test_a_blocked_input_streams_nothing_and_calls_nothing_in_async(handler_type: type[Handler]) -> None:
    model = model_of("fine answer")
    with pytest.raises(Blocked):
        await anext(
            chain_of(model).astream({"question": "hello"}, config_of(handler_type(StageGuard(Stage.INPUT)))).__aiter__()
        )
    assert model.called == []


def test_a_streamed_answer_is_checked_before_each_chunk_comes_out() -> None:
    guard = StageGuard()
    handler = GuardCallbackHandler(guard)
    stream = chain_of(model_of("one two")).stream({"question": "hello"}, config_of(handler))
    seen_before = [(chunk, guard.texts(Stage.OUTPUT)[-1]) for chunk in stream]
    assert seen_before[:3] == [("one", "one"), (" ", "one"), ("two", "one two")]
    assert guard.seen[-1] == Seen(Stage.OUTPUT, "one two", "hello", None, SYSTEM)
    assert remembered(handler) == 0


def test_all_of_a_long_chunk_is_read_before_it_comes_out() -> None:
    """Only the last 1,000 characters of what was there were looked at, however much of it was new."""
    guard = StageGuard()
    handler, run = GuardCallbackHandler(guard), uuid4()
    handler.on_chat_model_start({}, [[HumanMessage("hello")]], run_id=run)
    for letter, size in (("a", 5000), ("b", 3000), ("c", 10)):
        handler.on_llm_new_token(letter * size, run_id=run)
    assert guard.texts(Stage.OUTPUT) == ["a" * 5000, "a" * 500 + "b" * 3000, "b" * 990 + "c" * 10]


def test_a_chunk_late_in_an_answer_is_no_more_work_than_an_early_one() -> None:
    handler, run = GuardCallbackHandler(StageGuard()), uuid4()
    calls: Counter[int] = Counter()
    for chunk in range(400):
        count = partial(_counted, calls, chunk)
        sys.setprofile(count)
        try:
            handler.on_llm_new_token(
                "word ", chunk=ChatGenerationChunk(message=AIMessageChunk(content="word ")), run_id=run
            )
        finally:
            sys.setprofile(None)
    assert calls[399] <= calls[250] + 10


def _counted(calls: Counter[int], chunk: int, frame: FrameType, event: str, arg: object) -> None:
    del frame, arg
    calls[chunk] += event in ("call", "c_call")


def test_the_calls_before_make_a_piece_of_a_call_no_more_work() -> None:
    handler, run = GuardCallbackHandler(StageGuard()), uuid4()
    calls: Counter[int] = Counter()
    for number in range(200):
        call = tool_call_chunk(name="look_up", args=f'{{"term": "door {number:03}"}}', id=str(number), index=number)
        chunk = ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))
        sys.setprofile(partial(_counted, calls, number))
        try:
            handler.on_llm_new_token("", chunk=chunk, run_id=run)
        finally:
            sys.setprofile(None)
    assert calls[199] <= calls[100] + 10


def test_what_did_not_pass_is_due_again_with_the_next_chunk() -> None:
    """Whoever goes on after an error all the same gets no further."""
    handler, run = GuardCallbackHandler(StageGuard(Stage.OUTPUT)), uuid4()
    for words in ("an attack", " "):
        with pytest.raises(Blocked):
            handler.on_llm_new_token(words, run_id=run)


def test_a_blocked_chunk_does_not_come_out() -> None:
    received: list[str] = []
    handler = GuardCallbackHandler(StageGuard(Stage.OUTPUT))
    with pytest.raises(Blocked):
        received.extend(chain_of(model_of("one two")).stream({"question": "hello"}, config_of(handler)))
    assert received == []
    assert remembered(handler) == 0


@with_either
@pytest.mark.parametrize("model", [model_of, lambda text: PlainModel(responses=[text])], ids=["sync", "async"])
async def test_a_blocked_chunk_does_not_come_out_in_async(handler_type: type[Handler], model: Any) -> None:
    received: list[str] = []
    handler = handler_type(StageGuard(Stage.OUTPUT))

    async def receive() -> None:
        async for chunk in chain_of(model("one two")).astream({"question": "hello"}, config_of(handler)):
            received.append(chunk)  # noqa: PERF401  what came before the error counts

    with pytest.raises(Blocked):
        await receive()
    assert received == []
    assert remembered(handler) == 0


@with_either
@pytest.mark.parametrize("model", [model_of, lambda text: PlainModel(responses=[text])], ids=["sync", "async"])
async def test_an_allowed_answer_streams_in_async(handler_type: type[Handler], model: Any) -> None:
    guard = StageGuard()
    replies = chain_of(model("one two")).astream({"question": "hello"}, config_of(handler_type(guard)))
    assert "".join([chunk async for chunk in replies]) == "one two"
    assert guard.seen[-1] == Seen(Stage.OUTPUT, "one two", "hello", None, SYSTEM)


def test_a_long_answer_is_judged_by_its_end_while_it_streams_and_whole_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs, "STREAM_TAIL", 20)
    guard = StageGuard()
    words = " ".join(f"word{number}" for number in range(9))
    list(chain_of(model_of(words)).stream({"question": "hello"}, config_of(GuardCallbackHandler(guard))))
    *growing, whole = guard.texts(Stage.OUTPUT)
    assert max(map(len, growing)) == 20
    assert growing[-1] == words[-20:].strip()
    assert whole == words


def test_streams_can_be_left_to_the_check_at_their_end() -> None:
    guard = StageGuard(Stage.OUTPUT)
    received: list[str] = []
    with pytest.raises(Blocked):
        received.extend(
            chain_of(model_of("one two")).stream(
                {"question": "hello"}, config_of(GuardCallbackHandler(guard, stream="end"))
            )
        )
    assert guard.texts(Stage.OUTPUT) == ["one two"]


def test_a_stream_of_protocol_events_is_stopped() -> None:
    guard = StageGuard(Stage.OUTPUT)
    stream = model_of("one two").stream_events("hello", config_of(GuardCallbackHandler(guard)), version="v3")
    with pytest.raises(Blocked):
        str(stream.output)
    assert guard.texts(Stage.OUTPUT)[0] == "one"


class CallingModel(CountingModel):
    """Calls a tool with ``{"term": "a door"}``, in two pieces."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        del args, kwargs
        for name, piece in (("look_up", '{"term": "a '), (None, 'door"}')):
            call = tool_call_chunk(name=name, args=piece, id=name, index=0)
            yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=[call]))


@with_either
@pytest.mark.parametrize("calls", [False, True])
async def test_no_async_stream_of_protocol_events_gets_past_the_check_of_the_whole(
    handler_type: type[Handler], *, calls: bool
) -> None:
    handler = handler_type(StageGuard(Stage.OUTPUT), stream="end")
    model = CallingModel(messages=iter(())) if calls else model_of("one two")
    stream = await model.astream_events("hello", config_of(handler), version="v3")
    with pytest.raises(Blocked):
        await stream.output


def test_what_a_tool_is_called_with_is_read_as_it_comes_in_protocol_events() -> None:
    guard = StageGuard()
    stream = CallingModel(messages=iter(())).stream_events(
        "hello", config_of(GuardCallbackHandler(guard)), version="v3"
    )
    assert stream.output.tool_calls[0]["args"] == {"term": "a door"}
    assert guard.texts(Stage.OUTPUT)[:2] == ['{"term": "a', "a door"]


class Interleaved(CountingModel):
    """Recites ``RULES`` a few words at a time, with long thoughts in between."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        del args, kwargs
        rules = RULES.split()
        for start in range(0, len(rules), FEW):
            words = " ".join(rules[start : start + FEW]) + " "
            thought = f"Thought {start} on the weather. " * (runs.BLOCKS_CHARS // 20)
            for at, block in enumerate(({"type": "text", "text": words}, {"type": "reasoning", "reasoning": thought})):
                yield ChatGenerationChunk(message=AIMessageChunk(content=[{**block, "index": start * 2 + at}]))


@with_either
async def test_what_blocks_far_apart_say_together_is_read_before_the_message_comes_out(
    handler_type: type[Handler],
) -> None:
    """Only the last 4,000 characters of blocks were, and in an async run the check of the whole comes too late."""
    with Guard(LEAKS, providers="cpu", observers=()) as guard:
        rules = RULES.split()
        apart = [" ".join(rules[start : start + FEW]) for start in range(0, len(rules), FEW)]
        assert all(verdict.allowed for verdict in guard.check_many(apart, stage="output", system=RULES))
        asked = [SystemMessage(RULES), HumanMessage("How is the weather?")]
        config = config_of(handler_type(guard, stream="end"))
        stream = await Interleaved(messages=iter(())).astream_events(asked, config, version="v3")
        with pytest.raises(Blocked) as caught:
            await stream.output
        assert caught.value.verdict.principle_id == "no-leak"


def called_with(number: int) -> dict[str, Any]:
    return {"type": "tool_call", "id": str(number), "name": "look_up", "args": {"term": f"the door {number:03}"}}


def test_a_block_that_ends_is_read_together_with_those_before() -> None:
    guard, run = StageGuard(), uuid4()
    handler = GuardCallbackHandler(guard)
    for number in range(3):
        event = {"event": "content-block-finish", "index": number, "content": called_with(number)}
        handler.on_stream_event(event, run_id=run)
    assert guard.texts(Stage.OUTPUT)[0] == "the door 000"
    assert guard.seen[-1].text == "the door 000\nthe door 001\nthe door 002"


def test_the_work_of_many_blocks_that_end_grows_with_their_number_only() -> None:
    run, read = runs.Run(None, None, GrowingText()), [0]
    for number in range(800):
        together = run.ended(called_with(number))
        assert together[-2:] == [called_with(before) for before in range(max(0, number - 1), number + 1)]
        read.append(read[-1] + len(str(together)))
    assert read[800] <= 2.5 * read[400]  # four times as much, if each were read with all before it
    long = {"type": "text", "text": "a" * 2 * runs.BLOCKS_CHARS}
    assert run.ended(long)[-1] == long


def test_an_extractor_gets_protocol_events_as_the_generations_they_make() -> None:
    guard = StageGuard()
    handler = GuardCallbackHandler(guard, extract_response=lambda one: f"<{one.message.text}>")
    str(model_of("one two").stream_events("hello", config_of(handler), version="v3").output)
    assert guard.texts(Stage.OUTPUT)[-1] == "<one two>"


def test_an_abandoned_stream_is_forgotten() -> None:
    handler = GuardCallbackHandler(StageGuard())
    stream: Any = chain_of(model_of("one two three")).stream({"question": "hello"}, config_of(handler))
    next(stream)
    assert remembered(handler) == 1
    stream.close()
    assert remembered(handler) == 0


def test_a_failing_model_is_forgotten() -> None:
    handler = GuardCallbackHandler(StageGuard())
    with pytest.raises(StopIteration):
        model_of().invoke("hello", config_of(handler))
    assert remembered(handler) == 0


def test_runs_are_remembered_up_to_a_bound_and_forgotten_ones_still_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "MOST", 2)
    guard = StageGuard()
    handler = GuardCallbackHandler(guard)
    manager = CallbackManager([handler])
    begun = [manager.on_chat_model_start({}, [[HumanMessage(f"hello {n}")]])[0] for n in range(3)]
    assert remembered(handler) == 2
    for run in begun:
        run.on_llm_end(model_of("fine").generate([[HumanMessage("hello")]]))
    contexts = [seen.context for seen in guard.seen if seen.stage is Stage.OUTPUT]
    assert contexts == [None, "hello 1", "hello 2"]


@with_either
async def test_calls_that_were_cancelled_do_not_fill_the_memory(
    handler_type: type[Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LangChain reports no end for them; their prompts may be long."""
    monkeypatch.setattr(runs, "MOST_CHARS", 1000)

    class Stuck(CountingModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            del args, kwargs
            called.set()
            await asyncio.Event().wait()

    handler = handler_type(StageGuard())
    for number in range(5):
        called = asyncio.Event()
        task = asyncio.create_task(Stuck(messages=iter(())).ainvoke(f"{number}" * 400, config_of(handler)))
        await called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert remembered(handler) == 2
    CallbackManager([handler := GuardCallbackHandler(StageGuard())]).on_chat_model_start(
        {}, [[HumanMessage("a" * 2000)]]
    )
    assert remembered(handler) == 1  # the newest is, however long


def test_a_batch_keeps_every_answer_with_its_own_prompt() -> None:
    guard = StageGuard()
    chain = chain_of(PlainModel(responses=["one", "two", "three"]))
    chain.batch([{"question": f"hello {n}"} for n in range(3)], config_of(GuardCallbackHandler(guard)))
    contexts = {seen.context for seen in guard.seen if seen.stage is Stage.OUTPUT}
    assert contexts == {"hello 0", "hello 1", "hello 2"}


def test_an_answer_of_nobody_knows_which_run_is_checked_all_the_same() -> None:
    guard = StageGuard()
    GuardCallbackHandler(guard).on_llm_new_token("hello", run_id=uuid4())
    assert guard.seen == [Seen(Stage.OUTPUT, "hello")]
