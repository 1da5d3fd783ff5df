"""Words in a field that is known, in a type that nobody expects there."""

from __future__ import annotations

import functools
from collections import UserList, deque
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace as Thing
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from pydantic import BaseModel

from guardsdk import guarded
from guardsdk.errors import InputTypeError
from guardsdk.extract.turns import turns_of
from guardsdk.extract.words import leaves
from tests.unexpected import H, blocks, guard_of, read_of, streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from guardsdk import Guard


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    with guard_of(tmp_path_factory.mktemp("tiny") / "model") as made:
        yield made


@pytest.mark.parametrize(
    "value",
    [
        {"delta": H, "done": False},
        {"delta": H, "done": True},
        {"choices": [{"index": 0, "delta": H}]},
        {"choices": [{"index": 0, "delta": [H]}]},
        {"choices": [{"index": 0, "delta": {H}}]},
        {"choices": [{"index": 0, "delta": H.encode()}]},
    ],
)
def test_a_delta_that_is_no_message_is_read_or_refused(guard: Guard, value: Any) -> None:
    blocks(guard, value)


@pytest.mark.parametrize(
    "around",
    [
        lambda text: {"done": True, "message": text},
        lambda text: {"done": 3, "message": [text], "text": "Fine."},
        lambda text: {"choices": [{"message": text}, {"message": "Left."}]},
        lambda text: {"choices": [{"delta": [text]}], "question": "Which way?"},
        lambda text: {"type": "text", "value": text},
        lambda text: {"field": {"type": "text", "label": text}},
        lambda text: {"fields": [{"type": "text", "label": "Name"}, {"type": "text", "label": text}]},
    ],
)
def test_data_that_has_a_field_called_like_one_of_an_answer_is_data(
    guard: Guard, around: Callable[[str], dict[str, Any]]
) -> None:
    blocks(guard, around(H))
    fine = around("A fine day.")

    @guarded(guard=guard)
    def ask(prompt: str) -> object:
        return fine if prompt else None

    assert ask("A note, please.") == fine


def test_deltas_that_are_texts_are_stretches_of_one() -> None:
    assert streamed(*({"delta": one, "done": False} for one in ("What an ins", "ult", " this is."))) == [H]
    assert streamed({"delta": 3, "done": False}, {"choices": [{"delta": {}}]}) == [""]
    with pytest.raises(InputTypeError, match=r"builtins\.list cannot be screened"):
        streamed({"delta": [H], "done": False})


def test_an_answer_whose_delta_is_a_text_passes_as_it_is(guard: Guard) -> None:
    chunks = [{"delta": "A fine day.", "done": True}]
    assert list(guard.stream(chunks, prompt="Hi")) == chunks


@pytest.mark.parametrize("content", [{"text": H}, Thing(text=H), H.encode(), {H}])
@pytest.mark.parametrize("role", ["assistant", "user", "tool"])
def test_content_that_is_neither_text_nor_parts_is_refused_in_any_turn(role: str, content: object) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": role, "content": content}]
    with pytest.raises(InputTypeError, match=r"^messages\[1\]: .* cannot be screened; give what it says as text"):
        turns_of(messages, screen_system=False)


def test_an_assistants_turn_without_content_is_none_to_refuse() -> None:
    calls = [{"id": "1", "function": {"name": "f", "arguments": '{"a": "b c"}'}}]
    turns = turns_of([{"role": "assistant", "content": None, "tool_calls": calls}], screen_system=False)
    assert [turn.passage.text for turn in turns] == ["b c"]


FINE = {"role": "assistant", "content": "Fine."}
ODD_CALLS: dict[str, dict[str, Any]] = {
    "text": {"tool_calls": H},
    "list of texts": {"tool_calls": [H]},
    "mapping": {"tool_calls": {"a": {"args": H}}},
    "lists": {"tool_calls": [[H]]},
    "invalid": {"invalid_tool_calls": H},
    "pieces": {"tool_call_chunks": H},
    "legacy": {"function_call": H},
    "function": {"tool_calls": [{"function": H}]},
    "custom beside a function": {"tool_calls": [{"function": {"arguments": "{}"}, "custom": {"input": H}}]},
    "result": {"tool_calls": [{"args": {}, "result": deque([H])}]},
    "beside pieces": {"tool_call_chunks": [{"args": "{}"}], "tool_calls": [{"name": "x", "args": {"b": H}}]},
    "more than others": {"additional_kwargs": {"tool_calls": [{"function": {"arguments": f'{{"b": "{H}"}}'}}]}},
    "legacy twice": {"function_call": {"arguments": "{}"}, "additional_kwargs": {"function_call": {"arguments": H}}},
    "content": {"additional_kwargs": {"content": H}},
    "kwargs": {"additional_kwargs": H},
    "thoughts": {"reasoning": {H}},
}


