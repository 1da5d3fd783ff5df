"""Streams that release only checked text: one for sync sources, one for async ones."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from guardsdk.errors import InputError
from guardsdk.streaming.flow import AsyncFlow, Flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.streaming.flow import Follow, Judge
    from guardsdk.streaming.held import Rules
    from guardsdk.verdict import Verdict

T = TypeVar("T")
S = TypeVar("S", bound="GuardedStream[Any] | AsyncGuardedStream[Any]")


class _Stream:
    """The attributes that both kinds of stream have."""

    _flow: Flow | AsyncFlow

    @property
    def verdict(self) -> Verdict | None:
        """All checks so far as one verdict: the strongest action, and every finding with its spans in the whole text.

        Final once the stream has ended. ``None`` before the first check.
        """
        return self._flow.held.verdict

    @property
    def checks(self) -> int:
        """The number of texts checked so far."""
        return self._flow.held.checks


class GuardedStream(_Stream, Generator[T, Any, Any]):
    """The chunks of a sync source, each released as soon as all of it has been checked.

    A generator: ``send`` and ``throw`` reach the source at its current position, which is ahead of the reader by the
    chunks held back. Sent values arrive in order, one each time the source continues. ``close`` closes the source, and
    so does dropping a stream that has started.
    """

    def __init__(self, source: Iterable[Any], rules: Rules, judge: Judge, follow: Follow) -> None:
        """Read ``source`` only as far as the next chunk needs."""
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
    """The chunks of an async source, each released as soon as all of it has been checked; checks run in worker threads.

    An async generator: ``asend``, ``athrow`` and ``aclose`` correspond to ``send``, ``throw`` and ``close`` of
    ``GuardedStream``.
    """

    def __init__(self, source: AsyncIterable[Any], rules: Rules, judge: Judge, follow: Follow) -> None:
        """Read ``source`` only as far as the next chunk needs."""
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


class EitherStream(Iterator[T], AsyncIterator[T]):
    """The chunks of a source that supports both ``for`` and ``async for``, read in whichever way this stream is."""

    def __init__(self, begin: Callable[[type[Any]], Any]) -> None:
        """Wait for the reader: ``begin`` creates the stream of a given kind, and raises if it cannot."""
        self._begin = begin
        self._context = contextvars.copy_context()  # checks belong to whoever opened the stream
        self._begun: GuardedStream[T] | AsyncGuardedStream[T] | None = None

    @property
    def verdict(self) -> Verdict | None:
        """All checks so far as one verdict, as in the two kinds of stream."""
        return None if self._begun is None else self._begun.verdict

    @property
    def checks(self) -> int:
        """The number of texts checked so far."""
        return 0 if self._begun is None else self._begun.checks

    def __next__(self) -> T:
        """Return the next chunk. Raises ``InputError`` if the stream is already read with ``async for``."""
        chunk: T = next(self._as(GuardedStream))
        return chunk

    async def __anext__(self) -> T:
        """Return the next chunk. Raises ``InputError`` if the stream is already read with ``for``."""
        chunk: T = await anext(self._as(AsyncGuardedStream))
        return chunk

    def close(self) -> None:
        """End the stream and close the source, for readers with ``for``."""
        self._as(GuardedStream).close()

    async def aclose(self) -> None:
        """End the stream and close the source, for readers with ``async for``."""
        await self._as(AsyncGuardedStream).aclose()

    def _as(self, kind: type[S]) -> S:
        if self._begun is None:
            self._begun = self._context.run(self._begin, kind)
        if not isinstance(self._begun, kind):
            msg = "this stream was begun with for or with async for; go on in the same way"
            raise InputError(msg)
        return self._begun
