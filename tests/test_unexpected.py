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
from openai.types.responses import Response
from pydantic import BaseModel

from guardsdk import Guard, Policy, Principle, Stage, guarded
from guardsdk.errors import Blocked, InputTypeError
from guardsdk.extract import ResponseText
from guardsdk.extract.chunks import pieces_of
from guardsdk.extract.turns import turns_of
from guardsdk.extract.words import leaves
from tests.tiny import write_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

H = "What an insult this is."


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    """Return one that blocks "insult" in an answer."""
    labels = {Stage.INPUT: "prompt_injection", Stage.OUTPUT: "toxicity"}
    principles = tuple(
        Principle(id=stage.value, text="t", label=label, stages=(stage,), threshold=0.5)
        for stage, label in labels.items()
    )
    with Guard(
        Policy(name="words", version="1", principles=principles),
        models=write_model(tmp_path_factory.mktemp("tiny") / "model"),
        providers="cpu",
        observers=(),
    ) as made:
        yield made


def read_of(value: object, *, data: bool = True) -> str:
    """Return all that is read of an answer."""
    response = ResponseText(data=data)
    response.add(value)
    return "\n".join(response.texts())


def streamed(*chunks: object) -> list[str]:
    response = ResponseText()
    for chunk in chunks:
        response.add(chunk)
    return response.texts()


def blocks(guard: Guard, value: object) -> None:
    """Assert that ``value`` is delivered neither as an answer nor as a chunk."""

    @guarded(guard=guard)
    def ask(prompt: str) -> object:
        return value if prompt else None

    with pytest.raises((Blocked, InputTypeError)):
        ask("A note, please.")
    with pytest.raises((Blocked, InputTypeError)):
        list(guard.stream([value], prompt="A note, please."))


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


FINE_PARTS = {"role": "model", "parts": [{"text": "Fine."}]}
OF_GOOGLE: dict[str, dict[str, Any]] = {
    "code": {"text": "Fine.", "executable_code": H},
    "code by its other name": {"text": "Fine.", "executableCode": {"code": {"lines": [H]}}},
    "output": {"code_execution_result": {"output": [H]}},
    "transcription": {"audio_transcription": H},
    "call": {"text": "Fine.", "function_call": H},
    "calls": {"function_call": [H]},
    "stretches": {"function_call": {"name": "f", "partial_args": H}},
    "stretch": {"function_call": {"name": "f", "partial_args": [{"string_value": [H]}]}},
    "result": {"function_response": H},
    "parts of a result": {"function_response": {"response": {}, "parts": [{"text": H}]}},
    "texts of a result": {"function_response": {"response": {}, "parts": [H]}},
    "part of a result": {"function_response": {"response": {}, "parts": {"a": H}}},
    "file of a result": {"function_response": {"response": {}, "parts": [{"inline_data": H}]}},
    "beside parts": {"candidates": [{"content": {**FINE_PARTS, "note": H}}]},
    "search": {"candidates": [{"content": FINE_PARTS, "grounding_metadata": H}]},
    "grades": {"candidates": [{"content": FINE_PARTS, "safety_ratings": H}]},
    "code of a candidate": {"candidates": [{"content": {"role": "model", "parts": [{"executable_code": H}]}}]},
}


@pytest.mark.parametrize("name", OF_GOOGLE)
def test_what_seems_to_be_googles_by_its_names_is_read_or_refused(guard: Guard, name: str) -> None:
    blocks(guard, OF_GOOGLE[name])


def converse(*blocks: object, **more: object) -> dict[str, Any]:
    return {"output": {"message": {"role": "assistant", "content": list(blocks)}}, **more}


