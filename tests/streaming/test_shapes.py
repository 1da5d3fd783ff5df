"""Chunks of model libraries: the same objects where nothing was changed, true copies where something was."""

from __future__ import annotations

import copy
import functools
import json
import operator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, GenerationChunk
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from guardsdk import Action, Blocked, guarded
from guardsdk.errors import InputError, InputTypeError
from guardsdk.verdict import Stage
from tests.acting import guard_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator

    from tests.streaming.screens import PatternGuard

SECRET = "sk-abcdef123456"  # noqa: S105  no secret of anybody's
WORDS = ["The key of the house that you ", "asked for is sk-abc", "def123", "456, and that ", "is all there is.", ""]
CUT = "".join(WORDS).replace(SECRET, "[VALUE_1]")
FINE = ["The sky", " is blue today", ", and the sea", " is green.", " That is all", " there is to say."]


def dictionary(text: str) -> dict[str, Any]:
    return {
        "id": "c1",
        "choices": [
            {"index": 0, "delta": {"content": text}, "logprobs": {"content": [{"token": text}]}, "finish_reason": None}
        ],
    }


def namespace(text: str) -> SimpleNamespace:
    delta = SimpleNamespace(role=None, content=text, tool_calls=None)
    return SimpleNamespace(id="c1", choices=[SimpleNamespace(index=0, delta=delta, logprobs=None, finish_reason=None)])


class Generated(BaseModel):
    """As the chunks of Ollama's package are."""

    model: str = "qwen3:8b"
    created_at: str = "2026-11-29T18:00:00.000000Z"
    done: bool = False
    done_reason: str | None = None
    response: str = ""
    thinking: str | None = None
    context: list[int] | None = None
    logprobs: list[dict[str, Any]] | None = None


def generated(text: str) -> Generated:
    return Generated(response=text, logprobs=[{"token": text, "logprob": -0.1}])


def mistral(text: str) -> dict[str, Any]:
    thoughts = {"type": "thinking", "thinking": [{"type": "text", "text": text}]}
    return {"id": "c1", "choices": [{"index": 0, "delta": {"content": [thoughts]}, "finish_reason": None}]}


class Shape(NamedTuple):
    make: Callable[[str], Any]
    text: Callable[[Any], str]


SHAPES = {
    "string": Shape(str, str),
    "dictionary": Shape(dictionary, lambda chunk: chunk["choices"][0]["delta"]["content"]),
    "object": Shape(namespace, lambda chunk: chunk.choices[0].delta.content),
    "langchain message": Shape(lambda text: AIMessageChunk(content=text), lambda chunk: chunk.content),
    "langchain parts": Shape(
        lambda text: AIMessageChunk(content=[{"type": "text", "text": text, "index": 0}]),
        lambda chunk: chunk.content[0]["text"],
    ),
    "langchain chat generation": Shape(
        lambda text: ChatGenerationChunk(message=AIMessageChunk(content=text)), lambda chunk: chunk.text
    ),
    "langchain generation": Shape(lambda text: GenerationChunk(text=text), lambda chunk: chunk.text),
    "text beside a message": Shape(
        lambda text: {"choices": [{"index": 0, "message": {"content": "Well. "}, "text": text}]},
        lambda chunk: chunk["choices"][0]["text"],
    ),
    "ollama": Shape(
        lambda text: {"message": {"role": "assistant", "content": text}, "done": False},
        lambda chunk: chunk["message"]["content"],
    ),
    "ollama, generate": Shape(generated, lambda chunk: chunk.response),
    "ollama, its thoughts": Shape(
        lambda text: {"response": "", "thinking": text, "done": False}, operator.itemgetter("thinking")
    ),
    "mistral's thoughts": Shape(
        mistral, lambda chunk: chunk["choices"][0]["delta"]["content"][0]["thinking"][0]["text"]
    ),
}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


