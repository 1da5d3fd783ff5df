"""Agents of the ``langchain`` package under a handler: what their tools give and their models say is screened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, tool

from guardsdk import Blocked
from guardsdk.integrations.langchain import GuardCallbackHandler
from tests.integrations.agents import (
    ATTACK,
    QUESTION,
    TOXIC,
    agent_of,
    atext,
    command,
    data,
    fine,
    text,
    with_artifact,
)

if TYPE_CHECKING:
    from guardsdk import Guard


def test_an_agent_that_does_nothing_wrong_answers(guard: Guard) -> None:
    config = {"callbacks": [GuardCallbackHandler(guard)]}
    assert agent_of(fine, "It is Lisbon.").invoke(QUESTION, config)["messages"][-1].content == "It is Lisbon."


@pytest.mark.parametrize("used", [text, data, with_artifact, command], ids=lambda used: used.name)
@pytest.mark.parametrize("mode", ["updates", "values"])
def test_orders_in_a_tool_result_stop_the_agent_before_the_model_sees_them(
    guard: Guard, used: BaseTool, mode: str
) -> None:
    out: list[Any] = []
    with pytest.raises(Blocked) as caught:
        out.extend(
            agent_of(used, "Done.").stream(QUESTION, {"callbacks": [GuardCallbackHandler(guard)]}, stream_mode=mode)
        )
    assert caught.value.verdict.stage == "tool"
    assert ATTACK not in str(out)


@pytest.mark.parametrize("used", [text, atext], ids=lambda used: used.name)
async def test_orders_in_a_tool_result_stop_an_async_call_too(guard: Guard, used: BaseTool) -> None:
    with pytest.raises(Blocked) as caught:
        await agent_of(used, "Done.").ainvoke(QUESTION, {"callbacks": [GuardCallbackHandler(guard)]})
    assert caught.value.verdict.stage == "tool"


@pytest.mark.parametrize(("answer", "argument"), [(TOXIC, "Lisbon"), ("It is Lisbon.", TOXIC)])
def test_what_the_model_says_and_calls_with_stops_the_agent(guard: Guard, answer: str, argument: str) -> None:
    agent = agent_of(fine, answer, argument=argument)
    with pytest.raises(Blocked) as caught:
        agent.invoke(QUESTION, {"callbacks": [GuardCallbackHandler(guard)]})
    assert caught.value.verdict.stage == "output"


def test_the_message_of_a_tool_that_failed_is_checked_before_the_model_sees_it(guard: Guard) -> None:
    @tool
    def fails(term: str) -> str:
        """Look a term up."""
        raise LookupError(ATTACK + term[:0])

    from langchain.agents.middleware import wrap_tool_call

    def told(request: Any, handler: Any) -> Any:
        try:
            return handler(request)
        except LookupError as error:
            return ToolMessage(str(error), tool_call_id=request.tool_call["id"])

    with pytest.raises(Blocked) as caught:
        agent_of(fails, "Done.", middleware=[wrap_tool_call(told)]).invoke(
            QUESTION, {"callbacks": [GuardCallbackHandler(guard)]}
        )
    assert caught.value.verdict.stage == "tool"


def test_what_somebody_answers_an_interrupted_agent_with_is_checked(guard: Guard) -> None:
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    asks = HumanInTheLoopMiddleware(interrupt_on={"fine": True})
    agent = agent_of(fine, "Done.", middleware=[asks], checkpointer=InMemorySaver())
    config = {"callbacks": [GuardCallbackHandler(guard)], "configurable": {"thread_id": "1"}}
    assert "__interrupt__" in agent.invoke(QUESTION, config)
    decision = {"type": "reject", "message": ATTACK}
    with pytest.raises(Blocked) as caught:
        agent.invoke(Command(resume={"decisions": [decision]}), config)
    assert caught.value.verdict.stage == "tool"
