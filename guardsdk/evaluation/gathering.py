"""Batches single calls: items that arrive while one batch is processed form the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")
Work = Callable[[Sequence[In]], Awaitable[Sequence[Out]]]


class Gathering(Generic[In, Out]):
    """Batches items for a function that takes many. It never waits for a batch to fill up."""

    def __init__(self, work: Work[In, Out], most: int, *, at_once: int = 1) -> None:
        """Call ``work`` with up to ``most`` items, in at most ``at_once`` concurrent calls."""
        self._work = work
        self._most = most
        self._room = asyncio.Semaphore(at_once)
        self._waiting: list[tuple[In, asyncio.Future[Out]]] = []

    async def __call__(self, item: In) -> Out:
        """Return the function's result for ``item``, or raise what it raised for its batch."""
        future: asyncio.Future[Out] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        async with self._room:
            await asyncio.sleep(0)  # lets other tasks that are ready join the batch
            if not future.done():
                await self._run()
        return await future

    async def _run(self) -> None:
        batch = [entry for entry in self._waiting if not entry[1].done()][: self._most]
        taken = {id(future) for _, future in batch}
        self._waiting = [entry for entry in self._waiting if id(entry[1]) not in taken and not entry[1].done()]
        try:
            results = await self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001  raised for each item of the batch
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
