"""Streams that let out what was checked: one for sync sources, one for async ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from guardsdk.streaming.flow import AsyncFlow, Flow

if TYPE_CHECKING:
    from guardsdk.streaming.flow import Follow, Judge
    from guardsdk.streaming.held import Rules
    from guardsdk.verdict import Verdict

T = TypeVar("T")


class _Stream:
    """What both kinds of stream tell of themselves."""

    _flow: Flow | AsyncFlow

    @property
    def verdict(self) -> Verdict | None:
        """All checks so far as one verdict: the strongest action, every finding with its place in the whole text.

        Final when the stream has ended. None before the first check.
        """
        return self._flow.held.verdict

    @property
    def checks(self) -> int:
        """How many texts were checked so far."""
        return self._flow.held.checks


class GuardedStream(_Stream, Generator[T, Any, Any]):
    """The chunks of a sync source, each as soon as all of it was checked.

    A generator: ``send`` and ``throw`` reach the source where it stands, which is as far ahead of the reader as chunks
    are held back; values sent arrive in order, one whenever the source goes on. ``close`` closes the source, and so
    does letting go of a stream that was begun.
    """

    def __init__(self, source: Iterable[Any], rules: Rules, judge: Judge, follow: Follow) -> None:
        """Read ``source`` only as far as the next chunk needs it."""
        self._flow: Flow = Flow(source, rules, judge, follow)
        self._chunks = self._flow.run()

    def send(self, value: object, /) -> T:
        """Send ``value`` to the source and return the next chunk."""
        chunk: T = self._chunks.send(value)
        return chunk

    def throw(self, *error: Any) -> T:
        """Raise an error in the source and return the next chunk."""
        chunk: T = self._chunks.throw(*error)
        return chunk

    def close(self) -> None:
        """End the stream and close the source; what was held back is dropped."""
        self._chunks.close()
        self._flow.close()


class AsyncGuardedStream(_Stream, AsyncGenerator[T, Any]):
    """The chunks of an async source, each as soon as all of it was checked; checks run in worker threads.

    An async generator, with ``asend``, ``athrow`` and ``aclose`` as ``GuardedStream`` has ``send``, ``throw`` and
    ``close``.
    """

    def __init__(self, source: AsyncIterable[Any], rules: Rules, judge: Judge, follow: Follow) -> None:
        """Read ``source`` only as far as the next chunk needs it."""
        self._flow: AsyncFlow = AsyncFlow(source, rules, judge, follow)
        self._chunks = self._flow.run()

    async def asend(self, value: object, /) -> T:
        """Send ``value`` to the source and return the next chunk."""
        chunk: T = await self._chunks.asend(value)
        return chunk

    async def athrow(self, *error: Any) -> T:
        """Raise an error in the source and return the next chunk."""
        chunk: T = await self._chunks.athrow(*error)
        return chunk

    async def aclose(self) -> None:
        """End the stream and close the source; what was held back is dropped."""
        await self._chunks.aclose()
        await self._flow.close()