async def aiter_of(chunks: list[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk


@every_shape
async def test_chunks_with_nothing_to_change_are_the_same_objects(patterns: PatternGuard, shape: Shape) -> None:
    chunks = [shape.make(text) for text in FINE]
    before = copy.deepcopy(chunks)
    out = list(patterns.stream(chunks))
    assert [id(chunk) for chunk in out] == [id(chunk) for chunk in chunks]
    assert chunks == before
    assert [id(chunk) async for chunk in patterns.stream(aiter_of(chunks))] == [id(chunk) for chunk in chunks]


@every_shape
def test_chunks_with_something_to_cut_out_are_copies(patterns: PatternGuard, shape: Shape) -> None:
    chunks = [shape.make(text) for text in WORDS]
    before = copy.deepcopy(chunks)
    out = list(patterns.stream(chunks))
    assert "".join(map(shape.text, out)) == CUT
    assert chunks == before
    assert out[0] is chunks[0]
    assert {type(chunk) for chunk in out} == {type(chunks[0])}
    assert not any(piece in repr(out) for piece in ("sk-abc", "def123", "456"))
    if shape.make is not str:
        assert len(out) == len(chunks)
        assert out[4] is chunks[4]


@every_shape
def test_the_chunk_in_which_a_stream_stops_is_cut_off(patterns: PatternGuard, shape: Shape) -> None:
    text = "This sentence is fine and long enough to be one. This one is forbidden and stays in."
    out: list[Any] = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream([shape.make(text)]))
    assert [shape.text(chunk) for chunk in out] == ["This sentence is fine and long enough to be one."]
    assert "forbidden" not in repr(out)


def test_a_generated_picture_is_no_text(patterns: PatternGuard) -> None:
    with pytest.raises(InputTypeError, match="cannot be screened"):
        list(patterns.stream([{"response": "", "done": True, "image": "iVBORw0KGgo="}]))


def test_what_stands_beside_a_generated_text_is_read_too(patterns: PatternGuard) -> None:
    with pytest.raises(Blocked):
        list(patterns.stream([{"response": "Well.", "done": True, "note": "This is forbidden."}]))


@pytest.mark.parametrize("place", ["response", "thinking"])
def test_a_whole_answer_of_ollama_s_is_read_all_the_same(patterns: PatternGuard, place: str) -> None:
    @guarded(guard=patterns, input=False)
    def ask(prompt: str) -> Generated:
        return Generated.model_validate({place: prompt})

    assert ask("What is up?") == Generated.model_validate({place: "What is up?"})
    answer = guarded(guard=patterns, input=False)(
        lambda prompt: {"done": True, place: f"This is forbidden{prompt[:0]}."}
    )
    with pytest.raises(Blocked):
        answer("What is up?")


def test_chunks_without_words_keep_their_place(patterns: PatternGuard) -> None:
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    finish: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    usage: dict[str, Any] = {"choices": [], "usage": {"total_tokens": 7}}
    about: dict[str, Any] = {"hate": {"filtered": False, "severity": "safe"}}  # Azure's filter, run beside the model
    filtered: dict[str, Any] = {"choices": [{"index": 0, "finish_reason": None, "content_filter_results": about}]}
    chunks = [role, *map(dictionary, FINE), finish, usage, filtered, ChatCompletionChunk.construct(**filtered)]
    stream = patterns.stream(chunks)
    assert next(stream) is role  # there is nothing in it to check
    assert patterns.texts == []
    assert list(stream) == chunks[1:]


def test_a_chunk_that_is_written_over_while_it_is_held_back_does_not_come_out(patterns: PatternGuard) -> None:
    def reused() -> Generator[dict[str, Any]]:
        chunk = dictionary("This sentence is fine")
        yield chunk
        chunk["choices"][0]["delta"]["content"] = "This one is forbidden"
        yield dictionary(" and long enough to be one. And so it goes on.")

    stream = patterns.stream(reused())
    with pytest.raises(InputError, match="an object of its own"):
        list(stream)


def test_every_choice_is_a_text_of_its_own(patterns: PatternGuard) -> None:
    texts = ("The first choice says that the key is sk-abcdef", "The second choice says that it is warm today, ")
    ends = ("123456, and nothing else.", "123456 times as warm as before.")
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": index, "delta": {"content": text}}]}
        for pair in (texts, ends)
        for index, text in enumerate(pair)
    ]
    out = list(patterns.stream(chunks))
    assert [id(chunk) for chunk in out[1::2]] == [id(chunk) for chunk in chunks[1::2]]
    first = "".join(chunk["choices"][0]["delta"]["content"] for chunk in out[::2])
    assert first == "The first choice says that the key is [VALUE_1], and nothing else."


