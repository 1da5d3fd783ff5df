"""Batches out of single calls: what comes in while one batch is at work makes up the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")
Work = Callable[[Sequence[In]], Awaitable[Sequence[Out]]]


class Gathering(Generic[In, Out]):
    """Batches for a function that takes many. It never waits for a batch to fill up."""

    def __init__(self, work: Work[In, Out], most: int, *, at_once: int = 1) -> None:
        """Give ``work`` up to ``most`` items, in at most ``at_once`` calls at a time."""
        self._work = work
        self._most = most
        self._room = asyncio.Semaphore(at_once)
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []

    async def __call__(self, item: In) -> Out:
        """Return what the function makes of ``item``, or raise what it raised for its batch."""
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        async with self._room:
            await asyncio.sleep(0)  # whoever else is ready now comes along
            if not future.done():
                await self._run()
        return await future

    async def _run(self) -> None:
        batch = [entry for entry in self._waiting if not entry[1].done()][: self._most]
        taken = {id(future) for _, future in batch}
        self._waiting = [entry for entry in self._waiting if id(entry[1]) not in taken and not entry[1].done()]
        try:
            results = await self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  it is raised where the items came from
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
