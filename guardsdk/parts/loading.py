"""Parts that are loaded on first use, by whichever thread comes first, and looked for again where that failed."""

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
"""How long a failed load is remembered: looking again on every check would read and hash the files every time."""


class Loader(Generic[T]):
    """Loads once; thread-safe, also in a forked child."""

    def __init__(self, load: Callable[[], T]) -> None:
        """Load with ``load`` when first asked."""
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
        """Return what was loaded. A load that failed is tried again after a while, or at once where ``again``.

        Raises ``ModelError`` also where the system or the runtime's own import failed.
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
        """Put what ``change`` makes of what was loaded in its place; nothing where nothing was."""
        with self._lock:
            if self._loaded is not None:
                self._loaded = change(self._loaded)

    def forget(self) -> None:
        """Let go of what was loaded."""
        with self._lock:
            self._loaded = None


def _model_error(error: Exception) -> ModelError:
    """Return ``error``, or where the system or the runtime's own import failed, the model's error that this is."""
    if isinstance(error, ModelError):
        return error
    return ModelError(f"the model cannot be loaded: {type(error).__name__}: {error}")


def _anew(error: ModelError) -> ModelError:
    """Return the same error anew: a kept traceback would keep its frames, and with them the checked text."""
    return type(error)(*error.args)
