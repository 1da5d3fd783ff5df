"""Shares actors among many replicas through Redis, and merges what all replicas have seen. The extra ``redis``."""

from __future__ import annotations

import json
import logging
import math
import os
import re
import secrets
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import GuardError, InputError
from guardsdk.monitor.actors import DIGITS, Actor, Actors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from guardsdk.monitor.monitor import Monitor

_logger = logging.getLogger("guardsdk")

_SWAP: Final = """
local now = redis.call('GET', KEYS[1])
if (now or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""
"""Sets a key only if its value is still the one read, so that no replica overwrites another's update."""
_WILD: Final = re.compile(r"[*?\[\]\\]")
"""Wildcard characters in a Redis pattern."""
_AT_ONCE: Final = 1000
"""Actors transferred in one call."""
_PAUSE_S: Final = 5.0
"""Seconds without Redis calls after a failure: they are made under the monitor's lock, while all others wait."""


class SharedActors(Actors):
    """Actors in Redis. While it is unreachable, the process continues with its own memory.

    Every key expires after ``ttl_s``; the total is limited by the server's ``maxmemory``.
    """

    def __init__(self, local: Actors, client: Any, prefix: str, ttl_s: float) -> None:  # noqa: ANN401  a redis.Redis
        """Store actors under ``prefix`` of ``client``, and a copy in ``local``; actors in ``local`` are transferred.

        If ``local`` is itself shared, as after a change of the Redis address, its own local store is used.
        """
        self._local: Actors = local._local if isinstance(local, SharedActors) else local  # noqa: SLF001  its own class
        self._client = client
        self._prefix = prefix
        self._ttl_s = max(1, round(ttl_s))
        self._swap = client.register_script(_SWAP)
        self._read: tuple[str, bytes] | None = None
        self.problem: str | None = None
        """Why the last Redis call failed; ``None`` if it did not."""
        self._failed_s = -math.inf
        """When it last failed, by the clock of the checks."""
        self._unsaid: deque[str] = deque()
        """Problems that have not been logged yet."""
        self._handed_over = False
        try:
            self._hand_over()
        except _redis_error() as error:
            self._fail(error)

    def _hand_over(self) -> None:
        """Transfer actors restored from a state before sharing began, unless Redis already has them.

        Done once, as later a missing actor may be one that another replica was asked to forget. Raises
        ``redis.RedisError``.
        """
        if self._handed_over:
            return
        actors = list(self._local.items())
        for start in range(0, len(actors), _AT_ONCE):
            calls = self._client.pipeline(transaction=False)
            for name, data in actors[start : start + _AT_ONCE]:
                calls.set(self._key(name), data, ex=self._ttl_s, nx=True)
            calls.execute()
        self._handed_over = True

    def _key(self, pseudonym: str) -> str:
        return self._prefix + pseudonym[:DIGITS]  # a state has no more digits

    def get(self, pseudonym: str) -> Actor:
        """Return what the replicas know of the actor, or a new actor."""
        self._read = None
        if abs(self._local.now() - self._failed_s) < _PAUSE_S:
            return self._local.get(pseudonym)
        try:
            self._hand_over()
            data = self._client.get(self._key(pseudonym)) or b""
            actor = Actor.unpacked(data) if data else Actor()
        except (_redis_error(), ValueError) as error:
            self._fail(error)
            return self._local.get(pseudonym)
        self._read = (pseudonym, data)
        return actor

    def returned(self, pseudonym: str) -> bool:
        """Return whether the replicas know the actor to have ``returned``."""
        return self.get(pseudonym).returned

    def put(self, pseudonym: str, actor: Actor) -> bool:
        """Store ``actor``; false if another replica was faster, so that its update must be read first."""
        if self._read is not None and self._read[0] == pseudonym:
            arguments = [self._read[1], actor.packed(), self._ttl_s]
            try:
                if not self._swap(keys=[self._key(pseudonym)], args=arguments):
                    return False
                self.problem = None
            except _redis_error() as error:
                self._fail(error)
        return self._local.put(pseudonym, actor)

    def forget(self, pseudonym: str) -> None:
        """Remove the actor in all replicas. Raises ``GuardError`` if Redis is unreachable and so still has them."""
        self._local.forget(pseudonym)
        try:
            self._client.delete(self._key(pseudonym))
        except _redis_error() as error:
            msg = f"the actor is forgotten here but not in Redis, which cannot be reached ({type(error).__name__})"
            raise GuardError(msg) from None

    def renew(self, now: Callable[[], float]) -> None:
        """In a forked child: keep the shared memory, and start afresh with the local one."""
        self._read = None
        self._local.renew(now)

    def __len__(self) -> int:
        """Return the number of actors in the local store."""
        return len(self._local)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield the actors in the local store."""
        return self._local.items()

    def say(self) -> None:
        """Log the problems since the last call."""
        while self._unsaid:
            with suppress(IndexError):  # another thread took the last one
                found = self._unsaid.popleft()
                _logger.warning("monitor: Redis failed with %s; actors are watched per process", found)

    def _fail(self, error: Exception) -> None:
        if self.problem is None:  # once, not for every check until it is fixed
            self._unsaid.append(type(error).__name__)
        self.problem = type(error).__name__
        if not isinstance(error, ValueError):  # this concerns one actor only, so there is no need to pause
            self._failed_s = self._local.now()


class Shared:
    """Shares a monitor with other replicas that have the same key and policy."""

    def __init__(
        self,
        monitor: Monitor,
        redis: Any,  # noqa: ANN401  a redis.Redis or an address
        *,
        namespace: str = "guardsdk",
        expire_s: float = 3600.0,
    ) -> None:
        """Store the actors of ``monitor`` in Redis from now on.

        Args:
            monitor: Created with the same ``key`` (or pseudonyms) in every replica.
            redis: A ``redis.Redis`` without ``decode_responses``, or an address such as ``redis://host:6379/0``. Each
                check of a named actor makes two calls; give the client a short ``socket_timeout``.
            namespace: Prefix of the keys, used literally.
            expire_s: Seconds after which the figures of a replica that no longer publishes are dropped.

        Raises:
            InputError: The extra ``redis`` is not installed.
        """
        _redis_error()
        self._monitor = monitor
        self._client = _client(redis)
        self._namespace = namespace
        self._expire_s = max(1, round(expire_s))
        self._replica = secrets.token_hex(8)
        self.actors = monitor.share_actors(
            lambda local, ttl_s: SharedActors(local, self._client, f"{namespace}:actor:", ttl_s)
        )
        """The shared memory; its ``problem`` says why Redis could not be used."""

    def publish(self) -> None:
        """Publish what this replica has seen of the traffic, and agree on how texts are compared.

        Call it regularly, such as every ten seconds. Raises ``redis.RedisError`` if Redis is unreachable.
        """
        agreed = f"{self._namespace}:lessons by model"
        for lessons in self._monitor.lessons():
            self._client.hsetnx(agreed, lessons["model"], json.dumps(lessons))
        self._monitor.learn_from([json.loads(lessons) for lessons in self._client.hvals(agreed)])
        state = self._monitor.state(actors=False)  # actors are shared already
        replica = f"{self._replica}-{os.getpid()}"  # a forked child is a replica of its own
        self._client.set(f"{self._namespace}:replica:{replica}", json.dumps(state), ex=self._expire_s)

    def together(self) -> Monitor:
        """Return a monitor with what all replicas have published, for reports. Raises as ``publish`` does."""
        whole = self._monitor.blank()
        namespace = _WILD.sub(r"\\\g<0>", self._namespace)
        for key in sorted(self._client.scan_iter(match=f"{namespace}:replica:*")):
            data = self._client.get(key)
            if data is not None:
                whole.merge(json.loads(data), source=key.decode())
        return whole


def _redis_error() -> type[Exception]:
    try:
        from redis import RedisError  # noqa: PLC0415  an extra
    except ImportError:
        msg = "sharing a monitor needs the extra redis: pip install 'guardsdk[redis]'"
        raise InputError(msg) from None
    found: type[Exception] = RedisError
    return found


def _client(given: Any) -> Any:  # noqa: ANN401  as above
    if not isinstance(given, str):
        return given
    from redis import Redis  # noqa: PLC0415  as above

    return Redis.from_url(given, socket_timeout=0.5, socket_connect_timeout=0.5)
