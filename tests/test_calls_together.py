"""What a tool is told in several calls of one answer: an order split over them is in none of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked
from guardsdk.parts.conversation import Place
from guardsdk.verdict import Stage
from tests.acting import guard_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SPLIT = ("first the plan", "bombs away")


def written(text: str) -> str:
    return json.dumps({"text": text})


def chat(*texts: str) -> dict[str, Any]:
    calls = [{"id": text, "function": {"name": "f", "arguments": written(text)}} for text in texts]
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": calls}}]}


def responses(*texts: str) -> dict[str, Any]:
    items = [{"type": "function_call", "name": "f", "arguments": written(text)} for text in texts]
    return {"object": "response", "output": items}


def messages(*texts: str) -> dict[str, Any]:
    blocks = [{"type": "tool_use", "name": "f", "input": {"text": text}} for text in texts]
    return {"type": "message", "role": "assistant", "content": blocks}


def chunks(*texts: str) -> list[dict[str, Any]]:
    return [
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}}]}
        for index, text in enumerate(texts)
        for piece in written(text)
    ]


def whole_calls(*texts: str) -> list[dict[str, Any]]:
    """Chunks with whole calls, as Ollama gives them."""
    return [
        {"message": {"role": "assistant", "content": "", "tool_calls": [{"function": {"arguments": {"text": text}}}]}}
        | {"done": False}
        for text in texts
    ]


def response_events(*texts: str) -> list[dict[str, Any]]:
    deltas = [
        {"type": "response.function_call_arguments.delta", "output_index": index, "delta": piece}
        for index, text in enumerate(texts)
        for piece in written(text)
    ]
    return [*deltas, {"type": "response.completed", "response": responses(*texts)}]


def message_events(*texts: str) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_delta", "index": index, "delta": {"type": "input_json_delta", "partial_json": piece}}
        for index, text in enumerate(texts)
        for piece in written(text)
    ]


def chat_history(*texts: str) -> list[dict[str, Any]]:
    return [chat(*texts)["choices"][0]["message"]]


def responses_history(*texts: str) -> list[dict[str, Any]]:
    """The items of an answer, each a message of the list, with reasoning and words between the calls."""
    items: list[dict[str, Any]] = responses(*texts)["output"]
    return [
        items[0],
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "And"}]},
        *items[1:],
    ]


def messages_history(*texts: str) -> list[dict[str, Any]]:
    return [messages(*texts)]


def separate_history(*texts: str) -> list[dict[str, Any]]:
    """A message for each call."""
    return [message for text in texts for message in chat_history(text)]


WHOLE = [chat, responses, messages]
HISTORIES = [chat_history, responses_history, messages_history, separate_history]
STREAMED = [chunks, whole_calls, response_events, message_events]


@pytest.mark.parametrize("make", WHOLE)
def test_an_order_split_over_the_calls_of_an_answer_is_held_back(make: Callable[..., dict[str, Any]]) -> None:
    @guarded(guard=guard_of("block", Stage.OUTPUT, label="split"), input=False)
    def ask(*texts: str) -> dict[str, Any]:
        return make(*texts)

    for text in SPLIT:
        assert ask(text) == make(text)
    assert ask(*SPLIT[::-1]) == make(*SPLIT[::-1])
    with pytest.raises(Blocked):
        ask(*SPLIT)


@pytest.mark.parametrize("make", STREAMED)
def test_an_order_split_over_the_calls_of_a_stream_is_held_back(make: Callable[..., list[dict[str, Any]]]) -> None:
    guard = guard_of("block", Stage.OUTPUT, label="split")

    def ask(*texts: str) -> Iterator[dict[str, Any]]:
        yield from make(*texts)

    for texts in (SPLIT[:1], SPLIT[1:], SPLIT[::-1]):
        assert list(guard.stream(ask(*texts))) == make(*texts)
    out: list[dict[str, Any]] = []
    with pytest.raises(Blocked):
        out.extend(guard.stream(ask(*SPLIT)))
    assert out == []


def test_the_calls_together_decide_only_by_what_lies_in_several() -> None:
    guard = guard_of("flag", Stage.OUTPUT, label="word")
    stream = guard.stream(response_events(*SPLIT))
    list(stream)
    assert stream.verdict is not None
    assert len(stream.verdict.findings) == 1
    assert stream.checks == 3


def test_the_same_call_made_twice_is_read_once() -> None:
    guard = guard_of("block", Stage.OUTPUT, label="split")
    stream = guard.stream(response_events("bombs of a plan", "bombs of a plan"))
    assert len(list(stream)) == len(response_events("bombs of a plan", "bombs of a plan"))


@pytest.mark.parametrize("make", HISTORIES)
def test_an_order_split_over_the_calls_of_an_answer_in_a_message_list_is_found(
    make: Callable[..., list[dict[str, Any]]],
) -> None:
    guard = guard_of("block", Stage.OUTPUT, label="split")
    asked = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go on."}]
    for texts in (SPLIT[:1], SPLIT[1:], SPLIT[::-1]):
        assert guard.check_messages([*asked, *make(*texts)])
    found = guard.check_messages([*asked, *make(*SPLIT), {"role": "user", "content": "Thanks."}])
    assert (found.allowed, found.principle_id) == (False, "block-split")
    assert [turn.verdict.allowed for turn in found.turns] == [True] * len(found.turns)
    assert [verdict.allowed for verdict in found.calls] == [False]
    (finding,) = found.findings
    assert finding.together
    last = len(make(*SPLIT)) + 1
    assert finding.places == (
        Place(message=2, part=None, start=len("first the "), end=len(SPLIT[0])),
        Place(message=last, part=None, start=0, end=len("bombs")),
    )
    outputs = [around for around in guard.around if around.prompt == "Go on."]
    assert len({around.system for around in outputs}) == 1  # of the calls read together too


def test_calls_of_two_answers_are_not_one_text() -> None:
    """What a tool gave back, or the user said, stands between them; each answer has its own."""
    guard = guard_of("block", Stage.OUTPUT, label="split")
    call = {"type": "function_call", "name": "f"}
    back = {"type": "function_call_output", "output": "done"}
    history = [{"role": "user", "content": "Go on."}]
    for text in SPLIT:
        history += [call | {"arguments": written(text)}, back]
    found = guard.check_messages(history)
    assert found
    assert found.calls == ()
    twice = [call | {"arguments": written(text)} for text in SPLIT] + [back]
    assert [one.allowed for one in guard.check_messages([*twice, history[0], *twice]).calls] == [False, False]


def test_an_empty_message_of_a_tool_stands_between_two_answers_too() -> None:
    guard = guard_of("block", Stage.OUTPUT, label="split")
    between: dict[str, Any] = {"role": "tool", "content": []}
    assert guard.check_messages([*chat_history(SPLIT[0]), between, *chat_history(SPLIT[1])])


def test_in_a_message_list_the_calls_together_decide_only_by_what_lies_in_several() -> None:
    found = guard_of("flag", Stage.OUTPUT, label="word").check_messages(chat_history(*SPLIT))
    assert [len(verdict.findings) for verdict in found.calls] == [1]
    assert [finding.together for finding in found.findings] == [False]


def test_the_calls_of_a_langchain_message_are_one_text_too() -> None:
    guard = guard_of("block", Stage.OUTPUT, label="split")
    calls = [{"name": "f", "args": {"text": text}, "id": text} for text in SPLIT]
    assert not guard.check_messages([AIMessage("", tool_calls=calls)])
    assert guard.check_messages([AIMessage("", tool_calls=calls[::-1])])
