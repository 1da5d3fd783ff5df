"""A LangChain agent middleware that guards every model call and every tool result, as ``@guarded`` does.

    agent = create_agent(model, tools, middleware=[GuardMiddleware()])

A callback can only stop a run or let it continue; a middleware can also change the text.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

try:
    from langchain.agents.middleware import AgentMiddleware, ModelResponse
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.runnables.config import ensure_config, var_child_runnable_config
except ModuleNotFoundError as missing:
    _MISSING = "the middleware for agents needs langchain 1.1: pip install 'langchain>=1.1'"
    raise ModuleNotFoundError(_MISSING, name=missing.name) from None

from guardsdk.belonging import mark_of
from guardsdk.calling.callables import require_functions
from guardsdk.calling.checking import Checker
from guardsdk.decorator import guarded
from guardsdk.errors import InputTypeError
from guardsdk.extract import tool_passages
from guardsdk.parts.recording import reviewer_of
from guardsdk.reviewing import Reviewer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from langchain.agents.middleware import ModelRequest
    from langchain.agents.middleware.types import ToolCallRequest
    from langchain_core.messages import BaseMessage
    from langgraph.types import Command

    from guardsdk.guard import Guard
    from guardsdk.policy.model import Policy
    from guardsdk.reviewing import Answer, ReviewItem
    from guardsdk.verdict import Verdict

_WITHHELD = "(withheld)"
"""What replaces a message that was withheld from the model."""
_UNSTREAMED = "nostream"
"""LangGraph's tag for calls whose tokens are not streamed to the caller of the graph."""
_MOST_ANSWERS = 4096
"""The most reviewers' answers remembered at once. Reviewers are asked again about a text that was forgotten."""


class GuardMiddleware(AgentMiddleware):  # type: ignore[misc, unused-ignore]
    """Guards an agent. List it last, so that it sees exactly what the model and the tools are given.

    Every model call is guarded as ``@guarded`` guards a function that takes its messages: text from users and tools is
    checked before it; the answer and the arguments of its tool calls are checked after it, with the prompt as context.
    What ``redact`` removes from the messages is restored in the answer. A tool result is checked at stage ``tool``
    before the agent continues, and ``replace`` or ``on_block`` substitutes other text. Messages are changed in copies
    only. Safe to share between agents and threads.
    """

    def __init__(
        self,
        guard: Guard | None = None,
        *,
        policy: Policy | str | Path | None = None,
        output: bool = True,
        on_block: object = "raise",
        on_replace: Callable[[Verdict], object] | None = None,
        reviewer: object = None,
        actor: str | Callable[[Any], str | None] | None = None,
    ) -> None:
        """Guard with ``guard``, with a new guard for ``policy``, or with the process-wide default guard.

        Args:
            guard: The guard that checks.
            policy: A policy or the path of a policy file, in place of ``guard``.
            output: Whether answers are checked. If so, their tokens are not streamed: answers are released whole.
            on_block: ``"raise"`` to end the run with ``Blocked``; else the text to return instead, or a callable that
                is given the verdict and returns it. In place of a prompt or an answer it is the agent's last message;
                in place of a tool result, the model reads it and continues.
            on_replace: Computes the text for action ``replace`` from the verdict, in place of the policy's text.
            reviewer: Who decides on action ``review``, as in ``@guarded``. Defaults to the guard's own. They are asked
                once per text and conversation.
            actor: On whose behalf the agent runs, for the observers: a name, or a sync callable that is given the
                runtime (``lambda runtime: runtime.context.user_id``).

        Raises ``DecorationError`` for options that contradict each other or have no effect, and ``PolicyError`` if the
        policy cannot be read. A run raises what a call of a guarded function does.
        """
        super().__init__()
        require_functions(actor=actor)
        checking = Checker(guard, policy, None).guard
        self._options: dict[str, Any] = {"guard": checking, "on_block": on_block, "on_replace": on_replace}
        self._output = output
        self._reviewer = reviewer_of(reviewer) or checking.reviewer
        self._answers: _Answers = OrderedDict()
        self._actor = actor
        self._around_model(())  # invalid options fail here, not in the first call

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Guard one model call."""
        call = _ModelCall(request)

        def ask(messages: Sequence[BaseMessage], actor: str | None) -> ModelResponse[Any]:
            del actor
            with _unstreamed() if self._output else nullcontext():
                call.response = handler(call.asking(messages))
            return call.response

        guard = self._around_model(request.state["messages"])
        return call.ended(guard(ask)(call.messages, self._actor_of(request)))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Guard one model call without blocking the event loop."""
        call = _ModelCall(request)

        async def ask(messages: Sequence[BaseMessage], actor: str | None) -> ModelResponse[Any]:
            del actor
            with _unstreamed() if self._output else nullcontext():
                call.response = await handler(call.asking(messages))
            return call.response

        guard = self._around_model(request.state["messages"])
        return call.ended(await guard(ask)(call.messages, self._actor_of(request)))

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]]
    ) -> ToolMessage | Command[Any]:
        """Guard the result of one tool call."""
        result = handler(request)
        guard = self._around_result(request.state["messages"])
        return _as_result(guard(_same)(result, self._actor_of(request)), result, request)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]]
    ) -> ToolMessage | Command[Any]:
        """Guard the result of one tool call without blocking the event loop."""
        result = await handler(request)
        guard = self._around_result(request.state["messages"])
        return _as_result(await guard(_asame)(result, self._actor_of(request)), result, request)

    def _around_model(self, messages: Sequence[BaseMessage]) -> Callable[[Any], Any]:
        return self._guarding(messages, prompt="messages", output=self._output, extract_response=_answer)

    def _around_result(self, messages: Sequence[BaseMessage]) -> Callable[[Any], Any]:
        """Return what guards a tool result like the prompt it will be part of.

        Redacted values are restored at once and redacted again for each model call, as only then can they be restored
        in the model's answer.
        """
        return self._guarding(messages, prompt="result", output=False, extract_prompt=tool_passages)

    def _guarding(self, messages: Sequence[BaseMessage], **options: Any) -> Callable[[Any], Any]:
        """Return ``@guarded`` for one call in the conversation of ``messages``."""
        conversation = messages[0].id if messages else None
        reviewer = self._reviewer and _AskedOnce(self._reviewer, self._answers, conversation)
        return guarded(reviewer=reviewer, actor="actor", **self._options, **options)

    def _actor_of(self, request: ModelRequest[Any] | ToolCallRequest) -> str | None:
        return self._actor(request.runtime) if callable(self._actor) else self._actor


