"""Actions in LangChain: a callback can only stop; ``@guarded`` around ``invoke`` can do all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked
from guardsdk.verdict import Stage
from tests.acting import ActingGuard, guard_of, principle
from tests.integrations.chains import Handler, chain_of, config_of, model_of, with_either

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

IN, OUT = Stage.INPUT, Stage.OUTPUT


@with_either
@pytest.mark.parametrize("stage", [IN, OUT])
@pytest.mark.parametrize("action", ["redact", "replace", "revise", "review", "block"])
async def test_a_callback_stops_at_whatever_may_not_pass_as_it_is(
    handler_type: type[Handler], action: str, stage: Stage
) -> None:
    if action == "revise" and stage is IN:
        return
    model = model_of("the code sk-1")
    guard = guard_of(action, stage, reviewer=lambda item: item.open)
    with pytest.raises(Blocked) as caught:
        await chain_of(model).ainvoke({"question": "is it sk-1?"}, config_of(handler_type(guard)))
    assert caught.value.verdict.action == action
    assert len(model.called) == (0 if stage is IN else 1)


@with_either
async def test_a_callback_lets_flags_and_shadows_pass(handler_type: type[Handler]) -> None:
    for guard in (guard_of("flag", IN, OUT), guard_of("block", IN, OUT, shadow=True)):
        chain = chain_of(model_of("the code sk-1"))
        assert await chain.ainvoke({"question": "is it sk-1?"}, config_of(handler_type(guard))) == "the code sk-1"


def test_guarded_redacts_the_question_of_a_chain_and_restores_its_answer() -> None:
    seen: list[str] = []

    def answer(messages: Any) -> str:
        seen.append(messages.to_messages()[-1].content)
        return f"You said {seen[-1]}"

    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableLambda

    chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | RunnableLambda(answer)
    ask = guarded(guard=guard_of("redact", IN), prompt="input", extract_prompt=lambda given: given["question"])(
        chain.invoke
    )
    assert ask({"question": "is it sk-123?"}) == "You said is it sk-123?"
    assert seen[0].startswith("is it [CODE_1_")


async def test_guarded_revises_and_redacts_the_messages_of_a_model() -> None:
    model = model_of("plan b", AIMessage("sk-1 it is", id="7"))
    guard = ActingGuard(principle("revise", OUT, label="plan"), principle("redact", OUT))
    messages: list[BaseMessage] = [SystemMessage("Be kind."), HumanMessage("hello")]
    answer = await guarded(guard=guard)(model.ainvoke)(messages)
    assert (answer.content, answer.id) == ("[CODE_1] it is", "7")
    assert model.called == [2, 3]
    assert len(messages) == 2
