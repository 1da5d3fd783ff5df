"""Drives a stream from its source: reads as far as the next chunk needs, checks, releases; sync and async.

A flow holds no reference to its reader's stream: if the reader drops that half-way, it is closed at once together with
the source, not at the next garbage collection.
"""

from __future__ import annotations

import contextvars
import inspect
import logging
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from guardsdk.calling.handling import Instead
from guardsdk.calling.steps import Step, adrive, drive, in_thread
from guardsdk.errors import InputError
from guardsdk.streaming.held import NOTHING, Held, Rules
from guardsdk.verdict import Action

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.calling.steps import Steps
    from guardsdk.streaming.held import Pair
    from guardsdk.verdict import Verdict

_logger = logging.getLogger("guardsdk")

T = TypeVar("T")

Judge = Callable[["Sequence[str]", "Sequence[bool]"], "Sequence[Verdict]"]
"""Checks texts and returns one verdict each; slow. The flags say which texts are parts, or were checked before."""


@dataclass(frozen=True, slots=True)
class Again:
    """Another source in place of the first, from which nothing has been released."""

    source: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """What to do with a verdict that does not let a stream continue."""

    review: Callable[[str, Verdict], Steps[bool | str]]
    """Asks about a text; ends with the reviewer's answer."""
    stop: Callable[[Verdict, bool], Steps[Instead | Again]]
    """Raises, or ends with a last chunk or, if nothing has been released (the flag is set), with a new source."""


