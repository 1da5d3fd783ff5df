from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import AsyncCallbackManager, CallbackManager, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableConfig, RunnablePassthrough
from langchain_core.tools import tool

from guardsdk.errors import Blocked, CheckFailedError, GuardError, InputTypeError
from guardsdk.integrations import langchain
from guardsdk.integrations.langchain import AsyncGuardCallbackHandler, GuardCallbackHandler
from guardsdk.verdict import Stage
from tests.blocking import Seen, StageGuard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from langchain_core.outputs import ChatGenerationChunk, ChatResult

    Handler = GuardCallbackHandler | AsyncGuardCallbackHandler

HANDLERS = [GuardCallbackHandler, AsyncGuardCallbackHandler]
with_either = pytest.mark.parametrize("handler_type", HANDLERS)
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


class CountingModel(GenericFakeChatModel):
    """LangChain's fake chat model, whole or word by word, that counts its calls."""

    called: list[int] = []  # noqa: RUF012  pydantic copies it

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:  # noqa: ANN401  passes through
        self.called.append(len(messages))
        return super()._generate(messages, *args, **kwargs)


class PlainModel(FakeListChatModel):
    """LangChain's other fake chat model, which streams in async natively and counts nothing."""

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:  # noqa: ANN401  passes through
        yield from super()._stream(*args, **kwargs)


class Shelf(BaseRetriever):
    pages: list[str]

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        del query, run_manager
        return [Document(page_content=page) for page in self.pages]


@tool
def look_up(term: str) -> str:
    """Look a term up."""
    return f"found {term}"


@tool
async def alook_up(term: str) -> str:
    """Look a term up."""
    return f"found {term}"


@tool
def broken(term: str) -> str:
    """Fail."""
    raise LookupError(term)


def model_of(*answers: str | AIMessage) -> CountingModel:
    return CountingModel(messages=iter(answers), called=[])


def chain_of(model: CountingModel | PlainModel) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_messages([("system", "Be kind."), ("human", "{question}")])
    return prompt | model | StrOutputParser()


def config_of(handler: Handler) -> RunnableConfig:
    return {"callbacks": [handler]}


def remembered(handler: Handler) -> int:
    return len(handler._runs)


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
    expected = [Seen(Stage.INPUT, "hello"), Seen(Stage.OUTPUT, "fine answer", "hello")]
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
        assert guard.seen == [Seen(Stage.INPUT, "hello"), Seen(Stage.OUTPUT, "fine answer", "hello")]
    assert len(model.called) == (0 if stage is Stage.INPUT else 1)
    assert remembered(handler) == 0


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
    assert guard.seen[-1] == Seen(Stage.OUTPUT, "one two", "hello")
    assert remembered(handler) == 0


def test_a_blocked_chunk_does_not_come_out() -> None:
    received: list[str] = []
    handler = GuardCallbackHandler(StageGuard(Stage.OUTPUT))
    with pytest.raises(Blocked):
        received.extend(chain_of(model_of("one two")).stream({"question": "hello"}, config_of(handler)))
    assert received == []
    assert remembered(handler) == 0


@with_either
@pytest.mark.parametrize("model", [model_of, lambda text: PlainModel(responses=[text])], ids=["sync", "async"])
async def test_a_blocked_chunk_does_not_come_out_in_async(handler_type: type[Handler], model: Any) -> None:  # noqa: ANN401  a maker of models
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
async def test_an_allowed_answer_streams_in_async(handler_type: type[Handler], model: Any) -> None:  # noqa: ANN401  a maker of models
    guard = StageGuard()
    replies = chain_of(model("one two")).astream({"question": "hello"}, config_of(handler_type(guard)))
    assert "".join([chunk async for chunk in replies]) == "one two"
    assert guard.seen[-1] == Seen(Stage.OUTPUT, "one two", "hello")


def test_a_long_answer_is_judged_by_its_end_while_it_streams_and_whole_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(langchain, "_STREAM_TAIL", 20)
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
    monkeypatch.setattr(langchain, "_MOST_RUNS", 2)
    guard = StageGuard()
    handler = GuardCallbackHandler(guard)
    manager = CallbackManager([handler])
    runs = [manager.on_chat_model_start({}, [[HumanMessage(f"hello {n}")]])[0] for n in range(3)]
    assert remembered(handler) == 2
    for run in runs:
        run.on_llm_end(model_of("fine").generate([[HumanMessage("hello")]]))
    contexts = [seen.context for seen in guard.seen if seen.stage is Stage.OUTPUT]
    assert contexts == [None, "hello 1", "hello 2"]


def test_a_batch_keeps_every_answer_with_its_own_prompt() -> None:
    guard = StageGuard()
    chain = chain_of(PlainModel(responses=["one", "two", "three"]))
    chain.batch([{"question": f"hello {n}"} for n in range(3)], config_of(GuardCallbackHandler(guard)))
    contexts = {seen.context for seen in guard.seen if seen.stage is Stage.OUTPUT}
    assert contexts == {"hello 0", "hello 1", "hello 2"}


def test_messages_are_screened_at_their_stages() -> None:
    guard = StageGuard()
    call = {"name": "look_up", "args": {"term": "tea"}, "id": "1"}
    messages = [
        SystemMessage("Be kind."),
        HumanMessage([{"type": "text", "text": "first"}]),
        AIMessage("", tool_calls=[call]),
        ToolMessage("found tea", tool_call_id="1"),
    ]
    answer = AIMessage("tea it is", tool_calls=[{"name": "send", "args": {"body": "a letter"}, "id": "2"}])
    model_of(answer).invoke(messages, config_of(GuardCallbackHandler(guard, actor="ann")))
    assert guard.seen == [
        Seen(Stage.INPUT, "first", None, "ann"),
        Seen(Stage.TOOL, "found tea", None, "ann"),
        Seen(Stage.OUTPUT, "tea it is", "first", "ann"),
        Seen(Stage.OUTPUT, "a letter", "first", "ann"),
    ]


def test_a_picture_is_refused_unless_an_extractor_speaks_for_it() -> None:
    model = model_of("fine")
    messages = [HumanMessage([{"type": "text", "text": "what is this?"}, PICTURE])]
    with pytest.raises(InputTypeError, match="image_url"):
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


def joined(documents: list[Document]) -> str:
    return "\n".join(document.page_content for document in documents)


def rag_of(model: CountingModel, *pages: str) -> Runnable[Any, str]:
    prompt = ChatPromptTemplate.from_template("Pages: {pages}\nQuestion: {question}")
    inputs: dict[str, Any] = {"pages": Shelf(pages=list(pages)) | joined, "question": RunnablePassthrough()}
    return inputs | prompt | model | StrOutputParser()


def test_a_retrieved_document_that_is_blocked_never_reaches_the_model() -> None:
    guard, model = StageGuard(Stage.TOOL), model_of("fine answer")
    with pytest.raises(Blocked) as caught:
        rag_of(model, "page one", "page two").invoke("hello", config_of(GuardCallbackHandler(guard)))
    assert caught.value.verdict.stage is Stage.TOOL
    assert guard.texts(Stage.TOOL) == ["page one", "page two"]
    assert model.called == []


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
    inside_a_loop: bool,  # noqa: FBT001  a parameter of pytest
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


def test_an_answer_of_nobody_knows_which_run_is_checked_all_the_same() -> None:
    guard = StageGuard()
    GuardCallbackHandler(guard).on_llm_new_token("hello", run_id=uuid4())
    assert guard.seen == [Seen(Stage.OUTPUT, "hello")]
