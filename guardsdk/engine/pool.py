"""One loaded model per process, however many guards and threads use it."""

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
    """Return what ``classifier`` would without loading anything; none where it would have to."""
    return _POOL.loaded.get((model.ref.digest, providers, threads))


def classifier(
    model: LoadedModel, providers: Providers, threads: int | None, verified: Verified | None = None
) -> Classifier:
    """Return the classifier of this process for ``model``, loading it on the first call.

    Two calls share one when digest, providers and threads agree; whoever comes while it loads waits for it. A failure
    is not remembered: the next call tries again. In a forked child each classifier loads anew on its first use.
    Files that were ``verified`` just now are not read a second time.
    Raises ``ModelError`` or one of its kinds when the model cannot be loaded.
    """
    found = loaded(model, providers, threads)
    if found is not None:
        return found
    from guardsdk.engine.classifier import Classifier  # noqa: PLC0415  brings numpy, and most guards find one loaded

    with _POOL.lock:
        key = (model.ref.digest, providers, threads)
        if key not in _POOL.loaded:
            _POOL.loaded[key] = Classifier(model, providers, threads, verified=verified)
        return _POOL.loaded[key]


def _renew() -> None:
    """In a forked child: a thread of the parent may have held the lock."""
    _POOL.lock = threading.Lock()


after_fork(_renew)
