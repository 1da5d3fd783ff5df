"""What a type checker sees; ``mypy`` holds the ``assert_type`` calls, pytest runs them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, assert_type

from guardsdk.decorator import guarded
from tests.blocking import StageGuard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

guard = StageGuard()


@guarded
def bare(prompt: str, *, count: int = 1) -> list[str]:
    return [prompt] * count


@guarded(guard=guard, on_block=list)
def plain(prompt: str, *, count: int = 1) -> list[str]:
    return [prompt] * count


@guarded(guard=guard)
async def coroutine(prompt: str) -> str:
    return prompt


@guarded(guard=guard)
def generator(prompt: str) -> Iterator[str]:
    yield prompt


@guarded(guard=guard)
async def async_generator(prompt: str) -> AsyncIterator[str]:
    yield prompt


class Bot:
    @guarded(guard=guard)
    def method(self, prompt: str) -> str:
        return prompt

    @guarded(guard=guard)
    @classmethod
    def outer_class(cls, prompt: str) -> str:
        return prompt

    @classmethod
    @guarded(guard=guard)
    async def inner_class(cls, prompt: str) -> str:
        return prompt

    @guarded(guard=guard)
    @staticmethod
    def static(prompt: str) -> str:
        return prompt


async def test_parameters_and_results_keep_their_types() -> None:
    assert_type(plain("a", count=2), list[str])
    assert_type(await coroutine("a"), str)
    assert_type(generator("a"), "Iterator[str]")
    assert_type(async_generator("a"), "AsyncIterator[str]")
    assert_type(Bot().method("a"), str)
    assert_type(Bot.outer_class("a"), str)
    assert_type(await Bot.inner_class("a"), str)
    assert_type(Bot.static("a"), str)
    assert assert_type(guarded(guard=guard)(functools.partial(plain, count=1))("a"), list[str]) == ["a"]
    if TYPE_CHECKING:
        assert_type(bare("a"), list[str])
        plain()  # type: ignore[call-arg]
        plain("a", count="2")  # type: ignore[arg-type]
        Bot().method(7)  # type: ignore[arg-type]
        guarded(7)  # type: ignore[call-overload]
        guarded(inputs=True)(plain)  # type: ignore[call-overload]
