"""One loaded model per process, shared by all guards and threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from guardsdk.forking import after_fork

if TYPE_CHECKING:
    from guardsdk.engine.classifier import Classifier
    from guardsdk.registry.lookup import LoadedModel, Verified
    from guardsdk.settings import Providers

_Key = tuple[str, str, int | None]


class _Pool:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loaded: dict[_Key, Classifier] = {}


_POOL = _Pool()


def loaded(model: LoadedModel, providers: Providers, threads: int | None) -> Classifier | None:
    """Return what ``classifier`` would, but without loading; ``None`` if it would have to load."""
    return _POOL.loaded.get((model.ref.digest, providers, threads))


def classifier(
    model: LoadedModel, providers: Providers, threads: int | None, verified: Verified | None = None
) -> Classifier:
    """Return the process-wide classifier for ``model``, loading it on the first call.

    Calls with the same digest, providers and threads share one classifier; callers that arrive while it loads wait.
    Failures are not cached: the next call tries again. In a forked child each classifier reloads on first use. Files
    that were just ``verified`` are not read again. Raises ``ModelError`` or a subclass if the model cannot be loaded.
    """
    found = loaded(model, providers, threads)
    if found is not None:
        return found
    from guardsdk.engine.classifier import Classifier  # noqa: PLC0415  imports numpy, and most guards find a loaded one

    with _POOL.lock:
        key = (model.ref.digest, providers, threads)
        if key not in _POOL.loaded:
            _POOL.loaded[key] = Classifier(model, providers, threads, verified=verified)
        return _POOL.loaded[key]


def _renew() -> None:
    """In a forked child: a thread of the parent may have held the lock."""
    _POOL.lock = threading.Lock()


after_fork(_renew)
