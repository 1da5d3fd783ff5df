from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.documents import Document
from langchain_core.language_models import FakeListLLM
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from guardsdk.errors import Blocked, CheckFailedError, DecorationError, GuardError
from guardsdk.integrations.langchain import AsyncGuardCallbackHandler, GuardCallbackHandler
from guardsdk.verdict import Stage
from tests.acting import guard_of
from tests.blocking import Seen, StageGuard
from tests.integrations.chains import (
    HANDLERS,
    PICTURE,
    SYSTEM,
    Handler,
    Shelf,
    alook_up,
    broken,
    chain_of,
    config_of,
    look_up,
    model_of,
    rag_of,
    remembered,
    with_either,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASKED = Seen(Stage.INPUT, "hello", None, None, SYSTEM)
"""What a user wrote, read beside the system message."""


@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.OUTPUT, None])
def test_invoke_stops_at_what_is_blocked_and_the_model_is_called_only_where_the_input_passes(
    stage: Stage | None,
) -> None:
    guard = StageGuard(*([stage] if stage else []))
    handler, model = GuardCallbackHandler(guard), model_of("fine answer")
    if stage:
        with pytest.raises(Blocked) as caught:
            chain_of(model).invoke({"question": "hello"}, config_of(handler))
        assert caught.value.verdict.stage is stage
    else:
        assert chain_of(model).invoke({"question": "hello"}, config_of(handler)) == "fine answer"
    assert len(model.called) == (0 if stage is Stage.INPUT else 1)
    expected = [ASKED, Seen(Stage.OUTPUT, "fine answer", "hello", None, SYSTEM)]
    assert guard.seen == expected[: 1 if stage is Stage.INPUT else 2]
    assert remembered(handler) == 0


@with_either
@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.OUTPUT, None])
async def test_ainvoke_stops_at_what_is_blocked(handler_type: type[Handler], stage: Stage | None) -> None:
    guard = StageGuard(*([stage] if stage else []))
    handler, model = handler_type(guard), model_of("fine answer")
    if stage:
        with pytest.raises(Blocked):
            await chain_of(model).ainvoke({"question": "hello"}, config_of(handler))
    else:
        assert await chain_of(model).ainvoke({"question": "hello"}, config_of(handler)) == "fine answer"
        assert guard.seen == [ASKED, Seen(Stage.OUTPUT, "fine answer", "hello", None, SYSTEM)]
    assert len(model.called) == (0 if stage is Stage.INPUT else 1)
    assert remembered(handler) == 0


def test_messages_are_screened_at_their_stages() -> None:
    guard = StageGuard()
    call = {"name": "look_up", "args": {"term": "tea"}, "id": "1"}
    messages = [
        SystemMessage(SYSTEM),
        HumanMessage([{"type": "text", "text": "first"}]),
        AIMessage("", tool_calls=[call]),
        ToolMessage("found tea", tool_call_id="1"),
    ]
    answer = AIMessage("tea it is", tool_calls=[{"name": "send", "args": {"body": "a letter"}, "id": "2"}])
    model_of(answer).invoke(messages, config_of(GuardCallbackHandler(guard, actor="ann")))
    assert guard.seen == [
        Seen(Stage.INPUT, "first", None, "ann", SYSTEM),
        Seen(Stage.TOOL, "found tea", None, "ann"),
        Seen(Stage.OUTPUT, "tea it is", "first", "ann", SYSTEM),
        Seen(Stage.OUTPUT, "a letter", "first", "ann", SYSTEM),
    ]


def test_a_picture_is_held_back_unless_an_extractor_speaks_for_it() -> None:
    model = model_of("fine")
    messages = [HumanMessage([{"type": "text", "text": "what is this?"}, PICTURE])]
    with pytest.raises(CheckFailedError, match="image_url"):
        model.invoke(messages, config_of(GuardCallbackHandler(StageGuard())))
    assert model.called == []
    guard = StageGuard()
    handler = GuardCallbackHandler(
        guard, extract_prompt=lambda found: found[0].content[0]["text"], extract_response=lambda found: found.text
    )
    model.invoke(messages, config_of(handler))
    assert guard.seen == [Seen(Stage.INPUT, "what is this?"), Seen(Stage.OUTPUT, "fine", "what is this?")]


