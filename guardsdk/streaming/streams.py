"""Streams that let out what was checked: one for sync sources, one for async ones."""

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


class EitherStream(Iterator[T], AsyncIterator[T]):
    """The chunks of a source that can be read with ``for`` and with ``async for``, read as the reader reads this."""

    def __init__(self, begin: Callable[[type[Any]], Any]) -> None:
        """Wait for the reader: ``begin`` makes the stream of the kind it is given, and raises where it cannot be."""
        self._begin = begin
        self._context = contextvars.copy_context()  # checks belong to whoever opened the stream
        self._begun: GuardedStream[T] | AsyncGuardedStream[T] | None = None

    @property
    def verdict(self) -> Verdict | None:
        """All checks so far as one verdict, as the two kinds of stream have it."""
        return None if self._begun is None else self._begun.verdict

    @property
    def checks(self) -> int:
        """How many texts were checked so far."""
        return 0 if self._begun is None else self._begun.checks

    def __next__(self) -> T:
        """Return the next chunk. Raises ``InputError`` where the stream is read with ``async for``."""
        chunk: T = next(self._as(GuardedStream))
        return chunk

    async def __anext__(self) -> T:
        """Return the next chunk. Raises ``InputError`` where the stream is read with ``for``."""
        chunk: T = await anext(self._as(AsyncGuardedStream))
        return chunk

    def close(self) -> None:
        """End the stream and close the source, as who reads it with ``for``."""
        self._as(GuardedStream).close()

    async def aclose(self) -> None:
        """End the stream and close the source, as who reads it with ``async for``."""
        await self._as(AsyncGuardedStream).aclose()

    def _as(self, kind: type[S]) -> S:
        if self._begun is None:
            self._begun = self._context.run(self._begin, kind)
        if not isinstance(self._begun, kind):
            msg = "this stream was begun with for or with async for; go on in the same way"
            raise InputError(msg)
        return self._begun
