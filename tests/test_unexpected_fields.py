"""Words in fields of Google, Amazon and the Responses API, in a type that nobody expects there."""

from __future__ import annotations

from types import SimpleNamespace as Thing
from typing import TYPE_CHECKING, Any

import pytest
from openai.types.responses import Response

from guardsdk.errors import InputTypeError
from guardsdk.extract.chunks import pieces_of
from guardsdk.extract.turns import turns_of
from tests.unexpected import H, blocks, guard_of, read_of, streamed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from guardsdk import Guard


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    with guard_of(tmp_path_factory.mktemp("tiny") / "model") as made:
        yield made


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


@pytest.mark.parametrize(
    "part",
    [
        {"executable_code": H},
        {"text": "Fine.", "function_call": [H]},
        {"text": "Fine.", "inline_data": H},
        {"function_response": H},
    ],
)
def test_so_it_is_in_a_conversation(part: dict[str, object]) -> None:
    with pytest.raises(InputTypeError):
        list(turns_of([{"role": "user", "parts": [part]}], screen_system=False))
    (turn,) = turns_of([{"role": "model", "parts": [part]}], screen_system=False)
    assert H in turn.passage.text


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