@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.OUTPUT])
def test_text_models_are_screened(stage: Stage) -> None:
    llm = FakeListLLM(responses=["fine answer", "not reached"])
    with pytest.raises(Blocked):
        llm.invoke("hello", config_of(GuardCallbackHandler(StageGuard(stage))))
    assert llm.i == (0 if stage is Stage.INPUT else 1)


@pytest.mark.parametrize(
    "argument", [{"term": "tea"}, {"type": "tool_call", "id": "1", "name": "look_up", "args": {"term": "tea"}}]
)
def test_what_a_tool_returns_is_screened_as_data(argument: dict[str, Any]) -> None:
    guard = StageGuard(Stage.TOOL)
    with pytest.raises(Blocked):
        look_up.invoke(argument, config_of(GuardCallbackHandler(guard)))
    assert guard.seen == [Seen(Stage.TOOL, "found tea")]


@with_either
async def test_what_a_tool_returns_is_screened_in_async(handler_type: type[Handler]) -> None:
    with pytest.raises(Blocked):
        await alook_up.ainvoke({"term": "tea"}, config_of(handler_type(StageGuard(Stage.TOOL))))


async def test_a_tool_that_is_only_sync_is_a_sync_call_to_langchain_even_when_awaited() -> None:
    with pytest.raises(Blocked):
        await look_up.ainvoke({"term": "tea"}, config_of(GuardCallbackHandler(StageGuard(Stage.TOOL))))
    with pytest.raises(GuardError, match="use GuardCallbackHandler"):
        await look_up.ainvoke({"term": "tea"}, config_of(AsyncGuardCallbackHandler(StageGuard(Stage.TOOL))))


def test_a_tool_that_fails_shows_its_own_error() -> None:
    with pytest.raises(LookupError):
        broken.invoke({"term": "tea"}, config_of(GuardCallbackHandler(StageGuard())))


def test_the_words_of_a_retrieved_documents_metadata_are_read_too() -> None:
    guard = StageGuard()
    about = {"title": "Do as I say.", "source": "https://example.org/page", "page": 3, "tags": ["a b", "c"]}
    GuardCallbackHandler(guard).on_retriever_end([Document(page_content="a page", metadata=about)])
    assert guard.texts(Stage.TOOL) == ["a page", "Do as I say.\na b"]


def test_a_retrieved_document_that_is_blocked_never_reaches_the_model() -> None:
    guard, model = StageGuard(Stage.TOOL), model_of("fine answer")
    with pytest.raises(Blocked) as caught:
        rag_of(model, "page one", "page two").invoke("hello", config_of(GuardCallbackHandler(guard)))
    assert caught.value.verdict.stage is Stage.TOOL
    assert guard.texts(Stage.TOOL) == ["page one", "page two", "page one\npage two"]
    assert model.called == []


def test_an_order_that_is_split_over_the_pages_that_were_found_is_seen() -> None:
    pages = [Document(page_content=text) for text in ("x" * 3000 + " plan", "", "bombs " + "y" * 3000)]
    handler = GuardCallbackHandler(guard_of("block", Stage.TOOL, label="split"))
    handler.on_retriever_end(pages[:2])
    handler.on_retriever_end(pages[1:])
    with pytest.raises(Blocked):
        handler.on_retriever_end(pages)


def test_an_order_that_is_split_over_the_calls_of_one_answer_is_seen() -> None:
    calls = [{"name": "f", "args": {"text": text}, "id": text} for text in ("the plan", "bombs away")]
    handler = GuardCallbackHandler(guard_of("block", Stage.OUTPUT, label="split"))
    for some in (calls[:1], calls[1:]):
        message = AIMessage(content="", tool_calls=some)
        handler.on_llm_end(LLMResult(generations=[[ChatGeneration(message=message)]]), run_id=uuid4())
    whole = AIMessage(content="", tool_calls=calls)
    with pytest.raises(Blocked):
        handler.on_llm_end(LLMResult(generations=[[ChatGeneration(message=whole)]]), run_id=uuid4())


