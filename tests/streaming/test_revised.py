"""A stream of a model library is asked for again: what comes before its words holds none, and waits for them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Blocked, guarded
from tests.streaming.events import message, messages, responses, said, text_block
from tests.streaming.test_completion_events import chunks, content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.streaming.screens import PatternGuard

MAKERS: dict[str, Callable[[list[str]], list[Any]]] = {
    "chunks": lambda pieces: list(chunks(content(pieces))),
    "responses": lambda pieces: responses(said(pieces), message("".join(pieces))),
    "messages": lambda pieces: messages(text_block(pieces)),
}
BETTER = ["That is ", "all there is."]
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def answering(*answers: list[Any]) -> tuple[Callable[[str], Iterator[Any]], list[str]]:
    """A generator function that gives the next of the answers with each call, and the prompts it was called with."""
    asked: list[str] = []

    def ask(prompt: str) -> Iterator[Any]:
        asked.append(prompt)
        yield from answers[len(asked) - 1]

    return ask, asked


@every_maker
def test_it_is_asked_for_again_though_it_began_without_words(
    patterns: PatternGuard, make: Callable[[list[str]], list[Any]]
) -> None:
    better = make(BETTER)
    ask, asked = answering(make(["One may retry ", "that."]), better)
    assert list(guarded(guard=patterns, input=False)(ask)("Hello")) == better
    assert len(asked) == 2

    async def aask(prompt: str) -> AsyncIterator[Any]:
        for chunk in ask(prompt):
            yield chunk

    async def out() -> list[Any]:
        return [chunk async for chunk in guarded(guard=patterns, input=False)(aask)("Hello")]

    asked.clear()
    assert asyncio.run(out()) == better
    assert len(asked) == 2


def test_words_of_the_same_chunk_do_not_go_out_before_those_that_are_asked_for_again(patterns: PatternGuard) -> None:
    whole = "This is a first sentence, long enough to be a segment. Then one may retry that."
    ask, asked = answering([whole], BETTER)
    assert list(guarded(guard=patterns, input=False)(ask)("Hello")) == BETTER
    assert len(asked) == 2


def test_once_words_are_out_nobody_is_asked_again(patterns: PatternGuard) -> None:
    first = "This is a first sentence, long enough to be a segment."
    ask, asked = answering(list(chunks(content([first, " Then one ", "may retry that."]))))
    stream = guarded(guard=patterns, input=False)(ask)("Hello")
    assert [chunk.choices[0].delta.content for chunk in (next(stream), next(stream))] == [None, first]
    with pytest.raises(Blocked):
        list(stream)
    assert len(asked) == 1


def test_a_stream_without_words_comes_out_when_it_has_ended(patterns: PatternGuard) -> None:
    wordless = list(chunks([]))
    ask, _ = answering(wordless)
    assert list(guarded(guard=patterns, input=False)(ask)("Hello")) == wordless