@dataclass(slots=True)
class _ModelCall:
    """One model call, with the model's answer if it was called."""

    request: ModelRequest[Any]
    response: ModelResponse[Any] | None = None

    @property
    def messages(self) -> list[BaseMessage]:
        system = self.request.system_message
        return [*self.request.messages] if system is None else [system, *self.request.messages]

    def asking(self, messages: Sequence[BaseMessage]) -> ModelRequest[Any]:
        """Return the request with its ``messages`` as they are after checking."""
        if self.request.system_message is None:
            return self.request.override(messages=[*messages])
        return self.request.override(system_message=messages[0], messages=[*messages[1:]])

    def ended(self, given: object) -> ModelResponse[Any]:
        """Return the response, or a message with the text that replaces it."""
        if isinstance(given, ModelResponse):
            return given
        text = _text(given)
        if self.response is None:
            return ModelResponse([AIMessage(text), *self._withheld()])
        said = next((one for one in self.response.result if isinstance(one, AIMessage)), AIMessage(""))
        return ModelResponse([AIMessage(text, id=said.id, name=said.name, usage_metadata=said.usage_metadata)])

    def _withheld(self) -> list[BaseMessage]:
        """Return the messages the model has not answered yet, without their text; LangGraph replaces the old ones.

        If their text stayed in the conversation, every later call would be stopped too.
        """
        messages = self.request.messages
        answered = max((at for at, one in enumerate(messages) if isinstance(one, AIMessage)), default=-1)
        unanswered = (one for one in messages[answered + 1 :] if one.type != "system" and one.id is not None)
        return [_saying(one, _WITHHELD) for one in unanswered]


def _answer(response: ModelResponse[Any]) -> object:
    """Return the message of a plain answer, else the whole response: structured output may differ from its JSON."""
    plain = response.structured_response is None and len(response.result) == 1
    return response.result[0] if plain else response


def _same(result: object, actor: str | None) -> object:
    del actor
    return result


async def _asame(result: object, actor: str | None) -> object:
    del actor
    return result


def _as_result(given: Any, result: object, request: ToolCallRequest) -> ToolMessage | Command[Any]:  # noqa: ANN401
    """Return a tool result as it may be used, or a message with the text that replaces it."""
    if type(given) is type(result):
        return given
    if isinstance(result, ToolMessage):
        return _saying(result, _text(given))
    return ToolMessage(_text(given), tool_call_id=request.tool_call["id"], name=request.tool_call["name"])


def _saying(message: BaseMessage, text: str) -> Any:  # noqa: ANN401  of the message's type
    """Return ``message`` with other text, without any fields that repeat the old one."""
    silent = {"artifact": None} if isinstance(message, ToolMessage) else {}
    return message.model_copy(update={"content": text, "additional_kwargs": {}, "response_metadata": {}, **silent})


def _text(given: object) -> str:
    if not isinstance(given, str):
        msg = f"on_block and on_replace of a GuardMiddleware give text, not {type(given).__name__}"
        raise InputTypeError(msg)
    return given


@contextmanager
def _unstreamed() -> Iterator[None]:
    """Make LangGraph release the answer once it is checked, and none of its tokens before."""
    config = ensure_config()
    token = var_child_runnable_config.set({**config, "tags": [*config.get("tags", ()), _UNSTREAMED]})
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)


_Answers = OrderedDict[tuple[object, ...], "Answer"]


class _AskedOnce(Reviewer):
    """A reviewer that is asked once per text and conversation, however often the model is called with the text."""

    def __init__(self, reviewer: Reviewer, answers: _Answers, conversation: str | None) -> None:
        """Ask ``reviewer`` about texts not in ``answers``; always, if there is no ``conversation``."""
        self._reviewer = reviewer
        self._answers = answers
        self._conversation = conversation

    @property
    def needs_loop(self) -> bool:
        return self._reviewer.needs_loop

    def wait(self, item: ReviewItem, timeout_s: float) -> Answer | None:
        known = self._answers.get(self._key(item, item.text))
        return self._kept(item, self._reviewer.wait(item, timeout_s)) if known is None else known

    async def await_(self, item: ReviewItem, timeout_s: float) -> Answer | None:
        known = self._answers.get(self._key(item, item.text))
        return self._kept(item, await self._reviewer.await_(item, timeout_s)) if known is None else known

    def _kept(self, item: ReviewItem, answer: Answer | None) -> Answer | None:
        if answer is not None and self._conversation is not None:
            self._answers[self._key(item, item.text)] = answer
            if isinstance(answer, str):  # final, and may be what the conversation contains from now on
                self._answers[self._key(item, answer)] = True
            while len(self._answers) > _MOST_ANSWERS:
                self._answers.popitem(last=False)
        return answer

    def _key(self, item: ReviewItem, text: str) -> tuple[object, ...]:
        verdict, beside = item.verdict, item.context and mark_of(item.context)
        return self._conversation, item.actor, verdict.stage, verdict.principle_id, beside, mark_of(text)