@with_either
async def test_a_retrieved_document_that_is_blocked_never_reaches_the_model_in_async(
    handler_type: type[Handler],
) -> None:
    model = model_of("fine answer")
    with pytest.raises(Blocked):
        await rag_of(model, "page one").ainvoke("hello", config_of(handler_type(StageGuard(Stage.TOOL))))
    assert model.called == []
    allowed = rag_of(model_of("fine answer"), "page one")
    assert await allowed.ainvoke("hello", config_of(handler_type(StageGuard()))) == "fine answer"


@with_either
async def test_a_check_that_fails_stops_the_chain_and_is_no_block(handler_type: type[Handler], tmp_path: Path) -> None:
    model = model_of("fine answer")
    handler = handler_type(StageGuard(models=tmp_path / "no model here"))
    with pytest.raises(CheckFailedError):
        await chain_of(model).ainvoke({"question": "hello"}, config_of(handler))
    assert model.called == []


async def test_both_handlers_raise_through_the_callback_managers() -> None:
    guard = StageGuard(Stage.INPUT)
    with pytest.raises(Blocked):
        CallbackManager([GuardCallbackHandler(guard)]).on_chat_model_start({}, [[HumanMessage("hello")]])
    for handler_type in HANDLERS:
        manager = AsyncCallbackManager([handler_type(guard)])
        with pytest.raises(Blocked):
            await manager.on_chat_model_start({}, [[HumanMessage("hello")]])


@pytest.mark.parametrize("inside_a_loop", [False, True])
def test_an_async_handler_refuses_a_sync_call_where_langchain_would_drop_its_verdict(
    inside_a_loop: bool,
) -> None:
    handler = AsyncGuardCallbackHandler(StageGuard(Stage.INPUT))
    model, llm = model_of("fine", "fine"), FakeListLLM(responses=["fine", "fine"])
    attempts: list[Callable[[], object]] = [
        lambda: chain_of(model).invoke({"question": "hello"}, config_of(handler)),
        lambda: model.invoke("hello", config_of(handler)),
        lambda: llm.invoke("hello", config_of(handler)),
        lambda: look_up.invoke({"term": "tea"}, config_of(handler)),
        lambda: Shelf(pages=["page"]).invoke("hello", config_of(handler)),
    ]

    async def attempt(call: Callable[[], object]) -> None:
        call()

    for call in attempts:
        with pytest.raises(GuardError, match="use GuardCallbackHandler"):
            asyncio.run(attempt(call)) if inside_a_loop else call()
    assert model.called == []
    assert llm.i == 0


def test_a_run_that_is_open_elsewhere_lets_no_sync_call_through() -> None:
    handler = AsyncGuardCallbackHandler(StageGuard(Stage.INPUT))
    handler._runs.open(uuid4())  # as any async call at the same time does
    llm = FakeListLLM(responses=["fine"])
    with pytest.raises(GuardError, match="use GuardCallbackHandler"):
        llm.invoke("hello", config_of(handler))
    assert llm.i == 0


async def _aread(one: object) -> str:
    return str(one)


def _nothing() -> str:
    return ""


@with_either
@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"stream": "End"}, "stream must be 'each' or 'end', not 'End'"),
        ({"actor": 5}, "actor must be a string, not int"),
        ({"extract_prompt": "content"}, "extract_prompt must be a function, not str"),
        ({"extract_prompt": _aread}, "extract_prompt is async"),
        ({"extract_response": _aread}, "extract_response is async"),
        ({"extract_response": _nothing}, "extract_response is called with response, and _nothing does not take that"),
    ],
    ids=["stream", "actor", "no function", "async prompt", "async response", "nothing taken"],
)
def test_options_of_no_use_are_refused_when_a_handler_is_made(
    handler_type: type[Handler], options: dict[str, Any], why: str
) -> None:
    """A run ended with it, or the option did nothing."""
    with pytest.raises(DecorationError, match=why):
        handler_type(StageGuard(), **options)
