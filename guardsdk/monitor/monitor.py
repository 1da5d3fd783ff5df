"""The monitor: told of every check, it watches scores, rates and actors over time and raises alerts."""

from __future__ import annotations

import random
import secrets
import threading
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from guardsdk.errors import GuardError, InputError, InputTypeError
from guardsdk.forking import after_fork
from guardsdk.keys import require_key
from guardsdk.monitor.alerts import require_listener, tell
from guardsdk.monitor.files import read_state, write_state
from guardsdk.monitor.memory import Known, Memory
from guardsdk.monitor.telling import about_actor, about_model, about_traffic
from guardsdk.monitor.traffic import glance, watched
from guardsdk.monitor.waiting import Waiting
from guardsdk.policy.model import Policy
from guardsdk.policy.monitoring import MonitorRules
from guardsdk.pseudonyms import Pseudonyms
from guardsdk.verdict import Stage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from guardsdk.monitor.actors import Actors
    from guardsdk.monitor.alerts import Alert
    from guardsdk.monitor.weighing import Weighing
    from guardsdk.observing import CheckRecord
    from guardsdk.policy.monitoring import Enforcement
    from guardsdk.telemetry.reporters import AlertReporter

    SharedActorsT = TypeVar("SharedActorsT", bound=Actors)

_KEY_BYTES: Final = 32
_KEY_CHARACTERS: Final = 16
_NANOSECONDS: Final = 1e9