@pytest.mark.parametrize("name", ODD_CALLS)
def test_calls_of_an_odd_shape_are_read_or_refused(guard: Guard, name: str) -> None:
    message = {**FINE, **ODD_CALLS[name]}
    blocks(guard, message)
    blocks(guard, {"choices": [{"index": 0, "delta": message}]})
    with pytest.raises(InputTypeError) if name == "kwargs" else nullcontext():
        assert not guard.check_messages([{"role": "user", "content": "Hi"}, message])


def test_calls_that_langchain_tells_several_times_are_read_once() -> None:
    written = '{"to": "a \\"b\\" \\u00e9\\ud83d\\ude00 c", "lines": ["one two", "three\\nfour"]}'
    pieces = [
        tool_call_chunk(name=None if at else "send", args=written[at : at + 9], id="1", index=0)
        for at in range(0, len(written), 9)
    ]
    chunks = [
        AIMessageChunk(
            content="",
            tool_call_chunks=[piece],
            additional_kwargs={
                "tool_calls": [
                    {
                        "index": 0,
                        "id": "1",
                        "function": {"arguments": piece["args"], "name": "send"},
                        "type": "function",
                    }
                ]
            },
        )
        for piece in pieces
    ]
    said = 'a "b" é😀 c\none two\nthree\nfour'
    assert streamed(*chunks) == [said]
    whole = functools.reduce(lambda one, other: one + other, chunks)
    for cut in range(1, len(chunks) + 1):
        so_far = functools.reduce(lambda one, other: one + other, chunks[:cut])
        assert len(streamed(so_far)) == 1
    assert streamed(whole) == [said]
    assert streamed(AIMessage(content="", tool_calls=whole.tool_calls, additional_kwargs=whole.additional_kwargs)) == [
        said
    ]


@dataclass
class Reply:
    subject: str
    body: str

    def to_dict(self) -> dict[str, str]:
        return {"subject": self.subject}


@dataclass
class Note:
    body: str

    def tolist(self) -> list[str]:
        return []


class Answered(BaseModel):
    subject: str
    body: str

    def to_dict(self) -> dict[str, str]:
        return {"subject": self.subject}


@pytest.mark.parametrize("value", [Reply("Re", H), Note(H), Answered(subject="Re", body=H)])
def test_a_record_is_read_by_its_fields_whatever_it_says_it_is(guard: Guard, value: object) -> None:
    blocks(guard, value)
    assert H in leaves({"note": value})


class Slotted:
    __slots__ = ("said",)

    def __init__(self, said: object) -> None:
        self.said = said


class Plain:
    def __init__(self, said: object) -> None:
        self.said = said
        self._kept = "It is nobody's business."


BESIDE: dict[str, dict[str, Any]] = {
    "files": {"files": [{"text": H}]},
    "images": {"meta": {"images": [{"alt": H}]}},
    "audio": {"meta": {"deeper": {"audio": {"transcript": H}}}},
    "deque": {"notes": deque([H])},
    "list of the standard library": {"notes": UserList([H])},
    "values": {"notes": {"a": H}.values()},
    "namespace": {"notes": Thing(inner=Thing(said=H))},
    "object": {"notes": Plain([H])},
    "object with slots": {"notes": Slotted(Plain(H))},
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_an_answer_is_read_in_any_field_and_type(guard: Guard, name: str) -> None:
    if name != "files":  # those of a message itself are refused
        blocks(guard, {**FINE, **BESIDE[name]})
    blocks(guard, {"choices": [{"message": FINE}], **BESIDE[name]})
    prompt = [{"role": "user", "content": "Hi", "attachments": BESIDE[name]}]
    assert [turn.passage.text for turn in turns_of(prompt, screen_system=False)] == [H, "Hi"]


def test_what_cannot_be_screened_is_named_and_objects_keep_what_is_theirs() -> None:
    messages = [{"role": role, "content": "Hi", "images": [{"alt": "a b"}]} for role in ("user", "assistant")]
    for turn in turns_of(messages, screen_system=False):
        assert (turn.passage.text, turn.passage.uncovered) == ("Hi", ("images",))
    kept: list[object] = [Plain(None), range(3), 3.5, b"by te", date(2026, 1, 1), ValueError, len, Thing()]
    assert read_of({**FINE, "kept": kept}, data=False) == "Fine."
    me = Plain(None)
    me.said = me
    assert read_of({**FINE, "kept": me}, data=False) == "Fine."