class _Flow:
    """What sync and async flows share."""

    def __init__(self, rules: Rules, judge: Judge, follow: Follow) -> None:
        self._rules = rules
        self._judge = judge
        self._follow = follow
        self.held = Held(rules)
        self._given: str | None = None
        self._fresh = True
        self._sent: deque[Any] = deque()
        # Checks belong to whoever opened the stream, not to whoever reads it: spans get that parent.
        self._context = contextvars.copy_context()

    def _screen(self) -> Steps[None]:
        """Check all that is due and release it, or stop."""
        held = self.held
        while windows := held.due():
            texts = [window.text for window in windows]
            # The last window is the text itself, unless the whole text is checked again.
            parts = [not window.last or (window.start > 0 and self._rules.whole) for window in windows]
            verdicts = yield self._work(texts, parts)
            for window, verdict in held.note(windows, verdicts):
                answer: bool | str = False
                if verdict.action is Action.REVIEW:
                    answer = yield from self._follow.review(window.text, verdict)
                if answer is not True:
                    self._given = answer if isinstance(answer, str) else None
                    held.stop(verdict)
                    return
                held.approve(window, verdict)
            pairs = list(zip(windows, verdicts, strict=True))
            stopped = yield from self._redacted(pairs)
            if stopped is None:
                stopped = held.advance(pairs)
            if stopped is not None:
                held.stop(stopped)

    def _redacted(self, pairs: Sequence[Pair]) -> Steps[Verdict | None]:
        """Check windows again with their redactions; end with the verdict that still stops the stream, if any."""
        redacted = self.held.redacted(pairs)
        verdicts: Sequence[Verdict] = ()
        if redacted:
            verdicts = yield self._work([text for _, text in redacted], [True] * len(redacted))
        for (window, _), verdict in zip(redacted, verdicts, strict=True):
            if self.held.stands_against(window, verdict):
                return verdict
        return None

    def _work(self, texts: Sequence[str], parts: Sequence[bool]) -> Step:
        def run() -> Sequence[Verdict]:
            return self._context.run(self._judge, texts, parts)

        return Step(run, lambda: in_thread(run))

    def _end(self, thrown: BaseException | None) -> Steps[Instead | Again | None]:
        """End with what comes after the chunks: nothing if the source has ended; or raise."""
        if thrown is not None:
            raise thrown
        if self.held.stopped is None:
            return None
        if self._given is not None:
            return Instead(self._given)
        verdict = self.held.verdict
        return (yield from self._follow.stop(self.held.stopped if verdict is None else verdict, self._fresh))

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Log errors of closing the source after a stop: the verdict must not be lost because of them."""
        try:
            yield
        except Exception as error:
            if self.held.stopped is None:
                raise
            _logger.warning("closing the source of a stopped stream raised %s", type(error).__qualname__)

    def _restart(self) -> None:
        self.held = Held(self._rules)
        self._sent.clear()


def _iterator_of(source: Iterable[T]) -> Iterator[T]:
    return source if isinstance(source, Iterator) else iter(source)


class Flow(_Flow):
    """Screens a sync source."""

    def __init__(self, source: Iterable[Any], rules: Rules, judge: Judge, follow: Follow) -> None:
        """Read ``source`` only as far as the next chunk needs it."""
        super().__init__(rules, judge, follow)
        self._source = source
        self._iterator = _iterator_of(source)

    def run(self) -> Generator[Any, Any, Any]:
        """Yield each chunk of the source as soon as all of it has been checked; return what the source returned."""
        thrown: BaseException | None = None
        try:
            while True:
                self._pull(thrown)
                thrown = None
                drive(self._screen())
                if self.held.stopped is not None:
                    self.close()
                while thrown is None and (chunk := self.held.pop()) is not NOTHING:
                    self._fresh = False
                    try:
                        value = yield chunk
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001  whatever was thrown in is for the source
                        thrown = error
                    else:
                        self._sent += () if value is None else (value,)
                if not self.held.done:
                    continue
                last = drive(self._end(thrown))
                if last is None:
                    return self.held.returned
                if isinstance(last, Instead):
                    yield last.value
                    return None
                self._restart()
                self._source, self._iterator = last.source, _iterator_of(last.source)
        finally:
            self.close()

    def _pull(self, thrown: BaseException | None) -> None:
        """Advance the source to its next chunk or its end."""
        try:
            if thrown is not None:
                chunk = _method(self._iterator, "throw", thrown)(thrown)
            elif self._sent:
                chunk = _method(self._iterator, "send", None)(self._sent.popleft())
            else:
                chunk = next(self._iterator)
        except StopIteration as stop:
            self.held.finish(stop.value)
        else:
            self.held.take(chunk)

    def close(self) -> None:
        """Close the source."""
        for owner in (self._iterator, self._source):
            if callable(close := getattr(owner, "close", None)):
                with self._closing():
                    close()


class AsyncFlow(_Flow):
    """Screens an async source; checks run in worker threads."""

    def __init__(self, source: AsyncIterable[Any], rules: Rules, judge: Judge, follow: Follow) -> None:
        """Read ``source`` only as far as the next chunk needs it."""
        super().__init__(rules, judge, follow)
        self._source = source
        self._iterator = aiter(source)

    async def run(self) -> AsyncGenerator[Any, Any]:
        """Yield each chunk of the source as soon as all of it has been checked."""
        thrown: BaseException | None = None
        try:
            while True:
                await self._pull(thrown)
                thrown = None
                await adrive(self._screen())
                if self.held.stopped is not None:
                    await self.close()
                while thrown is None and (chunk := self.held.pop()) is not NOTHING:
                    self._fresh = False
                    try:
                        value = yield chunk
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001  whatever was thrown in is for the source
                        thrown = error
                    else:
                        self._sent += () if value is None else (value,)
                if not self.held.done:
                    continue
                last = await adrive(self._end(thrown))
                if last is None:
                    return
                if isinstance(last, Instead):
                    yield last.value
                    return
                self._restart()
                self._source, self._iterator = last.source, aiter(last.source)
        finally:
            await self.close()

    async def _pull(self, thrown: BaseException | None) -> None:
        """Advance the source to its next chunk or its end."""
        try:
            if thrown is not None:
                chunk = await _method(self._iterator, "athrow", thrown)(thrown)
            elif self._sent:
                chunk = await _method(self._iterator, "asend", None)(self._sent.popleft())
            else:
                chunk = await anext(self._iterator)
        except StopAsyncIteration:
            self.held.finish()
        else:
            self.held.take(chunk)

    async def close(self) -> None:
        """Close the source."""
        for owner in (self._iterator, self._source):
            if callable(close := getattr(owner, "aclose", None) or getattr(owner, "close", None)):
                with self._closing():
                    if inspect.isawaitable(closed := close()):
                        await closed


def _method(iterator: object, name: str, thrown: BaseException | None) -> Callable[..., Any]:
    """Return a method of the source; if it has none, raise the error to be thrown, or ``InputError``."""
    method: Callable[..., Any] | None = getattr(iterator, name, None)
    if method is not None:
        return method
    if thrown is not None:
        raise thrown
    msg = "nothing can be sent into this stream: its source is no generator"
    raise InputError(msg)
