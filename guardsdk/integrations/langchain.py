"""LangChain callback handlers that stop a chain at an attack in a prompt, an answer, a tool result or a document.

    chain.invoke(question, config={"callbacks": [GuardCallbackHandler()]})

LangChain swallows exceptions of a callback unless the handler sets ``raise_error``, as both handlers here do. Use
``GuardCallbackHandler`` for sync and async calls alike. ``AsyncGuardCallbackHandler`` is for async calls only, where it
avoids a hop through LangChain's executor. In a sync call, LangChain drops every exception of an async handler, so it
refuses to take part. A tool without an async implementation is a sync call to LangChain, even when awaited.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Literal

try:
    from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
    from langchain_core.messages import AIMessage, AIMessageChunk
    from langchain_core.messages.tool import tool_call_chunk
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk
except ModuleNotFoundError as missing:
    _MISSING = "the handlers for LangChain need langchain-core: pip install 'guardsdk[langchain]'"
    raise ModuleNotFoundError(_MISSING, name=missing.name) from None

from guardsdk.calling.callables import require_functions
from guardsdk.calling.checking import Checker, enforce
from guardsdk.errors import DecorationError, GuardError
from guardsdk.extract import ResponseText, context_of, system_of, tool_passages
from guardsdk.extract.words import beside
from guardsdk.integrations.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import FrameType
    from uuid import UUID

    from langchain_core.documents import Document
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import Generation, GenerationChunk, LLMResult

    from guardsdk.guard import Guard
    from guardsdk.integrations.runs import Run
    from guardsdk.policy.model import Policy

_CHUNK_EVENTS = ("on_llm_new_token", "on_stream_event")


class _Screen:
    """The logic of both handlers, independent of LangChain's sync and async interfaces."""

    def __init__(
        self,
        guard: Guard | None = None,
        *,
        policy: Policy | str | Path | None = None,
        actor: str | None = None,
        stream: Literal["each", "end"] = "each",
        extract_prompt: Callable[[Any], object] | None = None,
        extract_response: Callable[[Any], object] | None = None,
    ) -> None:
        """Screen with ``guard``, with a new guard for ``policy``, or with the process-wide default guard.

        Args:
            guard: The guard that checks.
            policy: A policy or the path of a policy file, in place of ``guard``.
            actor: On whose behalf the chain runs, as in ``Guard.check``.
            stream: ``"each"`` checks an answer before each chunk of it is released; ``"end"`` checks streamed answers
                only once complete, after their text was released. A callback cannot hold chunks back.
            extract_prompt: Turns a prompt (a string) or a list of messages into text, messages or ``Passage`` objects.
            extract_response: Turns a ``Generation`` or a chunk of one into text.

        Raises ``DecorationError`` if both a guard and a policy are given or an option has no effect, and
        ``PolicyError`` if the policy cannot be read.
        """
        super().__init__()
        if stream not in ("each", "end"):
            msg = f"stream must be 'each' or 'end', not {stream!r}"
            raise DecorationError(msg)
        if actor is not None and not isinstance(actor, str):
            msg = f"actor must be a string, not {type(actor).__name__}; give each actor's chains a handler of their own"
            raise DecorationError(msg)
        require_functions(extract_prompt=extract_prompt, extract_response=extract_response)
        self._checker = Checker(guard, policy, extract_prompt)
        self._actor = actor
        self._stream = stream
        self._extract_response = extract_response
        self._runs = Runs(extract_response)

    def _started(self, prompts: Sequence[object], run_id: UUID) -> None:
        passages = [passage for prompt in prompts for passage in self._checker.passages(prompt)]
        enforce(self._checker.judge(passages, self._actor))
        # Opened only now, as LangChain reports no end for a call that was stopped above.
        self._runs.open(run_id, context_of(passages), system_of(passages))

    def _streamed(self, value: object, run_id: UUID) -> None:
        if self._stream == "end":
            return
        run = self._runs.opened(run_id)
        if due := run.take(value):
            enforce(self._checker.judge_response(due, run.context, self._actor, system=run.system))
            run.passed()

    def _told(self, event: Mapping[str, Any], run_id: UUID) -> None:
        if event.get("event") == "content-block-finish":
            # In async calls the message has been released by on_llm_end, and LangChain drops exceptions raised there.
            run = self._runs.opened(run_id)
            blocks = run.ended(event["content"])
            self._answered([ChatGeneration(message=AIMessage(content=blocks))], run)
        elif (chunk := _delta(event)) is not None:
            self._streamed(chunk, run_id)

    def _ended(self, response: LLMResult, run_id: UUID) -> None:
        self._answered((one for group in response.generations for one in group), self._runs.close(run_id))

    def _answered(self, generations: Iterable[Generation], run: Run | None) -> None:
        texts: list[str] = []
        together: list[Sequence[str]] = []
        for generation in generations:
            answer = ResponseText(self._extract_response)
            answer.add(generation)
            texts += answer.texts()
            together += answer.together()
        context, system = (run.context, run.system) if run else (None, None)
        judged = self._checker.judge_response(texts or [""], context, self._actor, system=system, together=together)
        enforce(judged)

    def _returned(self, output: object) -> None:
        enforce(self._checker.judge(tool_passages(output), self._actor))

    def _retrieved(self, documents: Sequence[Document]) -> None:
        pages = [one.page_content for one in documents]
        enforce(self._checker.judge_pages(pages, [beside(one, "page_content") for one in documents], self._actor))