def test_reasoning_is_screened_apart_from_the_answer(patterns: PatternGuard) -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": {"reasoning_content": "They want what is forbid"}}]},
        {"choices": [{"index": 0, "delta": {"content": "Here you are."}}]},
        {"choices": [{"index": 0, "delta": {"reasoning_content": "den, so I say no."}}]},
    ]
    with pytest.raises(Blocked):
        list(patterns.stream(chunks))
    assert "They want what is forbidden, so I say no." in patterns.texts


def call(arguments: str, **more: Any) -> dict[str, Any]:
    function = {"arguments": arguments, **more}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": function}]}}]}


def test_a_tool_call_comes_out_when_all_of_it_was_checked(patterns: PatternGuard) -> None:
    arguments = json.dumps({"to": "jo", "text": "A plain text that is long enough. " * 4})
    chunks = [call("", name="send"), *(call(letter) for letter in arguments)]
    read = 0

    def source() -> Any:
        nonlocal read
        for chunk in chunks:
            read += 1
            yield chunk

    stream = patterns.stream(source())
    assert next(stream) is chunks[0]  # the name alone, which nobody can act on
    assert (next(stream), read) == (chunks[1], len(chunks))
    assert list(stream) == chunks[2:]
    assert patterns.texts == ["jo\n" + "A plain text that is long enough. " * 4]


def test_a_value_in_a_tool_call_is_cut_out_of_its_pieces(patterns: PatternGuard) -> None:
    pieces = ['{"key": "sk-abc', "def123", '456", "n": 1}']
    out = list(patterns.stream([call(piece) for piece in pieces]))
    written = "".join(chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for chunk in out)
    assert json.loads(written) == {"key": "[VALUE_1]", "n": 1}


@pytest.mark.parametrize("piece", [1, 5, 100])
def test_it_is_cut_out_of_all_places_however_each_spells_it(patterns: PatternGuard, piece: int) -> None:
    said = r'{"key": "\u0073k-abcdef123456", "one more": "sk\u002Dabcdef12345\u0036", "plain": "it: sk-abcdef123456"}'
    out = list(patterns.stream([call(said[at : at + piece]) for at in range(0, len(said), piece)]))
    written = "".join(chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for chunk in out)
    assert json.loads(written) == {"key": "[VALUE_1]", "one more": "[VALUE_1]", "plain": "it: [VALUE_1]"}


def test_a_value_that_lies_in_two_strings_of_a_tool_call_is_held_back_whole() -> None:
    with pytest.raises(Blocked):
        list(guard_of("redact", Stage.OUTPUT, label="lines").stream([call('{"one": "BEGIN", "two": "END"}')]))


def test_half_a_tool_call_is_none(patterns: PatternGuard) -> None:
    chunk = call('{"text": "forbidden"}', name="send")
    chunk["choices"][0]["delta"]["content"] = "This sentence is fine and long enough to be one. And more"
    out: list[Any] = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream([chunk]))
    assert out == []


def test_chunks_of_ones_own_are_read_by_the_extractor(patterns: PatternGuard) -> None:
    chunks = [SimpleNamespace(payload={"role": "assistant", "content": text}) for text in WORDS]
    out = list(patterns.stream(chunks, extract_response=lambda chunk: chunk.payload))
    assert "".join(chunk.payload["content"] for chunk in out) == CUT
    fine = [SimpleNamespace(said=text) for text in FINE]
    assert list(patterns.stream(fine, extract_response=lambda chunk: chunk.said)) == fine


def test_a_chunk_nobody_can_change_ends_the_stream(patterns: PatternGuard) -> None:
    chunks = [SimpleNamespace(said=text.encode()) for text in WORDS]
    out: list[Any] = []
    with pytest.raises(InputTypeError, match="SimpleNamespace cannot be copied with other words"):
        out.extend(patterns.stream(chunks, extract_response=lambda chunk: chunk.said.decode()))
    assert out == chunks[:1]


def test_a_changed_call_of_a_langchain_chunk_is_changed_wherever_it_is_told(patterns: PatternGuard) -> None:
    chunks = [
        AIMessageChunk(
            content="",
            tool_call_chunks=[{"name": "f", "args": piece, "index": 0, "id": None, "type": "tool_call_chunk"}],
            additional_kwargs={"tool_calls": [{"index": 0, "function": {"arguments": piece}}]},
        )
        for piece in ('{"key": "sk-abc', 'def123456"}')
    ]
    out = list(patterns.stream(chunks))
    assert "abc" not in str(out)
    assert "def123" not in str(out)
    assert (out[0] + out[1]).tool_calls[0]["args"] == {"key": "[VALUE_1]"}


