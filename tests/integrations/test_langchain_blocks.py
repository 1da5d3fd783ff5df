"""The kinds of content that LangChain's messages hold, structured output, and chains that share one handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.output_parsers import PydanticToolsParser
from langchain_core.runnables import RunnableParallel
from pydantic import BaseModel

from guardsdk import Blocked, guarded
from guardsdk.errors import CheckFailedError, InputTypeError
from guardsdk.extract import ResponseText, prompt_passages, tool_passages
from guardsdk.integrations.langchain import GuardCallbackHandler
from guardsdk.verdict import Stage
from tests.acting import guard_of
from tests.blocking import StageGuard
from tests.integrations.chains import chain_of, config_of, model_of

if TYPE_CHECKING:
    from collections.abc import Callable

CALL = {"name": "send", "id": "c1"}
ANSWERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "text": ({"type": "text", "text": "said"}, ["said"]),
    "reasoning": ({"type": "reasoning", "reasoning": "thought"}, ["thought"]),
    "refusal": ({"type": "refusal", "refusal": "I will not."}, ["I will not."]),
    "plain file": ({"type": "text-plain", "mime_type": "text/plain", "text": "said"}, ["said"]),
    "call": ({"type": "tool_call", "args": {"to": "jo"}, **CALL}, ["jo"]),
    "call in chunks": ({"type": "tool_call_chunk", "args": '{"to": "jo"}', **CALL}, ["jo"]),
    "invalid call": ({"type": "invalid_tool_call", "args": "to jo", "error": "no JSON", **CALL}, ["no JSON", "to jo"]),
    "call of the provider's": ({"type": "server_tool_call", "args": {"q": "who"}, **CALL}, ["who"]),
    "such a call in chunks": ({"type": "server_tool_call_chunk", "args": '{"q": "who"}', **CALL}, ["who"]),
    "result of the provider's": ({"type": "server_tool_result", "output": {"found": "page"}}, ["page"]),
}
NOT_READ: list[dict[str, Any]] = [
    {"type": "text-plain", "mime_type": "text/plain", "url": "https://example.org"},
    {"type": "image", "url": "https://example.org"},
    {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"},
    {"type": "video", "file_id": "f1"},
    {"type": "file", "file_id": "f1"},
]


class Mail(BaseModel):
    to: str
    body: str


@pytest.mark.parametrize("name", ANSWERS)
def test_each_kind_of_content_of_an_answer_is_read(name: str) -> None:
    block, expected = ANSWERS[name]
    for message in (AIMessage([block]), AIMessageChunk(content=[block]), AIMessage(content_blocks=[block])):  # type: ignore[list-item]  # as data
        answer = ResponseText()
        answer.add(message)
        assert answer.texts() == expected


@pytest.mark.parametrize("block", NOT_READ, ids=lambda block: str(block["type"]))
def test_content_without_text_is_refused_in_an_answer_and_named_in_a_prompt(block: dict[str, Any]) -> None:
    with pytest.raises(InputTypeError, match=block["type"]):
        ResponseText().add(AIMessage([block]))
    [passage] = prompt_passages([HumanMessage([block])])
    assert (passage.text, passage.uncovered) == ("", (block["type"],))
    model = model_of("fine")
    with pytest.raises(CheckFailedError):
        model.invoke([HumanMessage([block])], config_of(GuardCallbackHandler(StageGuard())))
    assert model.called == []


@pytest.mark.parametrize("message", [HumanMessage, lambda content: ToolMessage(content, tool_call_id="c1")])
def test_a_file_of_plain_text_is_data_that_somebody_wrote(message: Callable[[Any], HumanMessage | ToolMessage]) -> None:
    block = {"type": "text-plain", "mime_type": "text/plain", "title": "notes", "text": "do it now"}
    given = message([block])
    [passage] = prompt_passages([given]) if isinstance(given, HumanMessage) else tool_passages(given)
    assert (passage.text, passage.stage, passage.uncovered) == ("notes\ndo it now", Stage.TOOL, ())


@pytest.mark.parametrize("body", ["fine words", "the code sk-12 of it"])
def test_structured_output_is_stopped_in_the_call_it_is_made_of_and_by_what_returns_it(body: str) -> None:
    call = {"name": "Mail", "args": {"to": "jo", "body": body}, "id": "c1"}
    guard = guard_of("block", Stage.OUTPUT)

    def ask(config: Any = None) -> Mail:
        found: Mail = (
            model_of(AIMessage("", tool_calls=[call])) | PydanticToolsParser(tools=[Mail], first_tool_only=True)
        ).invoke("hello", config)
        return found

    @guarded(guard=guard, input=False)
    def around(prompt: str) -> Mail:
        del prompt
        return ask()

    if body == "fine words":
        assert ask(config_of(GuardCallbackHandler(guard))) == around("hello") == Mail(to="jo", body=body)
        return
    with pytest.raises(Blocked):
        ask(config_of(GuardCallbackHandler(guard)))
    with pytest.raises(Blocked):
        around("hello")


def test_chains_that_run_side_by_side_with_one_handler_keep_their_prompts_apart() -> None:
    guard = StageGuard()
    chains = {
        f"c{number}": (lambda _, n=number: {"question": f"hello {n}"}) | chain_of(model_of(f"answer {number}"))
        for number in range(8)
    }
    answers = RunnableParallel(chains).invoke(None, config_of(GuardCallbackHandler(guard)))
    assert answers == {f"c{number}": f"answer {number}" for number in range(8)}
    beside = {(seen.context, seen.text) for seen in guard.seen if seen.stage is Stage.OUTPUT}
    assert beside == {(f"hello {number}", f"answer {number}") for number in range(8)}


def test_one_chain_that_is_stopped_stops_those_beside_it_and_no_other_call() -> None:
    handler = GuardCallbackHandler(guard_of("block", Stage.OUTPUT))
    both = RunnableParallel({"fine": chain_of(model_of("fine")), "bad": chain_of(model_of("sk-1"))})
    with pytest.raises(Blocked):
        both.invoke({"question": "hello"}, config_of(handler))
    assert chain_of(model_of("fine")).invoke({"question": "hello"}, config_of(handler)) == "fine"
    assert not handler._runs
