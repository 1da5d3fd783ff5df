"""One control flow for sync and async callables: a generator of steps, driven either way."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, TypeVar

from guardsdk.errors import GuardError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do before the flow continues with its result."""

    run: Callable[[], Any]
    """Does it synchronously."""
    arun: Callable[[], Awaitable[Any]]
    """Does it without blocking the event loop."""


@dataclass(frozen=True, slots=True, repr=False)
class Invoke:
    """Call the guarded callable, and continue with its result."""

    args: tuple[object, ...]
    kwargs: dict[str, object]


Steps = Generator[Step | Invoke, Any, T]


async def in_thread(run: Callable[[], T]) -> T:
    """Run in a worker thread that sees the caller's context variables, without blocking the event loop.

    Raises ``GuardError`` if the event loop is not asyncio's.
    """
    import asyncio  # noqa: PLC0415  slow to import, and whoever gets here has already imported it

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        msg = (
            "async checks need a running loop of asyncio, and this is none; in another, such as trio's, check in a "
            "thread: trio.to_thread.run_sync(guard.check, text)"
        )
        raise GuardError(msg) from None
    return await asyncio.to_thread(run)


def work(run: Callable[[], Any]) -> Step:
    """Return a slow step of our own, which runs in a worker thread in async callables."""
    return Step(run, lambda: in_thread(run))


def ask(run: Callable[[], Any]) -> Step:
    """Return a step that calls the host's own callable; in async callables its result is awaited if necessary."""

    async def arun() -> Any:  # noqa: ANN401  whatever the host returns
        result = run()
        return await result if inspect.isawaitable(result) else result

    return Step(run, arun)


def drive(steps: Steps[T], invoke: Callable[..., Any] | None = None) -> T:
    """Do every step in this thread, calling the guarded callable with ``invoke``, and return the flow's result."""
    with closing(steps):
        result: Any = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                ended: T = end.value
                return ended
            # Outside the try block, as a StopIteration of the guarded callable is its own.
            result = step.run() if isinstance(step, Step) else _callable(invoke)(*step.args, **step.kwargs)


async def adrive(steps: Steps[T], invoke: Callable[..., Awaitable[Any]] | None = None) -> T:
    """As ``drive``, in a running event loop."""
    with closing(steps):
        result: Any = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                ended: T = end.value
                return ended
            result = await (step.arun() if isinstance(step, Step) else _callable(invoke)(*step.args, **step.kwargs))


def _callable(invoke: Callable[..., Any] | None) -> Callable[..., Any]:
    if invoke is None:
        msg = "this order of work calls the guarded callable, and none was given"
        raise TypeError(msg)
    return invoke