def test_a_piece_of_a_langchain_call_of_which_nothing_is_left_goes_out_empty(patterns: PatternGuard) -> None:
    said = '{"key": "sk-abcdef123456", "n": 1}'
    chunks = [
        AIMessageChunk(
            content=[{"type": "input_json_delta", "partial_json": piece, "index": 1}],
            tool_call_chunks=[{"name": None, "args": piece, "index": 1, "id": None, "type": "tool_call_chunk"}],
        )
        for piece in (said[at : at + 2] for at in range(0, len(said), 2))
    ]
    out: list[Any] = list(patterns.stream(chunks))
    assert [chunk.content[0]["partial_json"] for chunk in out] == [chunk.tool_call_chunks[0]["args"] for chunk in out]
    assert functools.reduce(operator.add, out).tool_call_chunks[0]["args"] == said.replace(SECRET, "[VALUE_1]")


def test_a_stream_of_a_langchain_model_is_screened(patterns: PatternGuard) -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage(content="".join(WORDS))]))
    out = list(patterns.stream(model.stream([HumanMessage("What is the key?")]), prompt=[HumanMessage("What is it?")]))
    assert "".join(str(chunk.content) for chunk in out) == CUT
    assert patterns.contexts == {"What is it?"}


async def test_an_async_stream_of_a_langchain_model_is_screened(patterns: PatternGuard) -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage(content="".join(WORDS))]))
    out = [chunk async for chunk in patterns.stream(model.astream("What is the key?"))]
    assert "".join(str(chunk.content) for chunk in out) == CUT


SPLIT: dict[str, list[list[Any]]] = {
    "in one list": [["a forb", "idden plan"]],
    "over two lists": [["well", "it is forb"], ["idden", "as I said"]],
    "lines": [["first half"], ["and so on", "of the second half"]],
    "messages": [[{"role": "assistant", "content": "forb"}, {"role": "assistant", "content": "idden word"}]],
    "lists in lists": [[["it is forb"], ["idden"]]],
    "a value": [["my key is sk-abc", "def123 and more"]],
}


@pytest.mark.parametrize("name", SPLIT)
def test_what_is_split_over_the_places_of_a_list_is_held_back(patterns: PatternGuard, name: str) -> None:
    stream = patterns.stream(flowing(SPLIT[name]))
    with pytest.raises(Blocked):
        list(stream)
    assert stream.verdict is not None
    assert stream.verdict.action is Action.BLOCK
    returned = patterns.stream(returning(flowing(SPLIT[name])))
    with pytest.raises(Blocked):
        list(returned)


def flowing(chunks: list[list[Any]]) -> list[list[Any]]:
    """The same chunks after one in which two places meet at white space, as those of pieces of a text do."""
    return [["to", " begin"], *chunks]


def returning(chunks: list[list[Any]]) -> Generator[str, None, list[Any]]:
    yield "sure"
    return [item for chunk in chunks for item in chunk]  # what a generator returns is screened too


def test_nothing_of_a_list_in_which_a_stream_stops_comes_out(patterns: PatternGuard) -> None:
    said: list[Any] = []
    stream = patterns.stream([["one", " two. "], ["it is forb", "idden"]])
    with pytest.raises(Blocked):
        said.extend(iter(stream))
    assert said in ([], [["one", " two. "]])


def test_the_places_together_decide_only_by_what_lies_in_several(patterns: PatternGuard) -> None:
    stream = patterns.stream([["my key", " is"], [" sk-abcdef1", " noted"], [" or so", " it seems"]])
    assert list(stream) == [["my key", " is"], [" [VALUE_1]", " noted"], [" or so", " it seems"]]
    assert stream.verdict is not None
    assert sorted(finding.label for finding in stream.verdict.findings) == ["note", "value"]


def test_lists_of_one_place_are_checked_as_its_strings_would_be(patterns: PatternGuard) -> None:
    words = [f"word{number} " for number in range(400)]
    plain = patterns.stream(words)
    listed = patterns.stream([[word] for word in words])
    assert [word for chunk in listed for word in chunk] == list(plain)
    assert listed.checks == plain.checks
