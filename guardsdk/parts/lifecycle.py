"""The lifecycle of a guard: it lasts until it is closed, in the process that created it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, Self

from guardsdk.calling.steps import in_thread
from guardsdk.errors import GuardError

if TYPE_CHECKING:
    from guardsdk.cache import VerdictCache
    from guardsdk.decisions.log import DecisionLog
    from guardsdk.monitor.monitor import Monitor
    from guardsdk.parts.loading import Loader


class Lifecycle:
    """A mixin for ``Guard``: closing, ``with`` and no pickling."""

    _closed: bool
    _loader: Loader[Any]
    _cache: VerdictCache | None
    _log: DecisionLog | None
    _monitor: Monitor | None

    def close(self) -> None:
        """Release model and cache and flush monitor and decision log; every later check raises ``GuardError``.

        Raises ``DecisionLogError`` if the log cannot be flushed. Closing twice is harmless.
        """
        self._closed = True
        if self._monitor is not None:
            self._monitor.catch_up()
        self._loader.forget()
        if self._cache is not None:
            self._cache.clear()
        if self._log is not None:
            self._log.flush()

    def __enter__(self) -> Self:
        """Return the guard itself."""
        self._require_open()
        return self

    def __exit__(self, *_: object) -> None:
        """Close the guard."""
        self.close()

    async def __aenter__(self) -> Self:
        """Return the guard itself; nothing is loaded yet."""
        self._require_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the guard in a worker thread, as this may wait for a disk."""
        await in_thread(self.close)

    def __reduce__(self) -> Never:
        """Refuse copying and pickling: a loaded model and its locks belong to their process."""
        msg = (
            "a guard is neither copied nor pickled: every process makes its own, for one in the initializer of a pool; "
            "what is sent there is its policy and its options"
        )
        raise TypeError(msg)

    def _require_open(self) -> None:
        if self._closed:
            msg = "the guard is closed"
            raise GuardError(msg)
