"""The monitor: told of every check, it watches scores, rates and actors over time and raises alerts."""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from weakref import WeakSet

from cachetools import LRUCache

from guardsdk.errors import InputError
from guardsdk.monitor.alerts import tell
from guardsdk.monitor.behaviour import Everybody, Seen, answered, asked
from guardsdk.monitor.files import read_state, write_state
from guardsdk.monitor.memory import Known, Memory
from guardsdk.monitor.telling import about_actor, about_traffic
from guardsdk.monitor.traffic import glance, watched
from guardsdk.policy.monitoring import MonitorRules
from guardsdk.verdict import Stage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.monitor.actors import Actor, Actors
    from guardsdk.monitor.alerts import Alert
    from guardsdk.monitor.behaviour import Told
    from guardsdk.monitor.traffic import Glance
    from guardsdk.observing import CheckRecord
    from guardsdk.policy.model import Policy
    from guardsdk.policy.monitoring import Enforcement
    from guardsdk.telemetry.alarms import AlertReporter

    SharedActorsT = TypeVar("SharedActorsT", bound=Actors)

_KEY_BYTES: Final = 32
_PSEUDONYM_CHARACTERS: Final = 32
_KEY_CHARACTERS: Final = 16
_NANOSECONDS: Final = 1e9
_ATTEMPTS: Final = 4
_ASKED_LAST: Final = 512
"""Actors whose newest prompt waits for its answer; the embedding of each takes 1.5 kB."""


