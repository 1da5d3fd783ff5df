"""The events that OpenAI's package makes of a stream of chat completions, made by the package itself and as data."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, get_args

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamEvent, ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel

from guardsdk import Blocked
from guardsdk.errors import InputTypeError
from guardsdk.extract import ResponseText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.streaming.screens import PatternGuard

FINE = ["The sky", " is blue today", ", and the sea", " is green.", " That is all", " there is to say."]
BAD = ["This sentence is fine and long", " enough to be one. This is forb", "idden and stays in."]
KEY = ["The key that you asked for is sk-abc", "def123", "456, and that is all there is."]
CUT = "The key that you asked for is [VALUE_1], and that is all there is."

Delta = dict[str, Any]


class Said(BaseModel):
    text: str


def content(pieces: list[str]) -> list[Delta]:
    return [{"content": piece} for piece in pieces]


def refusal(pieces: list[str]) -> list[Delta]:
    return [{"refusal": piece} for piece in pieces]


def call(pieces: list[str]) -> list[Delta]:
    opening = {"index": 0, "id": "t1", "type": "function", "function": {"name": "send", "arguments": ""}}
    rest = [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    return [{"tool_calls": [one]} for one in (opening, *rest)]


def chunks(deltas: list[Delta], *, logprobs: bool = False, choice: int = 0) -> Iterator[ChatCompletionChunk]:
    opening: Delta = {"role": "assistant", "content": None}
    end: Delta = {}
    for delta in (opening, *deltas, end):
        tokens = [{"token": text, "logprob": -0.1, "top_logprobs": []} for text in (delta.get("content"),) if text]
        chosen = {
            "index": choice,
            "delta": delta,
            "finish_reason": "stop" if delta is end else None,
            "logprobs": {"content": tokens, "refusal": None} if logprobs and tokens else None,
        }
        yield ChatCompletionChunk.model_validate(
            {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [chosen]}
        )


def events(deltas: list[Delta], *, logprobs: bool = False, form: Any = None) -> Iterator[Any]:
    """What the package gives its caller, while it adds to the completion so far."""
    state: Any = ChatCompletionStreamState(**({} if form is None else {"response_format": form}))
    for chunk in chunks(deltas, logprobs=logprobs):
        yield from state.handle_chunk(chunk)


def given(found: Iterator[Any], *, data: bool) -> Iterator[Any]:
    yield from ((event.model_dump() for event in found) if data else found)


def words(found: list[Any]) -> str:
    return json.dumps([event if isinstance(event, dict) else event.model_dump() for event in found])


as_data = pytest.mark.parametrize("data", [False, True], ids=["objects", "data"])
said = pytest.mark.parametrize("make", [content, refusal])


@as_data
@said
def test_each_text_is_checked_once_and_the_events_come_out_as_they_were(
    patterns: PatternGuard, make: Any, *, data: bool
) -> None:
    list(patterns.stream(FINE))
    plain, patterns.texts = patterns.texts, []
    before = [copy.deepcopy(event) for event in given(events(make(FINE)), data=data)]
    assert list(patterns.stream(given(events(make(FINE)), data=data))) == before
    assert patterns.texts == plain


@as_data
@said
def test_what_is_held_back_is_in_no_event_that_came_out(patterns: PatternGuard, make: Any, *, data: bool) -> None:
    """Not at the end either: the package goes on adding to the completion that early events hold."""
    out: list[Any] = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream(given(events(make(BAD)), data=data)))
    assert "This sentence is fine" in words(out)
    assert "forb" not in words(out)
    assert "idden and" not in words(out)


def test_an_event_that_is_out_does_not_show_what_is_still_being_read(patterns: PatternGuard) -> None:
    seen: list[tuple[Any, str]] = []
    for event in patterns.stream(events(content(FINE))):
        assert all(words([one]) == then for one, then in seen)
        seen.append((event, words([event])))


@as_data
@pytest.mark.parametrize("logprobs", [False, True])
def test_a_value_is_cut_out_of_every_event_that_says_it(patterns: PatternGuard, *, data: bool, logprobs: bool) -> None:
    out = list(patterns.stream(given(events(content(KEY), logprobs=logprobs), data=data)))
    assert [one["type"] if data else one.type for one in out] == [
        one.type for one in events(content(KEY), logprobs=logprobs)
    ]
    assert not any(piece in words(out) for piece in ("sk-abc", "def123", "456"))
    last = [one for one in out if (one["type"] if data else one.type) == "content.done"][-1]
    assert (last["content"] if data else last.content) == CUT


def test_what_was_parsed_goes_with_the_words_it_was_made_of(patterns: PatternGuard) -> None:
    pieces = ['{"text": "The key that you asked for is sk-abc', "def123", '456, and that is all there is."}']
    out = list(patterns.stream(events(content(pieces), form=Said)))
    assert "sk-abc" not in words(out)
    assert "def123" not in words(out)
    fine = list(patterns.stream(events(content(['{"text": "The sky', ' is blue."}']), form=Said)))
    assert Said(text="The sky is blue.") in [getattr(event, "parsed", None) for event in fine]


@as_data
def test_a_call_is_checked_once_and_comes_out_when_all_of_it_was(patterns: PatternGuard, *, data: bool) -> None:
    pieces = ['{"to": "jo", "text": "a pl', 'ain text"}']
    before = [words([event]) for event in given(events(call(pieces)), data=data)]  # as each is when it comes
    out = list(patterns.stream(given(events(call(pieces)), data=data)))
    assert [words([event]) for event in out] == before
    assert patterns.texts.count("jo\na plain text") == 1
    out = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream(given(events(call(['{"text": "a forb', 'idden text"}'])), data=data)))
    assert "idden text" not in words(out)
    assert "a forb" not in words(out)


def test_of_two_choices_both_are_read(patterns: PatternGuard) -> None:
    state: Any = ChatCompletionStreamState()
    both = zip(chunks(content(FINE)), chunks(content(BAD + FINE[3:]), choice=1), strict=True)
    out: list[Any] = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream(event for pair in both for chunk in pair for event in state.handle_chunk(chunk)))
    assert "forb" not in words(out)


@pytest.mark.parametrize("only", ["content.delta", "content.done", "chunk"])
def test_events_of_one_kind_alone_are_read_too(patterns: PatternGuard, only: str) -> None:
    def some(pieces: list[str]) -> Iterator[Any]:
        return (event for event in events(content(pieces)) if event.type == only)

    assert [words([event]) for event in patterns.stream(some(FINE))] == [words([event]) for event in some(FINE)]
    out: list[Any] = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream(some(BAD)))
    assert "idden and" not in words(out)


def test_a_list_of_events_is_read_as_the_one_text_it_is() -> None:
    answer = ResponseText()
    for event in events(content(FINE)):
        answer.add(event)
    assert answer.texts() == ["".join(FINE)]
    alone = ResponseText()
    for event in events(content(FINE)):
        if event.type == "content.delta":
            alone.add(event)
    assert alone.texts() == ["".join(FINE)]


LIES: list[dict[str, Any]] = [
    {"type": "content.delta", "delta": "it is forbidden", "snapshot": "fine"},
    {"type": "content.delta", "delta": "fine", "snapshot": "it is forbidden"},
    {"type": "content.done", "content": "it is forbidden"},
    {"type": "refusal.done", "refusal": "it is forbidden"},
    {"type": "content.done", "content": "fine", "note": "it is forbidden"},
    {"type": "tool_calls.function.arguments.done", "index": 0, "arguments": "it is forbidden"},
    {"type": "logprobs.content.done", "content": [{"token": "it is forb"}, {"token": "idden"}]},
]
UNKNOWN: list[dict[str, Any]] = [
    {"type": "chunk", "text": "forbidden"},
    {"type": "chunk", "chunk": {"text": "forbidden"}, "snapshot": {"choices": []}},
    {"type": "content.delta", "delta": "forbidden"},
    {"type": "content.done", "text": "forbidden"},
    {"type": "content.something_new", "content": "forbidden"},
    {"type": "tool_calls.function.arguments.delta", "arguments": "forbidden"},
    {"type": "tool_calls.something_new.delta", "delta": "forbidden"},
    {"type": "logprobs.content.delta", "content": "forbidden", "snapshot": []},
]


@pytest.mark.parametrize("event", LIES)
def test_an_event_that_says_something_else_than_it_should_is_screened_itself(
    patterns: PatternGuard, event: dict[str, Any]
) -> None:
    out: list[Any] = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream([event]))
    assert out == []


@pytest.mark.parametrize("event", UNKNOWN)
def test_an_event_without_the_text_it_should_have_is_refused(patterns: PatternGuard, event: dict[str, Any]) -> None:
    out: list[Any] = []
    with pytest.raises(InputTypeError, match="extract_response="):
        out.extend(patterns.stream([event]))
    assert out == []


def test_every_event_that_the_package_knows_is_one_of_those_above() -> None:
    known = {get_args(event.model_fields["type"].annotation)[0] for event in get_args(ChatCompletionStreamEvent)}
    stems = {kind.rpartition(".")[0] or kind for kind in known}
    assert stems == {
        "chunk",
        "content",
        "refusal",
        "tool_calls.function.arguments",
        "logprobs.content",
        "logprobs.refusal",
    }
