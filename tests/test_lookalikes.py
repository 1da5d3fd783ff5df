"""Answers of the host's that only resemble what a library gives, with words where that has none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from pydantic import BaseModel

from guardsdk import Blocked, guarded
from guardsdk.extract import ResponseText
from guardsdk.verdict import Stage
from tests.acting import guard_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Turn(BaseModel):
    role: str
    content: str
    reset_token: str


WORDS: dict[str, Callable[[str], Any]] = {
    "a signature": lambda words: {"type": "signature", "signature": words},
    "a citation": lambda words: {"type": "citation", "citation": words},
    "what was parsed of nothing": lambda words: {"role": "assistant", "content": "", "parsed": {"answer": words}},
    "what was parsed of something else": lambda words: {
        "role": "assistant",
        "content": '{"a": "b"}',
        "parsed": [words],
    },
    "parsed beside": lambda words: {
        "role": "assistant",
        "content": "hi",
        "additional_kwargs": {"parsed": {"a": words}},
    },
    "an artifact": lambda words: {"role": "assistant", "content": "A note.", "artifact": words},
    "annotations": lambda words: {"type": "text", "text": "A note.", "annotations": [words]},
    "annotations that are one": lambda words: {"type": "text", "text": "A note.", "annotations": words},
    "what was parsed as a string": lambda words: {"role": "assistant", "content": "", "parsed": words},
    "annotations of no kind": lambda words: {"type": "text", "text": "A note.", "annotations": [{"note": words}]},
    "usage": lambda words: {"text": "A note.", "done": True, "usage": words},
    "a key": lambda words: {"role": "assistant", "content": "A note.", words: 1},
    "a private field": lambda words: {"role": "assistant", "content": "A note.", "_note": words},
    "beside parts": lambda words: {"parts": [{"text": "A note."}], "note": words},
    "beside a message of Bedrock's": lambda words: {
        "output": {"message": {"role": "assistant", "content": [{"text": "A note."}]}, "note": words}
    },
    "generation info": lambda words: {"generation_info": {"a": 1}, "answer": words},
}
CODES: dict[str, Callable[[str], Any]] = {
    "a message": lambda code: {"role": "assistant", "content": "hi", "key": code},
    "a message inside": lambda code: {"last": {"role": "assistant", "content": "hi", "keys": [{"of": code}]}},
    "an output text": lambda code: {"output_text": "hi", "key": code},
    "a generation": lambda code: {"text": "hi", "done": True, "key": code},
    "a note": lambda code: {"type": "note", "id": code},
    "an error": lambda code: {"type": "error", "error": {"key": code}},
    "an event": lambda code: {"type": "message_delta", "delta": {"token": code}},
    "a part": lambda code: {"parts": [{"text": "hi"}], "key": code},
    "an answer of Bedrock's": lambda code: {
        "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
        "key": code,
    },
    "a model": lambda code: Turn(role="assistant", content="hi", reset_token=code),
}


def asked(action: str) -> Callable[[object], Any]:
    @guarded(guard=guard_of(action, Stage.OUTPUT), input=False, prompt="answer")
    def ask(answer: object) -> object:
        return answer

    return ask


def texts(answer: object) -> list[str]:
    response = ResponseText(data=True)
    response.add(answer)
    return response.texts()


@pytest.mark.parametrize("make", WORDS.values(), ids=WORDS.keys())
def test_words_in_them_are_read_wherever_they_stand(make: Callable[[str], Any]) -> None:
    fine = make("fine words")
    assert asked("block")(fine) is fine
    with pytest.raises(Blocked):
        asked("block")(make("the code sk-12 of it"))


@pytest.mark.parametrize("make", CODES.values(), ids=CODES.keys())
def test_so_are_single_words_in_fields_that_nobody_knows_and_they_are_cut_out(make: Callable[[str], Any]) -> None:
    assert asked("redact")(make("fine")) == make("fine")
    assert asked("redact")(make("sk-12")) == make("[CODE_1]")


def test_what_was_parsed_of_the_words_is_not_read_twice() -> None:
    class Reply(BaseModel):
        mood: str
        lines: list[str]

    reply = Reply(mood="calm", lines=["All is well.", 'He said "yes".'])
    written = reply.model_dump_json()
    message = {"role": "assistant", "content": written}
    assert texts({**message, "parsed": reply}) == [written]
    assert texts({**message, "parsed": json.loads(written)}) == [written]
    assert texts(AIMessage(written, additional_kwargs={"parsed": reply})) == [written]
    assert texts({"type": "text", "text": written, "parsed": reply}) == [written]
    assert texts({**message, "parsed": {"mood": "calm", "more": "words"}}) == ["calm\nwords", written]


def test_identifiers_of_providers_are_no_words_of_an_answer() -> None:
    message = {
        "id": "msg-1",
        "role": "assistant",
        "content": [{"type": "text", "text": "hi", "citations": [{"type": "page_location", "cited_text": "a page"}]}],
        "model": "gpt-4o-mini",
        "stop_reason": "end_turn",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "Qz9-_" * 60 + "0123456789abcdefghijklmnopqrs"}],
    }
    assert texts(message) == ["hi"]
    assert texts({"type": "signature", "signature": "Eq8=" * 90}) == [""]
    assert texts(ToolMessage("7", tool_call_id="c1", artifact={"rows": ["a row of it"]})) == ["7"]


def test_generation_info_alone_makes_no_generation() -> None:
    assert texts({"generation_info": {"a": 1}, "answer": "x y"}) == ["x y\ngeneration info a"]
