"""One more turn, in the dialect of the prompt."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from types import SimpleNamespace as Thing
from typing import Any

import pytest
from google.genai import types
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompt_values import ChatPromptValue

from guardsdk.calling.revising import with_turn
from guardsdk.extract import prompt_passages


class Turn:
    def __init__(self, role: str, content: str) -> None:
        self.role = role
        self.content = content


@dataclass(frozen=True)
class Frozen:
    role: str
    content: str


class Unwritable:
    role = "user"

    @property
    def content(self) -> str:
        return "hello"


USER = {"role": "user", "content": "hello"}
CASES = {
    "string": ("hello", "hello\n\nAgain."),
    "strings": (["hello"], ["hello", "Again."]),
    "messages": ([USER], [USER, {"role": "user", "content": "Again."}]),
    "after an answer": (
        [USER, {"role": "assistant", "content": "hi"}],
        [USER, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "Again."}],
    ),
    "tuple of messages": ((USER,), (USER, {"role": "user", "content": "Again."})),
    "parts": (
        [{"role": "user", "content": [{"type": "text", "text": "hello", "cache": True}]}],
        [
            {"role": "user", "content": [{"type": "text", "text": "hello", "cache": True}]},
            {"role": "user", "content": [{"type": "text", "text": "Again."}]},
        ],
    ),
    "items of a response": (
        [{"type": "message", "role": "user", "content": "hello"}],
        [
            {"type": "message", "role": "user", "content": "hello"},
            {"type": "message", "role": "user", "content": "Again."},
        ],
    ),
    "pairs": (
        [("system", "Be kind."), ("human", "hello")],
        [("system", "Be kind."), ("human", "hello"), ("human", "Again.")],
    ),
    "contents of Google's": (
        [{"role": "user", "parts": [{"text": "hello"}]}, {"role": "model", "parts": [{"text": "hi"}]}],
        [
            {"role": "user", "parts": [{"text": "hello"}]},
            {"role": "model", "parts": [{"text": "hi"}]},
            {"role": "user", "parts": [{"text": "Again."}]},
        ],
    ),
    "objects of Google's": (
        [types.Content(role="user", parts=[types.Part(text="hello")])],
        [
            types.Content(role="user", parts=[types.Part(text="hello")]),
            types.Content(role="user", parts=[types.Part(text="Again.")]),
        ],
    ),
    "a content without a role": (
        [types.Content(parts=[types.Part(text="hello")])],
        [
            types.Content(parts=[types.Part(text="hello")]),
            types.Content(role="user", parts=[types.Part(text="Again.")]),
        ],
    ),
    "parts of Google's": ([{"text": "hello"}], [{"text": "hello"}, {"text": "Again."}]),
    "the content of one message": (
        [{"type": "input_text", "text": "hello"}, {"type": "input_image", "image_url": "x"}],
        [
            {"type": "input_text", "text": "hello"},
            {"type": "input_image", "image_url": "x"},
            {"type": "input_text", "text": "Again."},
        ],
    ),
    "part objects of Google's": ([types.Part(text="hello")], [types.Part(text="hello"), types.Part(text="Again.")]),
    "dataclasses that cannot be changed": (
        [Frozen("user", "hello")],
        [Frozen("user", "hello"), Frozen("user", "Again.")],
    ),
    "a deque that is full": (
        deque([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hello"}], 2),
        deque(
            [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "hello"},
                {"role": "user", "content": "Again."},
            ]
        ),
    ),
    "only a system message": (
        [{"role": "system", "content": "Be kind."}],
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Again."}],
    ),
}


@pytest.mark.parametrize(("prompt", "expected"), CASES.values(), ids=CASES.keys())
def test_the_message_is_a_turn_of_the_users(prompt: Any, expected: Any) -> None:
    before = repr(prompt)
    assert with_turn(prompt, "Again.") == expected
    assert repr(prompt) == before
    assert "Again." in prompt_passages(expected)[-1].text


def test_langchain_messages_get_one_of_their_kind() -> None:
    messages = [SystemMessage("Be kind."), HumanMessage("hello", id="1"), AIMessage("hi")]
    revised = with_turn(messages, "Again.")
    assert revised == [*messages, HumanMessage("Again.")]
    assert revised[-1].id is None
    prompt = ChatPromptValue(messages=messages)
    assert with_turn(prompt, "Again.") == ChatPromptValue(messages=[*messages, HumanMessage("Again.")])


def test_other_objects_are_copied() -> None:
    turns = [Turn("user", "hello"), Turn("assistant", "hi")]
    revised = with_turn(turns, "Again.")
    assert isinstance(revised, list)
    assert [(turn.role, turn.content) for turn in revised] == [
        ("user", "hello"),
        ("assistant", "hi"),
        ("user", "Again."),
    ]


UNKNOWN = [
    None,
    7,
    {"ask": "hello"},
    [],
    [Turn("assistant", "hi")],
    [Unwritable()],
    [Thing(role="user", text="hello")],
    object(),
]


@pytest.mark.parametrize("prompt", UNKNOWN)
def test_what_nobody_knows_the_shape_of_gets_none(prompt: object) -> None:
    assert with_turn(prompt, "Again.") is None
