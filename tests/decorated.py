"""Every kind of callable that ``@guarded`` takes, and a way to call any of them."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.decorator import guarded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.blocking import StageGuard


calls: list[str] = []


def ask(prompt: str) -> str:
    """Answer."""
    calls.append(prompt)
    return f"answer to {prompt}"


async def aask(prompt: str) -> str:
    """Answer."""
    return ask(prompt)


def stream(prompt: str) -> Iterator[str]:
    """Answer."""
    yield from ask(prompt).split(" ")


async def astream(prompt: str) -> AsyncIterator[str]:
    """Answer."""
    for word in ask(prompt).split(" "):
        yield word


class Client:
    def ask(self, prompt: str) -> str:
        return ask(prompt)

    async def aask(self, prompt: str) -> str:
        return ask(prompt)

    @staticmethod
    def static(prompt: str) -> str:
        return ask(prompt)

    @classmethod
    async def aclass(cls, prompt: str) -> str:
        return ask(prompt)


class SyncCallable:
    def __call__(self, prompt: str) -> str:
        return ask(prompt)


class AsyncCallable:
    """Answers."""

    def __init__(self) -> None:
        self.state = "its own"

    async def __call__(self, prompt: str) -> str:
        return ask(prompt)


class StreamCallable:
    async def __call__(self, prompt: str) -> AsyncIterator[str]:
        for word in ask(prompt).split(" "):
            yield word


def prefixed(prefix: str, prompt: str) -> str:
    return ask(prefix + prompt)


async def aprefixed(prefix: str, prompt: str) -> str:
    return ask(prefix + prompt)


def decorated_class(guard: StageGuard) -> type[Any]:
    class Decorated:
        @guarded(guard=guard)
        def method(self, prompt: str) -> str:
            return ask(prompt)

        @guarded(guard=guard)
        @classmethod
        async def outer_class(cls, prompt: str) -> str:
            return ask(prompt)

        @classmethod
        @guarded(guard=guard)
        def inner_class(cls, prompt: str) -> str:
            return ask(prompt)

        @guarded(guard=guard)
        @staticmethod
        def outer_static(prompt: str) -> str:
            return ask(prompt)

        @staticmethod
        @guarded(guard=guard)
        async def inner_static(prompt: str) -> str:
            return ask(prompt)

        @guarded(guard=guard)
        async def astream(self, prompt: str) -> AsyncIterator[str]:
            for word in ask(prompt).split(" "):
                yield word

    return Decorated


def wrapped(function: Callable[..., Any]) -> Callable[[StageGuard], Callable[..., Any]]:
    return lambda guard: guarded(guard=guard)(function)


def of_class(name: str, *, instance: bool = False) -> Callable[[StageGuard], Callable[..., Any]]:
    def make(guard: StageGuard) -> Callable[..., Any]:
        owner = decorated_class(guard)
        found: Callable[..., Any] = getattr(owner() if instance else owner, name)
        return found

    return make


KINDS = {
    "function": wrapped(ask),
    "coroutine function": wrapped(aask),
    "generator": wrapped(stream),
    "async generator": wrapped(astream),
    "bound method": wrapped(Client().ask),
    "bound async method": wrapped(Client().aask),
    "static function": wrapped(Client.static),
    "bound async classmethod": wrapped(Client.aclass),
    "partial": wrapped(functools.partial(prefixed, "")),
    "async partial": wrapped(functools.partial(aprefixed, "")),
    "partial of a partial": wrapped(functools.partial(functools.partial(prefixed), "")),
    "partial of an async callable": wrapped(functools.partial(AsyncCallable())),
    "callable": wrapped(SyncCallable()),
    "async callable": wrapped(AsyncCallable()),
    "async streaming callable": wrapped(StreamCallable()),
    "guarded twice": lambda guard: guarded(guard=guard)(guarded(guard=guard)(aask)),
    "method": of_class("method", instance=True),
    "guarded classmethod": of_class("outer_class"),
    "classmethod of guarded": of_class("inner_class", instance=True),
    "guarded staticmethod": of_class("outer_static"),
    "staticmethod of guarded": of_class("inner_static", instance=True),
    "async generator method": of_class("astream", instance=True),
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


def run(function: Callable[..., Any], prompt: str = "hello") -> str:
    """The answer of any kind of callable, in one string."""

    async def consume(made: Any) -> list[object]:
        return [item async for item in made] if inspect.isasyncgen(made) else [await made]

    result: Any = function(prompt)
    if isinstance(result, str):
        return result
    items: list[object] = list(result) if inspect.isgenerator(result) else asyncio.run(consume(result))
    return " ".join(map(str, items))
