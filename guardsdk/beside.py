"""Work in a second thread, for what releases the interpreter lock: opening a model, hashing its files, running it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")


class Beside(Generic[T]):
    """Does ``work`` while the block under ``with`` runs; the end of the block waits for it, so nothing is left behind.

    Where no thread can be had (the interpreter is shutting down, the system allows no more) it is done first.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        """Take what is to be done."""
        self._work = work
        self._done: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="guardsdk-beside")

    def _run(self) -> None:
        try:
            self._done.append(self._work())
        except BaseException as error:  # noqa: BLE001  raised again where the result is asked for
            self._error = error

    def __enter__(self) -> Self:
        """Begin."""
        try:
            self._thread.start()
        except RuntimeError:
            self._run()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the end."""
        self._join()

    def _join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def result(self) -> T:
        """Wait for what comes of it, and return that. Raises what the work raised."""
        self._join()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # its traceback holds this frame, which would hold it
        return self._done[0]
