"""Sources that can be read with ``for`` and with ``async for``: they are read as the stream over them is."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Blocked
from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from guardsdk import Verdict
    from tests.streaming.screens import PatternGuard

CHUNKS = ("The sky over the town ", "is blue. ", "The key is sk-abc", "def123. ", "That is all.")
SAID = "The sky over the town is blue. The key is [VALUE_1]. That is all."


class Both:
    """A source as some clients have it, which keeps count of how it was read and closed."""

    def __init__(self, *chunks: str) -> None:
        self.left = list(chunks or CHUNKS)
        self.log: list[str] = []

    def __iter__(self) -> Iterator[str]:
        self.log.append("for")
        return self

    def __aiter__(self) -> AsyncIterator[str]:
        self.log.append("async for")
        return self

    def __next__(self) -> str:
        if not self.left:
            raise StopIteration
        return self.left.pop(0)

    async def __anext__(self) -> str:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop(0)

    def close(self) -> None:
        self.log.append("closed")

    async def aclose(self) -> None:
        self.log.append("closed async")


def opened(patterns: PatternGuard, source: Both, **options: Any) -> Any:
    return patterns.stream(source, **options)


def test_it_is_read_with_for(patterns: PatternGuard) -> None:
    source = Both()
    stream = opened(patterns, source)
    assert (stream.verdict, stream.checks) == (None, 0)
    assert "".join(stream) == SAID
    assert stream.verdict.action == "redact"
    assert stream.checks > 1
    assert "async for" not in source.log
    assert "closed" in source.log


async def test_it_is_read_with_async_for(patterns: PatternGuard) -> None:
    source = Both()
    stream = opened(patterns, source)
    assert "".join([chunk async for chunk in stream]) == SAID
    assert stream.verdict.action == "redact"
    assert "for" not in source.log
    assert "closed async" in source.log


async def test_it_is_read_one_way_to_its_end_and_may_be_closed_before(patterns: PatternGuard) -> None:
    source = Both(*CHUNKS * 9)
    stream = opened(patterns, source)
    next(stream)
    with pytest.raises(InputError, match="in the same way"):
        await anext(stream)
    stream.close()
    assert source.left
    assert "closed" in source.log
    left = Both()
    await opened(patterns, left).aclose()
    assert "closed async" in left.log


async def test_what_is_async_is_taken_where_it_is_awaited(patterns: PatternGuard) -> None:
    async def instead(verdict: Verdict) -> str:
        return f"({verdict.principle_id})"

    stream = opened(patterns, Both("This is forbidden."), on_block=instead)
    assert [chunk async for chunk in stream] == ["(word)"]
    with pytest.raises(InputError, match="on_block is async"):
        next(opened(patterns, Both("This is forbidden."), on_block=instead))
    with pytest.raises(Blocked):
        next(opened(patterns, Both("This is forbidden.")))


def test_checks_belong_to_who_opened_the_stream(patterns: PatternGuard, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = contextvars.ContextVar("variable", default="opened")
    seen: list[str] = []
    check = patterns.check_many

    def noting(*args: Any, **more: Any) -> list[Verdict]:
        seen.append(variable.get())
        return check(*args, **more)

    monkeypatch.setattr(patterns, "check_many", noting)
    stream = opened(patterns, Both())
    variable.set("reading")
    list(stream)
    assert set(seen) == {"opened"}
