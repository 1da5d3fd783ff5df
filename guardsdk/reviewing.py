"""Hands a text to a reviewer and waits for the answer, no longer than the policy allows."""

# ruff: noqa: SLF001  an item and its reviewer belong together

from __future__ import annotations

import contextvars
import inspect
import logging
import queue
import sys
import threading
from concurrent.futures import CancelledError, Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from guardsdk.calling.callables import needs_await
from guardsdk.errors import DecorationError, InputTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.verdict import Verdict

_logger = logging.getLogger("guardsdk")

Answer = bool | str
"""``True`` lets the text pass, ``False`` does not, and a string is used in its place."""


class ReviewItem:
    """One text awaiting an answer. It contains the text, so protect it as you would the text itself."""

    __slots__ = ("_answer", "actor", "context", "text", "verdict")

    def __init__(self, text: str, verdict: Verdict, context: str | None = None, actor: str | None = None) -> None:
        """Await an answer on ``text``; ``context`` is the prompt that a response answers."""
        self.text = text
        self.verdict = verdict
        self.context = context
        self.actor = actor
        self._answer: Future[Answer] = Future()

    def answer(self, answer: Answer) -> bool:
        """Answer from any thread. Returns whether the answer was in time and the first; otherwise it has no effect.

        Raises ``InputTypeError`` if ``answer`` is neither a bool nor a string.
        """
        if not isinstance(answer, bool | str):
            msg = f"a review is answered with True, False or a text to use instead, not {type(answer).__name__}"
            raise InputTypeError(msg)
        try:
            self._answer.set_result(answer)
        except InvalidStateError:
            return False
        return True

    @property
    def open(self) -> bool:
        """Whether an answer would still take effect."""
        return not self._answer.done()

    def __repr__(self) -> str:
        """Name the principle and show none of the text."""
        return f"<ReviewItem of {self.verdict.stage.value} by {self.verdict.principle_id!r}>"


class Reviewer:
    """Whoever answers: a callable that is given the item, or a queue the items are put into.

    A callable returns the answer, or ``None`` to give it later with ``ReviewItem.answer``. A sync callable runs in a
    thread of its own, with the caller's context variables, so that the wait for it can time out.
    """

    def __init__(self, given: object) -> None:
        """Take a sync or async callable, a ``queue.Queue`` or an ``asyncio.Queue``.

        Raises ``DecorationError`` for anything else.
        """
        if not (callable(given) or isinstance(given, queue.Queue | queue.SimpleQueue) or _is_async_queue(given)):
            msg = f"reviewer must be a callable or a queue, not {type(given).__name__}"
            raise DecorationError(msg)
        self._given: Any = given

    @property
    def needs_loop(self) -> bool:
        """Whether it can only be awaited, by async callables."""
        return _is_async_queue(self._given) or needs_await(self._given)

    def wait(self, item: ReviewItem, timeout_s: float) -> Answer | None:
        """Return the answer, or ``None`` if none came in time or the reviewer failed."""
        try:
            if callable(self._given):
                self._in_thread(item)
            else:
                self._given.put_nowait(item)
            return item._answer.result(min(timeout_s, threading.TIMEOUT_MAX))
        except Exception as error:  # noqa: BLE001  no answer, whatever the reason
            _close(item, error)
            return None
        finally:
            item._answer.cancel()  # if the wait was interrupted, nobody is waiting any more

    async def await_(self, item: ReviewItem, timeout_s: float) -> Answer | None:
        """As ``wait``, in a running event loop."""
        import asyncio  # noqa: PLC0415  slow to import, and whoever gets here has already imported it

        try:
            async with asyncio.timeout(timeout_s):
                if not callable(self._given):
                    self._given.put_nowait(item)
                elif needs_await(self._given):
                    _take(item, await self._given(item))
                else:
                    self._in_thread(item)
                return await asyncio.wrap_future(item._answer)
        except Exception as error:  # noqa: BLE001  no answer, whatever the reason
            _close(item, error)
            return None
        finally:
            item._answer.cancel()  # a cancelled task is no longer waiting

    def _in_thread(self, item: ReviewItem) -> None:
        context = contextvars.copy_context()
        # A daemon thread: a reviewer who never answers must not keep the program from exiting.
        threading.Thread(target=context.run, args=(_ask, self._given, item), daemon=True).start()


def _is_async_queue(given: object) -> bool:
    """Checked without importing asyncio, which is slow: whoever has an ``asyncio.Queue`` has imported it."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(given, asyncio.Queue)


def _ask(reviewer: Callable[[ReviewItem], object], item: ReviewItem) -> None:
    try:
        _take(item, reviewer(item))
    except BaseException as error:  # noqa: BLE001  raised in whoever waits
        try:
            item._answer.set_exception(error)
        except InvalidStateError:
            _close(item, error)


def _take(item: ReviewItem, answer: Any) -> None:  # noqa: ANN401  whatever a reviewer returns
    if inspect.iscoroutine(answer):
        answer.close()
        msg = "the reviewer gives a coroutine, which only an async def is known to do; write it as one"
        raise InputTypeError(msg)
    if answer is not None:
        item.answer(answer)


def _close(item: ReviewItem, error: BaseException) -> None:
    """Close ``item``; log the error by class only, since its message may quote the text."""
    item._answer.cancel()
    if isinstance(error, TimeoutError):
        _logger.warning("review by %r: no answer in time", item.verdict.principle_id)
    elif not isinstance(error, CancelledError):
        _logger.warning("review by %r: %s", item.verdict.principle_id, type(error).__qualname__)
