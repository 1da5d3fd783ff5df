"""Runs work that releases the interpreter lock in a second thread: opening a model, hashing its files, running it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")


class Beside(Generic[T]):
    """Runs ``work`` in a thread while the ``with`` block runs. Leaving the block waits for the thread to end.

    If no thread can be started (the interpreter is shutting down, the system allows no more), the work runs first.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        """Take the function to run."""
        self._work = work
        self._done: list[T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="guardsdk-beside")

    def _run(self) -> None:
        try:
            self._done.append(self._work())
        except BaseException as error:  # noqa: BLE001  re-raised by ``result``
            self._error = error

    def __enter__(self) -> Self:
        """Start the work."""
        try:
            self._thread.start()
        except RuntimeError:
            self._run()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the work to end."""
        self._join()

    def _join(self) -> None:
        if self._thread.ident is not None:
            self._thread.join()

    def result(self) -> T:
        """Wait for the work and return its result. Raises what the work raised."""
        self._join()
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None  # its traceback refers to this frame, which would refer back to it
        return self._done[0]
