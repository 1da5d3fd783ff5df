"""Actions in agents of the ``langchain`` package: the middleware carries all of them out, in copies of the messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from guardsdk.errors import Blocked, DecorationError
from guardsdk.verdict import Stage
from tests.acting import ActingGuard, guard_of, principle
from tests.integrations.agents import Model, agent_of, agents, call_of, contents, fine, in_both_ways, said_by, under

if TYPE_CHECKING:
    from guardsdk.reviewing import ReviewItem

IN, TOOL, OUT = Stage.INPUT, Stage.TOOL, Stage.OUTPUT
ASKED: dict[str, Any] = {"messages": [("user", "is it sk-123?")]}
METADATA: dict[str, Any] = {
    "id": "said",
    "usage_metadata": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
    "response_metadata": {"model_name": "m", "logprobs": {"content": ["sk-123"]}},
}


@tool
def send(term: str) -> str:
    """Send something."""
    SENT.append(term)
    return f"sent {term}"


SENT: list[str] = []


class Mail(BaseModel):
    to: str
    body: str


@in_both_ways
async def test_values_are_cut_out_for_the_model_and_come_back_in_what_it_says_and_calls_with(awaited: bool) -> None:
    SENT.clear()
    seen: list[Any] = []

    class Echo(Model):
        """Sends what the user wrote, and says what the tool gave."""

        def _generate(self, messages: list[Any], *args: Any, **kwargs: Any) -> Any:
            seen.append(contents(messages))
            said = messages[-1].content
            last = isinstance(messages[-1], ToolMessage)
            self.messages = iter([AIMessage(said) if last else AIMessage("", tool_calls=[call_of(send, said)])])
            return super()._generate(messages, *args, **kwargs)

    asked = HumanMessage("is it sk-123?", id="mine", additional_kwargs={"kept": 1})
    agent = agents.create_agent(Echo(messages=iter([])), [send], **under(guard_of("redact", IN, TOOL)))
    said = await said_by(agent, {"messages": [asked]}, awaited=awaited)
    assert "sk-123" not in str(seen)
    assert [prompt[0][:14] for prompt in seen] == ["is it [CODE_1_", "is it [CODE_1_"]
    assert SENT == ["is it sk-123?"]
    assert contents(said) == ["is it sk-123?", "", "sent is it sk-123?", "sent is it sk-123?"]
    assert said[0] == asked == HumanMessage("is it sk-123?", id="mine", additional_kwargs={"kept": 1})


@in_both_ways
@pytest.mark.parametrize(
    "content",
    ["it is sk-123", [{"type": "text", "text": "it is sk-123"}, {"type": "reasoning", "reasoning": "sk-123"}]],
)
async def test_an_answer_is_redacted_with_the_arguments_of_its_calls_and_keeps_the_rest(
    content: Any, awaited: bool
) -> None:
    SENT.clear()
    answer = AIMessage(content, tool_calls=[call_of(send, "to sk-123")], **METADATA)
    before = answer.model_copy(deep=True)
    agent = agents.create_agent(Model(messages=iter([answer, "done"])), [send], **under(guard_of("redact", OUT)))
    _, said, _, _ = await said_by(agent, awaited=awaited)
    assert "sk-123" not in str(said)
    assert (said.text, said.tool_calls[0]["args"]) == ("it is [CODE_1]", {"term": "to [CODE_1]"})
    assert SENT == ["to [CODE_1]"]
    assert (said.id, said.usage_metadata, said.response_metadata) == (
        "said",
        METADATA["usage_metadata"],
        {"model_name": "m"},
    )
    assert (answer.content, answer.tool_calls) == (before.content, before.tool_calls)


async def test_structured_output_is_redacted_wherever_it_stands() -> None:
    from langchain.agents.structured_output import ToolStrategy

    call = {"name": "Mail", "args": {"to": "jo", "body": "the code is sk-123"}, "id": "1"}
    agent = agents.create_agent(
        Model(messages=iter([AIMessage("", tool_calls=[call])])),
        [],
        response_format=ToolStrategy(Mail),
        **under(guard_of("redact", OUT)),
    )
    found = agent.invoke({"messages": [("user", "hello")]})
    assert found["structured_response"] == Mail(to="jo", body="the code is [CODE_1]")
    assert "sk-123" not in str(found)


@in_both_ways
async def test_the_replacement_stands_where_the_text_was(awaited: bool) -> None:
    model = Model(messages=iter(["it is sk-1"]))
    said = await said_by(agents.create_agent(model, **under(guard_of("replace", IN))), ASKED, awaited=awaited)
    assert (contents(said), model.prompts) == (["(withheld)", "Something else."], [])

    answer = AIMessage("it is sk-1", tool_calls=[call_of(send, "it")], **METADATA)
    agent = agents.create_agent(Model(messages=iter([answer])), [send], **under(guard_of("replace", OUT)))
    said = await said_by(agent, ASKED, awaited=awaited)
    assert contents(said) == ["is it sk-123?", "Something else."]
    assert (said[-1].id, said[-1].usage_metadata, said[-1].tool_calls) == ("said", METADATA["usage_metadata"], [])

    computed = under(guard_of("replace", TOOL), on_replace=lambda verdict: f"no {verdict.principle_id}")
    said = await said_by(agent_of(fine, "done", argument="sk-1", **computed), awaited=awaited)
    assert contents(said)[2:] == ["no replace-code", "done"]


async def test_a_tool_result_keeps_its_names_and_nothing_that_says_the_old_words() -> None:
    names: dict[str, Any] = {"tool_call_id": "1", "id": "page", "name": "page", "status": "error"}
    given = ToolMessage("page sk-1", artifact=["sk-1"], additional_kwargs={"of": "sk-1"}, **names)

    @tool
    def page(term: str) -> Any:
        """Find a page."""
        return given if term else None

    said = await said_by(agent_of(page, "done", **under(guard_of("replace", TOOL))))
    assert said[2] == ToolMessage("Something else.", **names)
    assert (given.content, given.artifact) == ("page sk-1", ["sk-1"])


@in_both_ways
async def test_the_model_is_asked_again_and_the_conversation_does_not_hold_the_question(awaited: bool) -> None:
    model = Model(messages=iter(["it is sk-1", "it is a secret"]))
    agent = agents.create_agent(model, system_prompt="Be kind.", **under(guard_of("revise", OUT)))
    said = await said_by(agent, {"messages": [("user", "hello")]}, awaited=awaited)
    assert contents(said) == ["hello", "it is a secret"]
    assert [len(prompt) for prompt in model.prompts] == [2, 3]
    assert "There must be no code." in model.prompts[1][-1].content


@in_both_ways
async def test_a_reviewer_is_asked_once_about_each_text_of_a_conversation(awaited: bool) -> None:
    asked: list[tuple[str, str]] = []

    def review(item: ReviewItem) -> object:
        asked.append((item.verdict.stage.value, item.text))
        return f"{item.text} (read)" if item.verdict.stage is TOOL else True

    calls = [AIMessage("", tool_calls=[call_of(fine, term)]) for term in ("sk-1", "sk-2")]
    options = under(guard_of("review", IN, TOOL), reviewer=review)

    async def run() -> list[Any]:
        agent = agents.create_agent(Model(messages=iter([*calls, "done"])), [fine], **options)
        return await said_by(agent, ASKED, awaited=awaited)

    found = "is the capital."
    once = [("input", "is it sk-123?"), ("tool", f"sk-1 {found}"), ("tool", f"sk-2 {found}")]
    for times in (1, 2):  # another conversation is another matter
        read = [f"sk-1 {found} (read)", "", f"sk-2 {found} (read)"]  # the reviewer's words are final
        assert contents(await run()) == ["is it sk-123?", "", *read, "done"]
        assert asked == once * times
    if awaited:

        async def refuse(item: ReviewItem) -> bool:
            asked.append((item.verdict.stage.value, item.text))
            return False

        agent = agents.create_agent(Model(messages=iter([])), **under(guard_of("review", IN), reviewer=refuse))
        with pytest.raises(Blocked):
            await said_by(agent, ASKED, awaited=True)
        with pytest.raises(DecorationError, match="async"):
            await said_by(agent, ASKED)


async def test_what_is_only_flagged_or_in_the_shadow_passes() -> None:
    for guard in (guard_of("flag", IN, TOOL, OUT), guard_of("block", IN, TOOL, OUT, shadow=True)):
        said = await said_by(agent_of(fine, "it is sk-1", argument="sk-1", **under(guard)), ASKED)
        assert contents(said) == ["is it sk-123?", "", "sk-1 is the capital.", "it is sk-1"]


async def test_tools_that_run_side_by_side_are_settled_each_by_itself() -> None:
    call = AIMessage("", tool_calls=[call_of(fine, term, term) for term in ("sk-1", "Lisbon", "sk-3")])
    guard = ActingGuard(principle("replace", TOOL))
    for awaited in (False, True):
        agent = agents.create_agent(Model(messages=iter([call, "done"])), [fine], **under(guard))
        said = await said_by(agent, awaited=awaited)
        given = {message.tool_call_id: message.content for message in said[2:5]}
        other = "Something else."
        assert given == {"sk-1": other, "Lisbon": "Lisbon is the capital.", "sk-3": other}


MODES: list[dict[str, Any]] = [
    *({"stream_mode": mode} for mode in ("messages", "updates", "values", ["messages", "updates"])),
    {"version": "v3"},
]


@in_both_ways
@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.filterwarnings("ignore:.*experimental")
async def test_nothing_of_an_answer_is_streamed_before_it_was_checked(mode: dict[str, Any], awaited: bool) -> None:
    call = AIMessage("I call with sk-7.", tool_calls=[call_of(fine, "sk-8")])
    agent = agents.create_agent(Model(messages=iter([call, "It is sk-9."])), [fine], **under(guard_of("redact", OUT)))
    asked = {"messages": [("user", "hello")]}
    out: list[Any] = []
    if awaited:
        events = await agent.astream_events(asked, **mode) if "version" in mode else agent.astream(asked, **mode)
        out = [event async for event in events]
    else:
        out = list(agent.stream_events(asked, **mode) if "version" in mode else agent.stream(asked, **mode))
    assert "It is [CODE_1]." in str(out)
    assert "I call with [CODE_1]." in str(out)
    assert "sk-" not in str(out)


async def test_tokens_are_streamed_where_answers_are_not_checked() -> None:
    agent = agents.create_agent(Model(messages=iter(["It is Lisbon."])), **under(guard_of("block", IN), output=False))
    chunks = [chunk.content for chunk, _ in agent.stream({"messages": [("user", "hello")]}, stream_mode="messages")]
    assert [chunk for chunk in chunks if chunk.strip()] == ["It", "is", "Lisbon."]