class Monitor:
    """Watches the checks of guards with one policy. Thread-safe, and cheap enough to be told of every check.

    It keeps histograms, counts, alerts and, of actors, a few numbers and sketches under pseudonyms: no text, no
    embedding, no name. Its clock is that of the checks it is told of.
    """

    wants_embedding = True

    def __init__(
        self,
        policy: Policy,
        *,
        key: bytes | None = None,
        pseudonym: Callable[[str], str] | None = None,
        on_alert: Callable[[Alert], None] | None = None,
        reporter: AlertReporter | None = None,
        references: Callable[[], Mapping[tuple[str, Stage], Sequence[float]]] | None = None,
    ) -> None:
        """Watch by the rules of ``policy``, its table ``[monitor]``.

        Args:
            policy: Says which principles are watched and, in ``policy.monitor``, from when something is told.
            key: Key of the pseudonyms that stand for actors; made for this monitor when left out. Monitors that are to
                be merged, and one that is to go on from a saved state, need the same.
            pseudonym: What makes pseudonyms in place of ``key``: that of a decision log, so that both name an actor
                alike.
            on_alert: Called with every alert, in the thread of the check that raised it. It must return quickly.
            reporter: Where alerts go in OpenTelemetry; the global providers when left out.
            references: Gives the quantiles of the benign scores of the model in use, per label and stage.
        """
        self.policy = policy
        self.rules = MonitorRules() if policy.monitor is None else policy.monitor
        self._key = secrets.token_bytes(_KEY_BYTES) if key is None else key
        self._pseudonym = self._keyed if pseudonym is None else pseudonym
        self._reporter = reporter
        self._listeners = [self._report, *(() if on_alert is None else (on_alert,))]
        self._references: Callable[[], Mapping[tuple[str, Stage], Sequence[float]]] = (
            dict if references is None else references
        )
        self._watched = watched(policy)
        self._asked_last: LRUCache[str, NDArray[np.float32]] = LRUCache(_ASKED_LAST)
        self._lock = threading.Lock()
        self._chance = random.Random().random  # noqa: S311  ranks among equals, nothing secret
        self._memory = self._blank()
        _MONITORS.add(self)

    def _blank(self) -> Memory:
        return Memory(self.rules, self._references, lambda: self._pseudonym("guardsdk sketches").encode())

    @property
    def checks(self) -> int:
        """Checks it was told of."""
        return self._memory.checks

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The newest alerts, oldest first."""
        with self._lock:
            return tuple(self._memory.alerts.kept)

    @property
    def suppressed(self) -> int:
        """Alerts not raised because the same one had been, within the cool-down."""
        with self._lock:
            return self._memory.alerts.suppressed

    def on_check(self, record: CheckRecord) -> None:
        """Take note of one check."""
        verdict = record.verdict
        seen = glance(verdict, self._watched, self.rules.band)
        pseudonym = None if record.actor is None else self._pseudonym(record.actor)
        time_s = record.started_ns / _NANOSECONDS
        with self._lock:
            memory = self._memory
            memory.now_s = max(memory.now_s, time_s)
            memory.checks += 1
            if record.embedding is not None and seen.stage is Stage.INPUT:
                self._memory.sketcher.learn(record.embedding)
            raised = [*self._of_traffic(record, seen, time_s)]
            if pseudonym is not None and verdict.status is not Status.FAILED:
                raised += self._of_actor(pseudonym, record, seen, time_s)
            fresh = [alert for alert in raised if self._memory.alerts.add(alert)]
        for alert in fresh:
            tell(self._listeners, alert)

    @property
    def limiter(self) -> Self | None:
        """The monitor itself where the policy asks for enforcement, else none."""
        return None if self.rules.enforcement is None else self

    def limits(self, actor: str, now_ns: int) -> Enforcement | None:
        """Return what holds for ``actor`` at ``now_ns``, nanoseconds since the epoch; none where nothing does."""
        pseudonym = self._pseudonym(actor)
        with self._lock:
            until_s = self._memory.actors.get(pseudonym).limited_until_s
        return self.rules.enforcement if now_ns / _NANOSECONDS < until_s else None

    def forget(self, actor: str) -> None:
        """Forget everything about ``actor``, and drop the alerts about them."""
        pseudonym = self._pseudonym(actor)
        with self._lock:
            self._memory.actors.forget(pseudonym)
            self._asked_last.pop(pseudonym, None)
            self._memory.alerts.forget(pseudonym)

    def follow(self, policy: Policy) -> None:
        """Watch the principles of ``policy`` from now on, as where a guard was taught one; the rules stay."""
        self.policy, self._watched = policy, watched(policy)

    def listen(self, listener: Callable[[Alert], None]) -> None:
        """Call ``listener`` too with every alert from now on."""
        self._listeners.append(listener)

    def state(self) -> dict[str, Any]:
        """Return everything remembered as JSON values: figures, digests, pseudonyms and sketches, and no text."""
        with self._lock:
            return self._memory.state(self._known())

    def save(self, path: str | Path) -> None:
        """Write the state to ``path``, whole or not at all, readable by its owner only. Raises ``OSError``."""
        write_state(Path(path), self.state())

    def load(self, path: str | Path) -> None:
        """Add the state at ``path`` to what is remembered: of an earlier run of this process, or of another one.

        Raises ``InputError`` where the file holds none or one with other pseudonyms, ``OSError`` where it cannot be
        read.
        """
        self.merge(read_state(Path(path)), source=str(path))

    def merge(self, state: Mapping[str, Any], *, source: str = "state") -> None:
        """Add ``state``, what ``Monitor.state`` returned in another process. Raises ``InputError`` as ``load`` does."""
        other = self._blank()
        other.restore(state, source)
        if state.get("key") != self._known().key:
            msg = f"{source}: its actors have other pseudonyms; make both monitors with the same key"
            raise InputError(msg)
        with self._lock:
            self._memory.merge(other)

    def blank(self) -> Monitor:
        """Return a monitor of the same policy and pseudonyms that has seen nothing."""
        return Monitor(self.policy, pseudonym=self._pseudonym, references=self._references)

    def share_actors(self, make: Callable[[Actors, float], SharedActorsT]) -> SharedActorsT:
        """Keep actors in what ``make`` returns, given the actors here and how long they are kept, in seconds."""
        with self._lock:
            shared = make(self._memory.actors, self.rules.actors.ttl_s)
            self._memory.actors = shared
        return shared

    def lessons(self) -> dict[str, Any] | None:
        """Return what was learned of embeddings as JSON values; none before enough was."""
        with self._lock:
            return self._memory.sketcher.state()

    def learn_from(self, lessons: dict[str, Any]) -> None:
        """Compare texts by ``lessons`` of another monitor from now on. Raises ``InputError`` where they are none."""
        with self._lock:
            try:
                self._memory.sketcher.restore(lessons)
            except (KeyError, TypeError, ValueError):
                msg = "these are no lessons of a monitor"
                raise InputError(msg) from None

    def _known(self) -> Known:
        return Known(self.policy.ref.model_dump(), self._pseudonym("guardsdk monitor")[:_KEY_CHARACTERS])

    def _report(self, alert: Alert) -> None:
        if self._reporter is None:
            # With the first alert: most monitors never have one, and OpenTelemetry is slow to import.
            from guardsdk.telemetry.alarms import AlertReporter  # noqa: PLC0415

            self._reporter = AlertReporter()
        self._reporter.report(**alert.figures, time_ns=alert.time_ns)

    def pseudonym(self, actor: str) -> str:
        """Return what stands for ``actor`` in alerts: 32 hexadecimal digits of an HMAC-SHA-256 (RFC 2104)."""
        return self._pseudonym(actor)

    def _keyed(self, actor: str) -> str:
        digest = hmac.digest(self._key, actor.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return digest.hex()[:_PSEUDONYM_CHARACTERS]

    def _sketch(self, pseudonym: str, record: CheckRecord) -> bytes | None:
        """Return the sketch of the actor's text, on stage output of the one that it answers."""
        embedding = record.embedding
        if record.verdict.stage is Stage.OUTPUT:
            embedding = self._asked_last.get(pseudonym)
        return None if embedding is None else self._memory.sketcher.sketch(embedding)

    def _of_traffic(self, record: CheckRecord, seen: Glance, time_s: float) -> Iterator[Alert]:
        for change in self._memory.traffic.take(record.verdict, seen, time_s, self._chance):
            yield about_traffic(change, record, self._memory.traffic.since_model)
            change.series.begin_anew()

    def _of_actor(self, pseudonym: str, record: CheckRecord, seen: Glance, time_s: float) -> list[Alert]:
        if seen.stage is Stage.TOOL:  # what a document says is no deed of the actor
            return []
        enforced = self.rules.enforcement
        told: list[Told] = []
        for _ in range(_ATTEMPTS):  # more than once only where replicas share actors and another one was quicker
            actor = self._memory.actors.get(pseudonym)
            told = [*self._told(actor, pseudonym, record, seen, time_s)]
            if enforced is not None and any(one.kind in enforced.kinds for one in told):
                actor.limited_until_s = time_s + enforced.for_s
            if self._memory.actors.put(pseudonym, actor):
                break
        return [about_actor(one, pseudonym, record) for one in told]

    def _told(self, actor: Actor, pseudonym: str, record: CheckRecord, seen: Glance, time_s: float) -> Iterator[Told]:
        rules = self.rules
        refusal = record.verdict.scores.get("refusal", 0.0)
        now = Seen(time_s, seen.closeness, seen.held, lambda: self._sketch(pseudonym, record), refusal)
        if seen.stage is Stage.OUTPUT:
            return answered(actor, now, rules.actors, rules.adjacent)
        share = self._memory.traffic.share
        everybody = Everybody(
            blocked=share(Stage.INPUT, "blocked", actor.blocks + 1.0, actor.checks + 1.0),
            adjacent=share(Stage.INPUT, "adjacent", actor.adjacent + 1.0, actor.checks + 1.0),
        )
        if record.embedding is not None:
            self._asked_last[pseudonym] = record.embedding
        return asked(actor, now, everybody, rules.actors, rules.adjacent)


_MONITORS: WeakSet[Monitor] = WeakSet()


def _renew_locks() -> None:
    """In a forked child: a thread of the parent may have been told of a check, with the lock held."""
    for monitor in list(_MONITORS):
        monitor._lock = threading.Lock()  # noqa: SLF001  same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
