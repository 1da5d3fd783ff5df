"""Verdicts already reached, found again by digest; no text is kept."""

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
    """Makes the cache keys of one guard, for as long as its model, policy, lessons and canaries stay the same.

    A key is two BLAKE2b digests (RFC 7693), each keyed with a secret made for this process: it cannot be matched
    against digests of guessed texts made elsewhere.
    """

    def __init__(self, *parts: str) -> None:
        """Digest ``parts``: what else a verdict depends on, besides stage, surroundings and text, and may change."""
        base = hashlib.blake2b(b"".join(map(_framed, parts)), digest_size=_DIGEST_BYTES, key=_SECRET)
        self._begun = {stage: base.copy() for stage in Stage}
        for stage, digest in self._begun.items():
            digest.update(_framed(stage.value))
        self._alone = {stage: self._digest(stage, NOWHERE) for stage in Stage}

    def key(self, stage: Stage, around: Surroundings, mark: bytes) -> bytes:
        """Return the key, 32 bytes, of one check of the text that has ``mark``; see ``belonging.mark_of``.

        Any strings will do for the surroundings, lone surrogates included.
        """
        return (self._alone[stage] if around is NOWHERE else self._digest(stage, around)) + mark

    def _digest(self, stage: Stage, around: Surroundings) -> bytes:
        digest = self._begun[stage].copy()
        digest.update(_optional(around.prompt) + _optional(around.system))
        return digest.digest()


_SECRET = secrets.token_bytes(32)


def _framed(part: str) -> bytes:
    """Put the length in front, so that two parts cannot be mistaken for one."""
    data = part.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(8, "little") + data


def _optional(part: str | None) -> bytes:
    """Keep an empty text apart from none."""
    return _ABSENT if part is None else _PRESENT + _framed(part)


class Known(NamedTuple):
    """What is remembered of one check."""

    verdict: Verdict
    embedding: NDArray[np.float32] | None
    """[H], kept where an observer asks for it: 1,536 bytes at 384 dimensions."""


class VerdictCache:
    """The most recent verdicts, each for a limited time; safe to use from many threads."""

    def __init__(self, max_entries: int, ttl_s: float) -> None:
        """Hold at most ``max_entries`` (least recently used go first), each for ``ttl_s`` seconds."""
        self._max_entries = max_entries
        self._ttl_s = ttl_s
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        """In a forked child: a thread of the parent may have held the lock, half-way through a change."""
        self._entries: TTLCache[bytes, Known] = TTLCache(maxsize=self._max_entries, ttl=self._ttl_s)
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Known | None:
        """Return what is stored under ``key``, as it was stored."""
        with self._lock:
            try:  # half the time of ``get``, which looks twice and stops the clock in between
                return self._entries[key]
            except KeyError:
                return None

    def put(self, key: bytes, verdict: Verdict, embedding: NDArray[np.float32] | None = None) -> None:
        """Store ``verdict`` under ``key``, and with it the embedding it was reached with.

        That is copied, as a view would keep the rows of others alive, and cannot be written to: every hit shares it.
        """
        if embedding is not None:
            embedding = embedding.copy()
            embedding.flags.writeable = False
        with self._lock:
            self._entries[key] = Known(verdict, embedding)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        """Return how many verdicts are held."""
        with self._lock:
            return len(self._entries)