class Monitor:
    """Watches the checks of guards with one policy. Thread-safe, and cheap enough to be told of every check.

    It keeps histograms, counts, alerts and, of actors, a few numbers and sketches under pseudonyms: no text, no
    embedding, no name. Its clock is that of the checks it is told of. What an actor did is weighed at once; the figures
    of a check are filed with those of the next few, at the latest by whoever looks at them.
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
            on_alert: Called with every alert in the thread of a check: the one that raised it or, of an alert about the
                traffic, one soon after; or in that of whoever looks first. It must return quickly.
            reporter: Where alerts go in OpenTelemetry; the global providers when left out.
            references: Gives the quantiles of the benign scores of the model in use, per label and stage. Asked once
                for each model, after a check by it.

        Raises:
            InputTypeError: ``policy`` is none, ``key`` is not bytes, or ``on_alert`` is async or cannot be called.
            InputError: ``key`` is empty: everybody could tell whom a pseudonym stands for.
        """
        if not isinstance(policy, Policy):
            msg = f"policy must be a Policy, such as load_policy(path) returns, not {type(policy).__name__}"
            raise InputTypeError(msg)
        if on_alert is not None:
            require_listener(on_alert, "on_alert")
        self.policy = policy
        self.rules = MonitorRules() if policy.monitor is None else policy.monitor
        if pseudonym is None:
            pseudonym = Pseudonyms(_key_of(key)).of
        self._pseudonym = pseudonym
        self._reporter = reporter
        self._listeners = [self._report, *filter(None, [on_alert])]
        self._references = references or dict
        self._watched = watched(policy)
        self._weighing: Weighing | None = None
        self._lock, self._waiting = threading.Lock(), Waiting()
        self._fresh: deque[Alert] = deque()
        """Alerts that nobody was told of yet."""
        self._chance = random.Random().random  # noqa: S311  ranks among equals, nothing secret
        self._memory = self._blank()
        after_fork(self._renew)

    def _blank(self) -> Memory:
        return Memory(self.rules, lambda: self._pseudonym("guardsdk sketches").encode())

    @property
    def checks(self) -> int:
        """Checks it was told of."""
        with self._up_to_date() as memory:
            return memory.checks

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The newest alerts, oldest first."""
        with self._up_to_date() as memory:
            return tuple(memory.alerts.kept)

    @property
    def suppressed(self) -> int:
        """Alerts not raised because the same one had been, within the cool-down."""
        with self._up_to_date() as memory:
            return memory.alerts.suppressed

    def on_check(self, record: CheckRecord) -> None:
        """Take note of one check."""
        verdict = record.verdict
        if verdict.model is not None and not self._memory.traffic.scores.refers(verdict.model.digest):
            self._refer(verdict.model.digest)
        # What a document says is no deed of the actor.
        if record.actor is None or verdict.stage is Stage.TOOL or verdict.status is Status.FAILED:
            if self._waiting.add(record):
                self.catch_up()
            return
        seen = glance(verdict, self._watched, self.rules.band)
        pseudonym, time_s = self._pseudonym(record.actor), record.started_ns / _NANOSECONDS
        with self._lock:
            self._memory.tick(time_s)
            # At once where the model is another one: what an actor did is weighed by what is known of that.
            if self._waiting.add(record, seen) or self._memory.traffic.is_new(seen):
                self._file()
            # What passes of a text, or of a conversation, that is weighed by itself is no other deed. And an actor who
            # goes on close to a threshold that was lowered for them would never get out again.
            if not seen.lowered and (seen.held or not record.again):
                weighing = self._weighing or self._weigher()
                for told in weighing.weigh(self._memory, pseudonym, record, seen, self._file, self._chance):
                    self._raise(about_actor(told, pseudonym, record))
        self._tell()

    def _refer(self, model: str) -> None:
        """Ask for the references of ``model``, without the lock: whoever is asked may have to load it."""
        try:
            found = self._references()
        except GuardError:  # it is not there any more
            return
        with self._lock:
            self._memory.traffic.scores.refer(model, found)

    def catch_up(self) -> None:
        """File the checks that wait to be filed with others, and tell of what they show."""
        with self._up_to_date():
            pass

    @contextmanager
    def _up_to_date(self) -> Iterator[Memory]:
        """Lock the memory, with every check it was told of in it."""
        with self._lock:
            self._file()
            yield self._memory
        self._tell()

    def _tell(self) -> None:
        """Say what is new. The lock is free: a listener, or a handler of the log, may come back with a check."""
        if self._fresh:
            tell(self._listeners, self._fresh)
        self._memory.actors.say()

    def _file(self) -> None:
        """Put the figures of the checks that wait where they belong; the lock is held."""
        memory = self._memory
        for record, known in self._waiting.taken():
            verdict, time_s = record.verdict, record.started_ns / _NANOSECONDS
            seen = glance(verdict, self._watched, self.rules.band) if known is None else known
            memory.tick(time_s)
            memory.checks += 1
            # One text over and over, as a probe of a service sends, teaches nothing new.
            if seen.stage is Stage.INPUT and record.embedding is not None and not verdict.cached:
                memory.sketchers.learn(seen.model, record.embedding)
            before = memory.traffic.meet(verdict, seen, time_s)
            if before is not None:
                self._raise(about_model(record, before, memory.traffic.count(seen.stage)))
            for change in memory.traffic.take(verdict, seen, time_s, memory.now_s, self._chance):
                alert = about_traffic(change, record, memory.traffic.since_model)
                change.series.begin_anew()
                self._raise(alert)

    def _weigher(self) -> Weighing:
        """Return who weighs what actors do; the lock is held."""
        if self._weighing is None:
            from guardsdk.monitor.weighing import Weighing  # noqa: PLC0415  many guards are never told of an actor

            self._weighing = Weighing(self.rules)
        return self._weighing

    def _raise(self, alert: Alert) -> None:
        """Keep ``alert`` unless it is cooling down, to be told of once the lock, which is held, is free."""
        if self._memory.alerts.add(alert):
            self._fresh.append(alert)

    @property
    def limiter(self) -> Self | None:
        """The monitor itself where the policy asks for enforcement, else none."""
        return None if self.rules.enforcement is None else self

    def limits(self, actor: str, now_ns: int) -> Enforcement | None:
        """Return what holds for ``actor`` at ``now_ns``, nanoseconds since the epoch; none where nothing does."""
        pseudonym = self._pseudonym(actor)
        with self._lock:
            left_s = self._memory.actors.get(pseudonym).limited_until_s - now_ns / _NANOSECONDS
        self._memory.actors.say()
        rules = self.rules.enforcement
        # More than is ever given was given by a clock that was ahead; clocks of replicas differ a little.
        return rules if rules is not None and 0.0 < left_s <= 2.0 * rules.for_s else None

    def forget(self, actor: str) -> None:
        """Forget everything about ``actor``, and drop the alerts about them.

        Raises ``GuardError`` where replicas share actors and only this one could forget.
        """
        pseudonym = self._pseudonym(actor)
        with self._up_to_date() as memory:
            self._weigher().lately.forget(pseudonym)
            memory.alerts.forget(pseudonym)
            memory.actors.forget(pseudonym)  # last, for where replicas share them it may fail

    def follow(self, policy: Policy) -> None:
        """Watch the principles of ``policy`` from now on, as where a guard was taught one; the rules stay."""
        with self._up_to_date():  # what came before was judged by the other
            self.policy, self._watched = policy, watched(policy)

    def listen(self, listener: Callable[[Alert], None]) -> None:
        """Call ``listener`` too with every alert from now on; one that listens already is called once all the same.

        Raises ``InputTypeError`` where it is async or cannot be called.
        """
        require_listener(listener, "listener")
        if listener not in self._listeners:
            self._listeners.append(listener)

    def state(self, *, actors: bool = True) -> dict[str, Any]:
        """Return everything remembered as JSON values: figures, digests, pseudonyms and sketches, and no text.

        Without ``actors`` nothing of them but the alerts: of many they are most of it, and checks wait meanwhile.
        """
        with self._up_to_date() as memory:
            return memory.state(self._known(), actors=actors)

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
        with self._up_to_date() as memory:
            memory.merge(other)

    def blank(self) -> Monitor:
        """Return a monitor of the same policy and pseudonyms that has seen nothing."""
        return Monitor(self.policy, pseudonym=self._pseudonym, references=self._references)

    def share_actors(self, make: Callable[[Actors, float], SharedActorsT]) -> SharedActorsT:
        """Keep actors in what ``make`` returns, given the actors here and how long they are kept, in seconds."""
        with self._lock:
            self._memory.actors = shared = make(self._memory.actors, self.rules.actors.ttl_s)
        return shared

    def lessons(self) -> list[dict[str, Any]]:
        """Return what was learned of the embeddings of each model as JSON values; nothing before enough was."""
        with self._up_to_date() as memory:
            return memory.sketchers.state()

    def learn_from(self, lessons: Sequence[dict[str, Any]]) -> None:
        """Compare texts by ``lessons`` of other monitors from now on, those of models that were seen here.

        Raises ``InputError`` where they are none.
        """
        with self._lock:
            self._memory.sketchers.learn_from(lessons)

    def _known(self) -> Known:
        return Known(self.policy.ref.model_dump(), self._pseudonym("guardsdk monitor")[:_KEY_CHARACTERS])

    def _report(self, alert: Alert) -> None:
        if self._reporter is None:
            from guardsdk.telemetry.reporters import AlertReporter  # noqa: PLC0415  slow; most monitors never alert

            self._reporter = AlertReporter()
        self._reporter.report(**alert.figures, time_ns=alert.time_ns)

    def pseudonym(self, actor: str) -> str:
        """Return what stands for ``actor`` in alerts: 32 hexadecimal digits of an HMAC-SHA-256 (RFC 2104)."""
        return self._pseudonym(actor)

    def _renew(self) -> None:
        """In a forked child: begin with nothing counted; a thread of the parent may have been at it, lock in hand."""
        self._lock, self._waiting, self._fresh = threading.Lock(), Waiting(), deque()
        self._chance = random.Random().random  # noqa: S311  as above; the parent's would give both the same
        parent, self._memory = self._memory, self._blank()
        self._memory.follow(parent)


def _key_of(given: bytes | None) -> bytes:
    if given is None:
        return secrets.token_bytes(_KEY_BYTES)
    require_key(given, "key")
    return given