class GuardCallbackHandler(_Screen, BaseCallbackHandler):
    """Screens everything a chain exchanges with models, tools and retrievers; for sync and async calls.

    Prompts and chat messages are checked before the model is called, answers with the prompt as context. Tool results
    and retrieved documents (``page_content`` and the text in their metadata) are checked as stage ``tool``. The chain
    ends with ``Blocked``, ``CheckFailedError`` (also for images, audio and files, unless the policy lets them pass) or,
    for content of an unknown type, ``InputTypeError``. Safe to share between chains and threads.
    """

    raise_error = True

    def on_llm_start(self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: object) -> None:
        """Screen the prompts of a text model."""
        del serialized, kwargs
        self._started(prompts, run_id)

    def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: object
    ) -> None:
        """Screen the messages for a chat model."""
        del serialized, kwargs
        self._started(messages, run_id)

    def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        run_id: UUID,
        **kwargs: object,
    ) -> None:
        """Screen the answer up to this chunk before the chunk is released."""
        del kwargs
        self._streamed(token if chunk is None else chunk, run_id)

    def on_stream_event(self, event: Mapping[str, Any], *, run_id: UUID, **kwargs: object) -> None:
        """Screen an answer that arrives as protocol events."""
        del kwargs
        self._told(event, run_id)

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: object) -> None:
        """Screen every generation of a complete answer."""
        del kwargs
        self._ended(response, run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        """Forget a call that ended in an error."""
        del error, kwargs
        self._runs.close(run_id)

    def on_tool_end(self, output: object, **kwargs: object) -> None:
        """Screen what a tool returned."""
        del kwargs
        self._returned(output)

    def on_retriever_end(self, documents: Sequence[Document], **kwargs: object) -> None:
        """Screen retrieved documents."""
        del kwargs
        self._retrieved(documents)


def _refusing_sync_calls(but: tuple[str, ...] = ()) -> property:
    """Return a property that is false, and raises ``GuardError`` if read in a sync call."""
    return property(lambda _: _refuse_sync(inspect.currentframe(), but))


class AsyncGuardCallbackHandler(_Screen, AsyncCallbackHandler):
    """Like ``GuardCallbackHandler``, for ``ainvoke``, ``astream`` and ``abatch`` only; checks run in worker threads.

    In a sync call LangChain would drop its exceptions and let an attack through, so it raises ``GuardError`` there
    before anything is called.
    """

    raise_error = True
    run_inline = True
    """Makes LangChain wait for the handler, in the caller's context, before it calls the model."""

    async def on_llm_start(
        self, serialized: dict[str, Any], prompts: list[str], *, run_id: UUID, **kwargs: object
    ) -> None:
        """Screen the prompts of a text model."""
        del serialized, kwargs
        await asyncio.to_thread(self._started, prompts, run_id)

    async def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: object
    ) -> None:
        """Screen the messages for a chat model."""
        del serialized, kwargs
        await asyncio.to_thread(self._started, messages, run_id)

    async def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        run_id: UUID,
        **kwargs: object,
    ) -> None:
        """Screen the answer up to this chunk before the chunk is released."""
        del kwargs
        await asyncio.to_thread(self._streamed, token if chunk is None else chunk, run_id)

    async def on_stream_event(self, event: Mapping[str, Any], *, run_id: UUID, **kwargs: object) -> None:
        """Screen an answer that arrives as protocol events."""
        del kwargs
        await asyncio.to_thread(self._told, event, run_id)

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: object) -> None:
        """Screen every generation of a complete answer."""
        del kwargs
        await asyncio.to_thread(self._ended, response, run_id)

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: object) -> None:
        """Forget a call that ended in an error."""
        del error, kwargs
        self._runs.close(run_id)

    async def on_tool_end(self, output: object, **kwargs: object) -> None:
        """Screen what a tool returned."""
        del kwargs
        await asyncio.to_thread(self._returned, output)

    async def on_retriever_end(self, documents: Sequence[Document], **kwargs: object) -> None:
        """Screen retrieved documents."""
        del kwargs
        await asyncio.to_thread(self._retrieved, documents)

    # LangChain reads these right before each event, inside the ``try`` that honours ``raise_error``: the only place
    # where an async handler can stop a sync call.

    ignore_chain = _refusing_sync_calls()
    ignore_chat_model = _refusing_sync_calls()
    ignore_agent = _refusing_sync_calls()
    ignore_retriever = _refusing_sync_calls()
    ignore_llm = _refusing_sync_calls(but=_CHUNK_EVENTS)
    """Chunks are exempt: in async calls, models that only stream in sync mode send them from sync code."""


def _refuse_sync(frame: FrameType | None, but: tuple[str, ...] = ()) -> bool:
    """Raise ``GuardError`` unless the property of ``frame`` was read by a coroutine, which awaits what it calls.

    The events in ``but`` may be sync: their run started, and will end, in a call that was not refused.
    """
    caller = frame and frame.f_back
    if caller is None or caller.f_code.co_flags & inspect.CO_COROUTINE or caller.f_locals.get("event_name") in but:
        return False
    msg = "AsyncGuardCallbackHandler in a sync call: LangChain would drop its verdicts; use GuardCallbackHandler"
    raise GuardError(msg)


def _delta(event: Mapping[str, Any]) -> ChatGenerationChunk | None:
    """Return the text or the tool-call arguments in a protocol event; ``None`` if it has neither."""
    delta = event.get("delta") or {}
    words, args = delta.get("text") or delta.get("reasoning") or "", delta.get("args")
    calls = [tool_call_chunk(args=args, index=event.get("index"))] if args else []
    message = AIMessageChunk(content=words, tool_call_chunks=calls)
    return ChatGenerationChunk(message=message) if words or calls else None
