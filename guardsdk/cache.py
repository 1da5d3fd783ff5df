"""The verdict cache, keyed by digest; no text is stored."""

from __future__ import annotations

import hashlib
import secrets
import threading
from typing import TYPE_CHECKING, NamedTuple

from cachetools import TTLCache

from guardsdk.forking import after_fork
from guardsdk.surroundings import NOWHERE
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.surroundings import Surroundings
    from guardsdk.verdict import Verdict

_DIGEST_BYTES = 16
_ABSENT = b"-"
_PRESENT = b"+"


class Keys:
    """Makes one guard's cache keys, valid while its model, policy, lessons and canaries stay the same.

    A key is two BLAKE2b digests (RFC 7693), each keyed with a secret of this process, so it cannot be matched against
    digests of guessed texts made elsewhere.
    """

    def __init__(self, *parts: str) -> None:
        """Digest ``parts``: what else a verdict depends on, besides stage, surroundings and text, and may change."""
        base = hashlib.blake2b(b"".join(map(_framed, parts)), digest_size=_DIGEST_BYTES, key=_SECRET)
        self._begun = {stage: base.copy() for stage in Stage}
        for stage, digest in self._begun.items():
            digest.update(_framed(stage.value))
        self._alone = {stage: self._digest(stage, NOWHERE) for stage in Stage}

    def key(self, stage: Stage, around: Surroundings, mark: bytes) -> bytes:
        """Return the 32-byte key for checking the text with digest ``mark``; see ``belonging.mark_of``.

        The surroundings may be any strings, including ones with lone surrogates.
        """
        return (self._alone[stage] if around is NOWHERE else self._digest(stage, around)) + mark

    def _digest(self, stage: Stage, around: Surroundings) -> bytes:
        digest = self._begun[stage].copy()
        digest.update(_optional(around.prompt) + _optional(around.system))
        return digest.digest()


_SECRET = secrets.token_bytes(32)


def _framed(part: str) -> bytes:
    """Prefix the length, so that two parts cannot be confused with one."""
    data = part.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "little") + data


def _optional(part: str | None) -> bytes:
    """Keep an empty text distinct from none."""
    return _ABSENT if part is None else _PRESENT + _framed(part)


class Known(NamedTuple):
    """What is cached of one check."""

    verdict: Verdict
    embedding: NDArray[np.float32] | None
    """[H], kept if an observer asks for it: 1,536 bytes at 384 dimensions."""


class VerdictCache:
    """The most recently used verdicts, each for a limited time. Thread-safe."""

    def __init__(self, max_entries: int, ttl_s: float) -> None:
        """Hold at most ``max_entries`` (least recently used go first), each for ``ttl_s`` seconds."""
        self._max_entries = max_entries
        self._ttl_s = ttl_s
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        """In a forked child: another thread of the parent may have held the lock in the middle of a change."""
        self._entries: TTLCache[bytes, Known] = TTLCache(maxsize=self._max_entries, ttl=self._ttl_s)
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Known | None:
        """Return what is stored under ``key``, unchanged, or ``None``."""
        with self._lock:
            try:  # half the cost of ``get``, which looks up twice and stops the timer in between
                return self._entries[key]
            except KeyError:
                return None

    def put(self, key: bytes, verdict: Verdict, embedding: NDArray[np.float32] | None = None) -> None:
        """Store ``verdict`` and the embedding it was reached with under ``key``.

        The embedding is copied, as a view would keep the rows of other texts alive, and made read-only: all hits share
        it.
        """
        if embedding is not None:
            embedding = embedding.copy()
            embedding.flags.writeable = False
        with self._lock:
            self._entries[key] = Known(verdict, embedding)

    def clear(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        """Return the number of verdicts held."""
        with self._lock:
            return len(self._entries)
