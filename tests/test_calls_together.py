"""What a tool is told in several calls of one answer: an order split over them is in none of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked
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


WHOLE = [chat, responses, messages]
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