OF_AMAZON: dict[str, dict[str, Any]] = {
    "usage": {"metadata": {"usage": H}},
    "usage inside": {"metadata": {"usage": {"a": H}}},
    "trace": {"metadata": {"trace": H}},
    "end": {"messageStop": {"stopReason": H}},
    "reasoning of a chunk": {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": H}}},
    "thought of a chunk": {"contentBlockDelta": {"delta": {"reasoningContent": {"text": [H]}}}},
    "beside the input of a chunk": {"contentBlockDelta": {"delta": {"toolUse": {"input": "", "note": H}}}},
    "answer's usage": converse({"text": "Fine."}, usage=H),
    "answer's end": converse({"text": "Fine."}, stopReason=H),
    "call": converse({"toolUse": H}),
    "beside a call": converse({"toolUse": {"name": "f", "input": {}, "note": H}}),
    "reasoning": converse({"reasoningContent": H}),
    "reasoning inside": converse({"reasoningContent": {"reasoningText": H}}),
    "beside reasoning": converse({"reasoningContent": {"reasoningText": {"text": "So.", "note": H}}}),
    "result": converse({"toolResult": {"content": H}}),
    "results": converse({"toolResult": {"content": {"a": H}}}),
    "beside a result": converse({"toolResult": {"content": [], "note": H}}),
    "quoted": converse({"citationsContent": {"content": H}}),
    "quotes": converse({"citationsContent": {"content": [{"txt": H}]}}),
    "point": converse({"cachePoint": H}),
    "beside a point": converse({"cachePoint": {"type": "default", "note": H}}),
}


@pytest.mark.parametrize("name", OF_AMAZON)
def test_what_seems_to_be_amazons_by_its_names_is_read_or_refused(guard: Guard, name: str) -> None:
    blocks(guard, OF_AMAZON[name])


def test_what_google_and_amazon_say_of_their_answers_is_no_text() -> None:
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7, "cacheDetails": [{"ttl": "5m", "inputTokens": 1}]}
    about = {
        "stopReason": "end_turn",
        "usage": usage,
        "metrics": {"latencyMs": 3},
        "serviceTier": {"type": "default"},
        "performanceConfig": {"latency": "standard"},
        "trace": {"guardrail": {"modelOutput": ["It is his words again."]}},
    }
    http = {"HTTPHeaders": {"date": "Sun, 29 Nov 2026 12:00:00 GMT"}, "RetryAttempts": 0}
    assert read_of(converse({"text": "Fine."}, **about, ResponseMetadata=http)) == "Fine."
    assert streamed({"metadata": {name: said for name, said in about.items() if name != "stopReason"}}) == [""]
    signed = {"reasoningText": {"text": "So it is.", "signature": "abc="}}
    call = {"toolUseId": "t1", "name": "look_up", "input": {"q": "the weather"}, "type": "server_tool_use"}
    point = {"type": "default", "ttl": "5m"}
    said = read_of(converse({"reasoningContent": signed}, {"toolUse": call}, {"cachePoint": point}), data=False)
    assert said == "So it is.\nthe weather"
    ratings = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}]
    assert read_of({"candidates": [{"content": FINE_PARTS, "safetyRatings": ratings}]}) == "Fine."


OF_RESPONSES: dict[str, dict[str, Any]] = {
    "beside the output": {"object": "response", "output": [], "note": H},
    "settings of a text": {"object": "response", "output": [], "text": H},
    "figures": {"object": "response", "output": [], "usage": H},
    "error": {"object": "response", "output": [], "error": {"message": H}},
    "result": {"type": "function_call_output", "call_id": "1", "output": {"r": H}},
    "reasoning": {"type": "reasoning", "content": {"steps": [H]}},
    "thing of reasoning": {"type": "reasoning", "content": Thing(steps=[H])},
    "steps": {"type": "reasoning", "content": [{"step": H}]},
    "beside a step": {"type": "reasoning", "summary": [{"type": "summary_text", "text": "So.", "note": H}]},
    "search": {"type": "web_search_call", "action": H},
    "searches": {"type": "web_search_call", "action": [H]},
    "beside a thought": {"role": "assistant", "content": [{"type": "thinking", "thinking": "So.", "note": H}]},
    "found": {"role": "assistant", "content": [{"type": "web_search_tool_result", "content": [[H]]}]},
    "state": {"type": "response.completed", "response": {"output": [], "note": H}},
    "text of a state": {"type": "response.completed", "response": {"output": [], "output_text": H}},
    "output of a state": {"type": "response.completed", "response": {"output": {"a": {"content": H}}}},
    "text for a state": {"type": "response.completed", "response": H},
    "item": {"type": "response.output_item.done", "output_index": 0, "item": {"type": "reasoning", "content": [[H]]}},
}


@pytest.mark.parametrize("name", OF_RESPONSES)
def test_what_stands_in_a_response_where_nobody_expects_it_is_read_or_refused(guard: Guard, name: str) -> None:
    blocks(guard, OF_RESPONSES[name])


def response(**more: object) -> dict[str, Any]:
    said = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    text = {"type": "output_text", "text": "Fine.", "annotations": []}
    return {
        "id": "r1",
        "object": "response",
        "created_at": 1.0,
        "status": "completed",
        "model": "m",
        "output": [{**said, "content": [text]}],
        "instructions": "Say what it is.",
        "metadata": {"for": "his own use"},
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True, "description": "Does it all."}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "description": "One of its kind."}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "incomplete_details": {"reason": "max_output_tokens"},
        "prompt": {"id": "p", "variables": {"who": "an old friend"}},
        "truncation": "disabled",
        "user": "Ann of the shop",
        **more,
    }


@pytest.mark.parametrize("make", [dict, Response.model_validate])
def test_what_a_response_was_asked_with_is_no_word_of_the_models(make: Callable[[Any], object]) -> None:
    answer = make(response())
    assert read_of(answer) == read_of(answer, data=False) == "Fine."
    kinds = ("created", "in_progress", "completed")
    states = [{"type": f"response.{kind}", "sequence_number": at, "response": answer} for at, kind in enumerate(kinds)]
    assert streamed(*states) == ["Fine."]
    noted = make(response(note="It is so."))
    assert streamed(*({**state, "response": noted} for state in states)) == ["Fine.", "It is so."]
    assert not any(piece.loose for piece in pieces_of(states[0], None))


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
