"""Parts that the first thread to need them loads, and that are retried after a failure."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from guardsdk.errors import ModelError
from guardsdk.forking import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_RETRY_S = 5.0
"""Seconds a failed load is remembered: retrying on every check would read and hash the files every time."""


class Loader(Generic[T]):
    """Loads once. Thread-safe, also in a forked child."""

    def __init__(self, load: Callable[[], T]) -> None:
        """Load with ``load`` on first use."""
        self._load = load
        self._loaded: T | None = None
        self._error: ModelError | None = None
        self._again_at = 0.0
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        """In a forked child: a thread of the parent may have been loading, with the lock held."""
        self._lock = threading.Lock()

    def get(self, *, again: bool = False) -> T:
        """Return the loaded part. A failed load is retried after a while, or at once if ``again``.

        Raises ``ModelError``, also if the failure was an ``OSError`` or an ``ImportError`` of the runtime.
        """
        loaded = self._loaded
        if loaded is not None:
            return loaded
        with self._lock:
            if self._loaded is None:
                if self._error is not None and not again and time.monotonic() < self._again_at:
                    raise _anew(self._error)
                try:
                    self._loaded = self._load()
                except (ModelError, ImportError, OSError) as error:
                    failure = _model_error(error)
                    self._error = _anew(failure)
                    self._again_at = time.monotonic() + _RETRY_S
                    raise failure from error.__cause__
            return self._loaded

    def change(self, change: Callable[[T], T]) -> None:
        """Replace the loaded part with ``change`` of it; do nothing if nothing is loaded."""
        with self._lock:
            if self._loaded is not None:
                self._loaded = change(self._loaded)

    def forget(self) -> None:
        """Release the loaded part."""
        with self._lock:
            self._loaded = None


def _model_error(error: Exception) -> ModelError:
    """Return ``error`` as a ``ModelError``, wrapping an ``OSError`` or ``ImportError``."""
    if isinstance(error, ModelError):
        return error
    return ModelError(f"the model cannot be loaded: {type(error).__name__}: {error}")


def _anew(error: ModelError) -> ModelError:
    """Return a fresh copy of the error: a kept traceback would keep its frames, and with them the checked text."""
    return type(error)(*error.args)
