"""What comes before an answer, thoughts and calls, does not hold the answer up, and is checked all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Blocked
from tests.streaming.events import (
    message,
    messages,
    reasoning,
    responses,
    said,
    text_block,
    thinking_block,
    thought,
    tool_block,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.streaming.screens import PatternGuard

ANSWER = ["The sky is blue today, and so is the sea. ", "That is all there is to say. "] * 8


def deltas(name: str, pieces: Sequence[str]) -> list[dict[str, Any]]:
    return [{"choices": [{"index": 0, "delta": {name: piece}}]} for piece in pieces]


STREAMS: dict[str, Callable[[list[str], list[str]], list[Any]]] = {
    "chat completions": lambda first, then: [*deltas("reasoning_content", first), *deltas("content", then)],
    "messages": lambda first, then: messages([*thinking_block(first), *text_block(then, 1)]),
    "messages, a call": lambda first, then: messages(
        [*tool_block(['{"n": 1, "q": "', *first, '"}']), *text_block(then, 1)]
    ),
    "responses": lambda first, then: responses(
        [*thought(first), *said(then, 1)], reasoning("".join(first)), message("".join(then))
    ),
}
every_stream = pytest.mark.parametrize("make", STREAMS.values(), ids=STREAMS.keys())


@every_stream
def test_an_answer_goes_out_while_it_is_written_although_there_are_thoughts_before_it(
    patterns: PatternGuard, make: Callable[[list[str], list[str]], list[Any]]
) -> None:
    chunks = make(["They ask about the sky, so I", " look up: it is 7"], ANSWER)
    read = 0

    def source() -> Iterator[Any]:
        nonlocal read
        for chunk in chunks:
            read += 1
            yield chunk

    ahead = []
    out = []
    for chunk in patterns.stream(source()):
        out.append(chunk)
        ahead.append(read - len(out))
    assert len(out) == len(chunks)
    assert max(ahead[: len(ahead) // 2]) < len(ANSWER) // 2
    assert "They ask about the sky, so I look up: it is 7" in patterns.texts


def let_out(guard: PatternGuard, chunks: list[Any]) -> tuple[str, bool]:
    """What goes out, and whether the stream was stopped."""
    out: list[Any] = []
    try:
        out.extend(guard.stream(chunks))
    except Blocked:
        return str(out), True
    return str(out), False


@every_stream
@pytest.mark.parametrize(("end", "stops"), [("and this is forbidden", True), ("the key is sk-abcdef123", False)])
def test_the_end_of_a_thought_is_checked_before_any_of_the_answer_goes_out(
    patterns: PatternGuard, make: Callable[[list[str], list[str]], list[Any]], end: str, *, stops: bool
) -> None:
    out, stopped = let_out(patterns, make(["They ask about the sky, ", end], ANSWER))
    assert stopped is stops
    assert ("blue" in out) is ("[VALUE_1]" in out) is not stops
    assert end not in out


def test_of_a_value_that_goes_on_in_a_later_thought_the_rest_is_cut_out(patterns: PatternGuard) -> None:
    later = deltas("reasoning_content", ["def123456 and nothing else. "])
    chunks = [*deltas("reasoning_content", ["The key is sk-abc"]), *deltas("content", ANSWER[:3]), *later]
    out, stopped = let_out(patterns, [*chunks, *deltas("content", ANSWER[3:])])
    assert not stopped
    assert "'[VALUE_1] and nothing else. '" in out


@pytest.mark.parametrize("pieces", [('{"a": "it is forb', 'idden"}'), ('{"a": "sk-abc', 'def123456"}')])
def test_of_a_call_that_goes_on_after_the_answer_the_rest_stays_in(
    patterns: PatternGuard, pieces: tuple[str, str]
) -> None:
    first, last = (
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}}]}
        for piece in pieces
    )
    out, stopped = let_out(patterns, [first, *deltas("content", ANSWER), last])
    assert stopped
    assert "blue" in out
    assert pieces[1] not in out


def test_thoughts_that_come_in_turn_with_the_answer_have_not_ended(patterns: PatternGuard) -> None:
    pairs = zip(
        "The key is sk-abcdef123456 and nothing else.", "The sky is blue, and the sea is green as ", strict=False
    )
    chunks = [one for a, b in pairs for one in (*deltas("reasoning_content", [a]), *deltas("content", [b]))]
    out = list(patterns.stream(chunks))
    said = "".join(chunk["choices"][0]["delta"].get("reasoning_content", "") for chunk in out)
    assert said == "The key is [VALUE_1] and nothing el"
