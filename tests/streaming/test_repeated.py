"""What chunks say once more where nobody reads it, and what they say as data: values are cut out of both."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from anthropic.lib.streaming import ParsedContentBlockStopEvent
from anthropic.types.parsed_message import ParsedTextBlock
from google.genai import types
from langchain_core.messages import AIMessage, AIMessageChunk
from pydantic import BaseModel

from guardsdk import guarded
from guardsdk.verdict import Stage
from tests.acting import guard_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.streaming.screens import PatternGuard

SECRET = "sk-abcdef123456"  # noqa: S105  no secret of anybody's
LINES = '-----BEGIN KEY-----\n"abc"\n-----END KEY-----'
SAID = f"The key of the house is {SECRET} and that is all."


class Kept(BaseModel):
    key: str


def google(text: str = "", **more: Any) -> types.GenerateContentResponse:
    about = {name: more.pop(name) for name in ("grounding_metadata",) if name in more}
    content = types.Content(role="model", parts=[types.Part(text=text)])
    return types.GenerateContentResponse(candidates=[types.Candidate(content=content, **about)], **more)


def openai(text: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, **more}]}


def grounded(text: str) -> types.GroundingMetadata:
    segment = types.Segment(end_index=len(text), text=text)
    return types.GroundingMetadata(grounding_supports=[types.GroundingSupport(segment=segment)])


def tokens(*texts: str) -> dict[str, Any]:
    return {"content": [{"token": text, "logprob": -0.1} for text in texts]}


CITED = {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": SAID}}
LATER: dict[str, list[Any]] = {
    "parsed by google": [google(SAID), google(" Yes.", parsed=Kept(key=SECRET))],
    "parsed by google, spelled otherwise": [google(json.dumps({"key": LINES})), google(parsed=Kept(key=LINES))],
    "sources of google's": [google(SAID), google(" Ask more.", grounding_metadata=grounded(SAID))],
    "parsed for langchain": [
        AIMessageChunk(content=SAID),
        AIMessageChunk(content="", additional_kwargs={"parsed": Kept(key=SECRET)}),
    ],
    "metadata of langchain's": [
        AIMessageChunk(content=SAID),
        AIMessageChunk(content="", response_metadata={"sources": [SAID]}),
    ],
    "a trace of bedrock's": [
        {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": SAID}}},
        {"metadata": {"usage": {"inputTokens": 1}, "trace": {"guardrail": {"modelOutput": [SAID]}}}},
    ],
    "tokens of openai's": [openai(SAID), openai("", logprobs=tokens(SAID[:30], SAID[30:]))],
    "tokens of langchain's": [
        AIMessageChunk(content=SAID),
        AIMessageChunk(content="", response_metadata={"logprobs": tokens(*SAID)}),
    ],
    "tokens of google's": [
        {"candidates": [{"content": {"role": "model", "parts": [{"text": SAID}]}}]},
        {
            "candidates": [
                {
                    "content": {"role": "model", "parts": [{"text": ""}]},
                    "logprobsResult": {"chosenCandidates": [{"token": one} for one in SAID]},
                }
            ]
        },
    ],
    "a citation of anthropic's": [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": SAID}},
        {"type": "content_block_delta", "index": 0, "delta": CITED},
    ],
    "a field of one's own": [openai(SAID), openai("", trace=SAID.replace(" ", "_"))],
}


@pytest.mark.parametrize("name", LATER)
def test_what_was_cut_out_is_in_no_later_chunk(patterns: PatternGuard, name: str) -> None:
    chunks = LATER[name]
    before = repr(chunks)
    out = list(patterns.stream(chunks))
    assert len(out) == len(chunks)
    said = repr(out)
    assert "VALUE_1" in said
    assert not any(word in said for word in ("abcdef", "'a', 'b', 'c', 'd'", "'b', 'logprob'", "{'token': 'b'}", "abc"))
    assert repr(chunks) == before


def test_a_later_chunk_with_nothing_to_cut_out_is_the_same_object(patterns: PatternGuard) -> None:
    chunks = [
        openai(SAID),
        openai(" So", logprobs=tokens(" ", "So"), trace="nothing"),
        google(" it is.", grounding_metadata=grounded("it is.")),
        {"type": "content.done", "content": "So it is.", "parsed": {"so": "it is"}},
    ]
    out = list(patterns.stream(chunks))
    assert [id(chunk) for chunk in out[1:]] == [id(chunk) for chunk in chunks[1:]]


def test_what_is_parsed_in_the_chunk_of_the_words_goes(patterns: PatternGuard) -> None:
    out: Any
    [out] = patterns.stream([google(json.dumps({"key": LINES}), parsed=Kept(key=LINES))])
    assert (json.loads(out.text), out.parsed) == ({"key": "[VALUE_1]"}, None)


def test_chunks_of_ones_own_have_what_was_cut_out_cut_out_elsewhere(patterns: PatternGuard) -> None:
    chunks = [{"said": SAID, "log": ""}, {"said": " Yes.", "log": SAID}]
    out = list(patterns.stream(chunks, extract_response=lambda chunk: chunk["said"]))
    cut = SAID.replace(SECRET, "[VALUE_1]")
    assert out == [{"said": cut, "log": ""}, {"said": " Yes.", "log": cut}]


def block(parsed: Kept, text: str) -> ParsedContentBlockStopEvent[Kept]:
    inside = ParsedTextBlock[Kept].model_construct(type="text", text=text, parsed_output=parsed)
    return ParsedContentBlockStopEvent[Kept].model_construct(type="content_block_stop", index=0, content_block=inside)


def function_call(value: object) -> types.GenerateContentResponse:
    part = types.Part(function_call=types.FunctionCall(name="keep", args={"a": "so it is", "key": value}))
    content = types.Content(role="model", parts=[part])
    return types.GenerateContentResponse(candidates=[types.Candidate(content=content)])


@pytest.mark.parametrize("key", [SECRET, f"with {SECRET} inside", LINES, f"{LINES} and {SECRET}"])
def test_values_are_cut_out_of_what_is_given_as_data(patterns: PatternGuard, key: str) -> None:
    called = AIMessage("", tool_calls=[{"name": "keep", "args": {"a": "so it is", "key": key}, "id": "1"}])
    text = json.dumps({"key": key})
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    out: list[Any] = list(patterns.stream([function_call(key)]))
    cut = key.replace(LINES, "[VALUE_1]").replace(SECRET, "[VALUE_2]" if LINES in key else "[VALUE_1]")
    assert out[0].candidates[0].content.parts[0].function_call.args == {"a": "so it is", "key": cut}
    chunks: list[Any] = [called]
    out = list(patterns.stream(chunks))
    assert out[0].tool_calls[0]["args"] == {"a": "so it is", "key": cut}
    chunks = [delta, block(Kept(key=key), text)]
    out = list(patterns.stream(chunks))
    assert (out[1].content_block.text, out[1].content_block.parsed_output) == (json.dumps({"key": cut}), None)


def returned(source: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            next(source)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"config": SECRET}, {"config": "[VALUE_1]"}),
        ([Kept(key=f"it is {SECRET}"), 7], [Kept(key="it is [VALUE_1]"), 7]),
        ({"lines": LINES}, {"lines": "[VALUE_1]"}),
    ],
)
def test_values_are_cut_out_of_the_structure_that_a_generator_returns(
    patterns: PatternGuard, value: object, expected: object
) -> None:
    def source() -> Generator[str, None, object]:
        yield "Here you go. "
        return value

    assert returned(patterns.stream(source())) == expected


def test_values_of_the_prompt_come_back_in_what_is_given_as_data_and_where_nobody_reads() -> None:
    @guarded(guard=guard_of("redact", Stage.INPUT))
    def ask(prompt: str) -> Iterator[Any]:
        marker = prompt.rsplit(maxsplit=1)[-1]
        yield function_call(marker)
        yield google("Kept.", parsed=Kept(key=marker))

    first, last = ask("keep sk-12")
    assert first.candidates[0].content.parts[0].function_call.args["key"] == "sk-12"
    assert last.parsed == Kept(key="sk-12")
