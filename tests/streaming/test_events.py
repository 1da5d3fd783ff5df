"""Stream events of the OpenAI Responses API and of Anthropic Messages, as objects of their packages and as data."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, get_args

import anthropic.types as at
import pytest
from openai.types import responses as rt
from openai.types.responses.response_stream_event import ResponseStreamEvent

from guardsdk import Blocked
from guardsdk.decorator import guarded
from guardsdk.errors import InputTypeError
from guardsdk.extract import ResponseText
from tests.streaming.events import (
    called,
    claude,
    followed,
    function_call,
    message,
    messages,
    reasoning,
    response,
    responses,
    said,
    text_block,
    thinking_block,
    thought,
    token,
    tool_block,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.streaming.screens import PatternGuard

FINE = ["The sky", " is blue today", ", and the sea", " is green.", " That is all", " there is to say."]
BAD = ["This sentence is fine and long", " enough to be one. This is forb", "idden and stays in."]
KEY = ["The key that you asked for is sk-abc", "def123", "456, and that is all there is."]
CUT = "The key that you asked for is [VALUE_1], and that is all there is."
CALL = ['{"to": "jo", "text": "a pl', 'ain text"}']
BAD_CALL = ['{"to": "jo", "text": "a forb', 'idden text"}']


def whole(pieces: list[str]) -> str:
    return "".join(pieces)


STREAMS: dict[str, Callable[[list[str]], list[Any]]] = {
    "responses": lambda pieces: responses(said(pieces), message(whole(pieces))),
    "responses, second item": lambda pieces: responses(
        [*thought(["Well."]), *said(pieces, 1)], reasoning("Well."), message(whole(pieces))
    ),
    "responses, reasoning": lambda pieces: responses(thought(pieces), reasoning(whole(pieces))),
    "messages": lambda pieces: messages(text_block(pieces)),
    "messages, two blocks": lambda pieces: messages([*text_block(pieces[:1]), *text_block(pieces[1:], 1)]),
    "messages, thinking": lambda pieces: messages([*thinking_block(pieces), *text_block(["Well."], 1)]),
    "messages, followed": lambda pieces: followed(pieces, '{"n": 1}', {"n": 1}),
}
CALLS: dict[str, Callable[[list[str]], list[Any]]] = {
    "responses": lambda pieces: responses(called(pieces), function_call(whole(pieces))),
    "messages": lambda pieces: messages(tool_block(pieces)),
    "messages, followed": lambda pieces: followed(["Well."], whole(pieces), json.loads(whole(pieces))),
}
every_stream = pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS.keys())
every_call = pytest.mark.parametrize("make", CALLS.values(), ids=CALLS.keys())
as_data = pytest.mark.parametrize("data", [False, True], ids=["objects", "data"])


def given(events: list[Any], *, data: bool) -> list[Any]:
    return [event.model_dump() for event in events] if data else events


def words(events: list[Any]) -> str:
    return json.dumps([event if isinstance(event, dict) else event.model_dump() for event in events])


@as_data
@every_stream
def test_events_with_nothing_to_change_are_the_same_objects(
    patterns: PatternGuard, make: Callable[[list[str]], list[Any]], *, data: bool
) -> None:
    events = given(make(FINE), data=data)
    before = copy.deepcopy(events)
    assert [id(event) for event in patterns.stream(events)] == [id(event) for event in events]
    assert events == before
    assert whole(FINE) in patterns.texts


@as_data
@every_stream
def test_what_is_held_back_is_in_no_event_that_came_out(
    patterns: PatternGuard, make: Callable[[list[str]], list[Any]], *, data: bool
) -> None:
    out: list[Any] = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream(given(make(BAD), data=data)))
    assert "forb" not in words(out).replace("Say nothing of what is forbidden.", "")  # what the caller wrote
    assert "idden and" not in words(out)


@as_data
@every_stream
def test_a_value_is_cut_out_of_every_event_that_says_it(
    patterns: PatternGuard, make: Callable[[list[str]], list[Any]], *, data: bool
) -> None:
    events = given(make(KEY), data=data)
    before = copy.deepcopy(events)
    out = list(patterns.stream(events))
    assert events == before
    assert len(out) == len(events)
    assert [type(event) for event in out] == [type(event) for event in events]
    assert not any(piece in words(out) for piece in ("sk-abc", "def123", "456"))
    if "responses" in make.__qualname__:
        assert words(out).count(CUT) == words(events).count(whole(KEY))


@as_data
@every_call
def test_a_call_comes_out_when_all_of_it_was_checked(
    patterns: PatternGuard, make: Callable[[list[str]], list[Any]], *, data: bool
) -> None:
    events = given(make(CALL), data=data)
    read = 0

    def source() -> Iterator[Any]:
        nonlocal read
        for event in events:
            read += 1
            yield event

    out: list[Any] = []
    for event in patterns.stream(source()):
        if "jo" in words([event]):
            assert read == len(events)
        out.append(event)
    assert [id(event) for event in out] == [id(event) for event in events]
    assert "jo\na plain text" in patterns.texts
    bad: list[Any] = []
    with pytest.raises(Blocked):
        bad.extend(patterns.stream(given(make(BAD_CALL), data=data)))
    assert '\\"text' not in words(bad)


def test_a_value_in_a_call_is_cut_out_of_every_event_that_says_it(patterns: PatternGuard) -> None:
    pieces = ['{"key": "sk-abc', 'def123"}']
    out = list(patterns.stream(CALLS["responses"](pieces)))
    assert json.loads(out[-1].response.output[0].arguments) == {"key": "[VALUE_1]"}
    assert "sk-abc" not in words(out)
    assert "def123" not in words(out)


def test_a_value_in_a_call_that_is_told_as_data_is_cut_out_of_it(patterns: PatternGuard) -> None:
    out = list(patterns.stream(CALLS["messages, followed"](['{"key": "sk-abc', 'def123"}'])))
    assert out[-1].message.content[-1].input == {"key": "[VALUE_1]"}
    assert "sk-abc" not in words(out)
    assert "def123" not in words(out)


@pytest.mark.parametrize("make", CALLS.values(), ids=CALLS)
def test_what_is_said_beside_identifiers_in_a_call_is_read_by_itself_too(
    patterns: PatternGuard, make: Callable[[list[str]], list[Any]]
) -> None:
    about = '{"id": "0b0b4c3e-5f0d-4c6b", "day": "2026-11-29", "body": '
    out = list(patterns.stream(make([f'{about}"The key is sk-abc', 'def123 here."}'])))
    assert "The key is sk-abcdef123 here." in patterns.texts
    assert "sk-abc" not in words(out)
    assert "[VALUE_1]" in words(out)
    fine = make([f'{about}"Nothing of ', 'note."}'])
    assert [id(one) for one in patterns.stream(fine)] == [id(one) for one in fine]


def test_token_probabilities_do_not_tell_what_was_cut_out(patterns: PatternGuard) -> None:
    events = STREAMS["responses"](KEY)
    for part in (events[-2].item.content[0], events[-1].response.output[0].content[0]):
        part.logprobs = [rt.response_output_text.Logprob.model_validate({**token(KEY[0]), "bytes": []})]
    assert "sk-abc" not in words(list(patterns.stream(events)))


DIFFERENT: dict[str, list[Any]] = {
    "the end of a text": [*said(FINE)[:-3], said(BAD)[-3]],
    "the end of a part": [*said(FINE)[:-2], said(BAD)[-2]],
    "the end of an item": [*said(FINE)[:-1], said(BAD)[-1]],
    "the whole": responses(said(FINE), message(whole(BAD))),
    "another item of the whole": responses(said(FINE), message(whole(FINE)), message(whole(BAD))),
    "more at the end": [*said(FINE)[:-1], said([*FINE, *BAD])[-1]],
    "the end of a call": [*called(CALL)[:-2], called(BAD_CALL)[-2]],
    "the end alone": [said(BAD)[-3]],
    "no end": [*said(BAD)[:-3]],
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_an_event_that_says_other_words_than_those_before_is_screened_itself(patterns: PatternGuard, name: str) -> None:
    out: list[Any] = []
    with pytest.raises(Blocked):
        out.extend(patterns.stream(DIFFERENT[name]))
    assert "idden and" not in words(out)


def test_what_is_said_once_more_is_not_checked_once_more(patterns: PatternGuard) -> None:
    list(patterns.stream(FINE))
    plain, patterns.texts = patterns.texts, []
    assert list(patterns.stream(STREAMS["responses"](FINE)))
    assert patterns.texts == plain


def test_the_end_of_a_text_that_came_in_no_stretches_is_checked_once(patterns: PatternGuard) -> None:
    events = [event for event in STREAMS["responses"](FINE) if "delta" not in event.type]
    assert list(patterns.stream(events)) == events
    assert patterns.texts.count(whole(FINE)) == 1


def test_summaries_are_read_as_paragraphs_of_one_text(patterns: PatternGuard) -> None:
    events = responses(thought(["first", " half"], ["second half"]), reasoning("first half", "second half"))
    with pytest.raises(Blocked):
        list(patterns.stream(events))
    assert "first half\nsecond half" in patterns.texts


def test_refusals_and_errors_are_read(patterns: PatternGuard) -> None:
    where: dict[str, Any] = {"item_id": "m1", "output_index": 0, "content_index": 0}
    refusal = [{"type": "response.refusal.delta", "delta": piece, **where} for piece in BAD]
    error = {"type": "error", "code": "server_error", "message": "a forbidden thing", "param": None}
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "a forbidden thing"}}
    shell = {"type": "response.shell_call_output_content.done", "output_index": 0, "command_index": 0, "output": []}
    for events in (refusal, [error], [overloaded], [{**shell, "note": "a forbidden thing"}]):
        with pytest.raises(Blocked):
            list(patterns.stream(events))
    for fine in (error | {"message": "Too many requests."}, overloaded | {"error": {"message": "Overloaded, sorry"}}):
        assert list(patterns.stream([fine])) == [fine]


WORDLESS = [
    {"type": "ping"},
    {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1", "sequence_number": 3},
    {"type": "response.something_new.in_progress", "output_index": 0, "item_id": "x_1", "sequence_number": 3},
    {"type": "something_new", "index": 0},
    {"type": "response.audio.done", "sequence_number": 3},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "EqQBCg=="}},
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "what a page says"}},
    },
]
UNKNOWN = [
    {"type": "response.something_new.delta", "output_index": 0, "delta": "forbidden"},
    {"type": "response.something_new.done", "part": {"text": "forbidden"}},
    {"type": "response.audio.delta", "delta": "AAAA"},
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0},
    {"type": "response.output_item.done", "item": {"type": "something_new", "text": "forbidden"}},
    {"type": "response.in_progress", "item_id": "x", "response": {"output": [{"type": "something_new"}]}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "something_new", "text": "forbidden"}},
    {"type": "content_block_delta", "index": 0},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "something_new", "text": "forbidden"}},
    {"type": "message_start", "message": {"text": "forbidden"}},
    {"type": "something_new", "status": "it is forbidden"},
    {"type": "something_new", "text": "forbidden"},
]


@pytest.mark.parametrize("event", WORDLESS)
def test_an_event_without_words_passes_at_once(patterns: PatternGuard, event: dict[str, Any]) -> None:
    stream = patterns.stream([event, "The sky is blue"])
    assert next(stream) is event
    assert patterns.texts == []


@pytest.mark.parametrize("event", UNKNOWN)
def test_an_event_that_may_hold_words_nobody_knows_of_is_refused(patterns: PatternGuard, event: dict[str, Any]) -> None:
    out: list[Any] = []
    with pytest.raises(InputTypeError, match="extract_response="):
        out.extend(patterns.stream([event]))
    assert out == []


def filled(model: Any) -> dict[str, Any] | None:
    """An event of the type with every string of its own said, none where it has none."""
    fields = {
        name: "it is forbidden"
        for name, field in model.model_fields.items()
        if field.annotation is str and name != "item_id"
    }
    [kind] = get_args(model.model_fields["type"].annotation)
    return {"type": kind, **fields} if fields else None


TYPES = get_args(get_args(ResponseStreamEvent)[0])
SPEAKING = [event for model in TYPES if (event := filled(model)) is not None]


@pytest.mark.parametrize("event", SPEAKING, ids=[event["type"] for event in SPEAKING])
def test_no_event_that_the_package_knows_says_anything_unscreened(
    patterns: PatternGuard, event: dict[str, Any]
) -> None:
    out: list[Any] = []
    with pytest.raises((Blocked, InputTypeError)):
        out.extend(patterns.stream([event]))
    assert out == []


def test_the_package_knows_events_that_speak() -> None:
    assert len(SPEAKING) > 15  # else the test above says little


@as_data
def test_a_guarded_generator_of_events_is_screened(patterns: PatternGuard, *, data: bool) -> None:
    @guarded(guard=patterns, input=False)
    def ask(pieces: list[str]) -> Iterator[Any]:
        yield from given(STREAMS["messages"](pieces), data=data)

    assert list(ask(FINE)) == given(STREAMS["messages"](FINE), data=data)
    with pytest.raises(Blocked):
        list(ask(BAD))


def answer_of(value: object) -> list[str]:
    answer = ResponseText()
    answer.add(value)
    return answer.texts()


@as_data
def test_whole_answers_are_read_as_their_streams_are(*, data: bool) -> None:
    items = [reasoning("one", "two"), message("hello"), function_call('{"a": "x"}')]
    [one] = given([response(*items)], data=data)
    assert answer_of(one) == ["one\ntwo", "hello", "x"]
    assert answer_of(given(items, data=data)) == ["one\ntwo", "hello", "x"]
    blocks: list[Any] = [
        at.ThinkingBlock(type="thinking", thinking="a thought", signature="EqQBCg=="),
        at.TextBlock(type="text", text="hel", citations=None),
        at.TextBlock(type="text", text="lo", citations=None),
        at.ToolUseBlock(type="tool_use", id="toolu_1", name="f", input={"a": "x"}),
    ]
    [two] = given([claude(*blocks)], data=data)
    assert answer_of(two) == ["a thought", "hello", "x"]
    assert answer_of(given(blocks, data=data)) == ["a thought", "hel", "lo", "x"]


RESULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"type": "shell_call", "action": {"commands": ["ls -l", "rm x"], "timeout_ms": 1}}, ["ls -l\nrm x"]),
    ({"type": "local_shell_call", "action": {"command": ["ls"], "env": {"A": "b"}}}, ["ls\nb"]),
    ({"type": "apply_patch_call", "operation": {"diff": "+ a line", "path": "a"}}, ["+ a line\na"]),
    ({"type": "mcp_approval_request", "name": "f", "arguments": '{"a": "x"}'}, ["x"]),
    ({"type": "program", "code": "say(1)"}, ["say(1)"]),
    ({"type": "local_shell_call_output", "output": "found"}, ["found"]),
    ({"type": "computer_call", "action": {"text": "hello"}, "pending_safety_checks": []}, ["hello"]),
    ({"type": "mcp_tool_use", "name": "f", "input": {"a": "x"}}, ["x"]),
    ({"type": "bash_code_execution_tool_result", "content": {"stdout": "found", "return_code": 0}}, ["found"]),
    (
        {"type": "web_search_tool_result", "content": [{"title": "a page", "encrypted_content": "EqQBCg=="}]},
        ["a page"],
    ),
    ({"type": "compaction", "content": "what was said"}, ["what was said"]),
    ({"type": "compaction", "encrypted_content": "EqQBCg=="}, [""]),
]


@pytest.mark.parametrize(("part", "expected"), RESULTS)
def test_calls_and_their_results_are_read_wherever_they_stand(part: dict[str, Any], expected: list[str]) -> None:
    assert answer_of({"object": "response", "output": [part]}) == expected
    assert answer_of({"type": "message", "role": "assistant", "content": [part]}) == expected
    assert answer_of({"type": "content_block_start", "index": 0, "content_block": part}) == expected
