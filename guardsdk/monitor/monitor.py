"""The monitor: an observer that tracks scores, rates and actors over time and raises alerts."""

from __future__ import annotations

import random
import secrets
import threading
from collections import deque
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from guardsdk.errors import GuardError, InputError, reject_type
from guardsdk.forking import after_fork
from guardsdk.keys import require_key
from guardsdk.monitor.alerts import require_functions, require_reporter, tell
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
    """Monitors the checks of guards with one policy. Thread-safe, and cheap enough to see every check.

    It keeps histograms, counts, alerts and, per actor, a few numbers and sketches under a pseudonym: no text, embedding
    or name. Its clock is that of the checks. An actor's behaviour is evaluated at once. The figures of a check are
    aggregated together with the next few, at the latest when somebody reads them.
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
        """Monitor by the rules in the table ``[monitor]`` of ``policy``.

        Args:
            policy: Says which principles are monitored and, in ``policy.monitor``, when to raise an alert.
            key: Key of the actors' pseudonyms; by default a random one. Monitors to be merged, and one that continues
                from a saved state, need the same key.
            pseudonym: Function that makes the pseudonyms, in place of ``key``: that of a decision log, so that both use
                the same ones.
            on_alert: Called with every alert in the thread of a check: the one that raised it or, for an alert about
                the traffic, a slightly later one; or in the thread of whoever reads first. It must return quickly.
            reporter: Sends alerts to OpenTelemetry; defaults to the global providers.
            references: Returns the quantiles of benign scores of the model in use, per label and stage. Called once per
                model, after a check with it.

        Raises:
            InputTypeError: ``policy``, ``key`` or ``reporter`` is of another type, or a function is none or async.
            InputError: ``key`` is empty: anybody could resolve a pseudonym.
        """
        if not isinstance(policy, Policy):
            reject_type("policy", "a Policy, such as load_policy(path) returns,", policy)
        functions = {"on_alert": on_alert, "pseudonym": pseudonym, "references": references}
        require_functions(**{name: one for name, one in functions.items() if one is not None})
        if reporter is not None:
            require_reporter(reporter)
        self.policy = policy
        self.rules = MonitorRules() if policy.monitor is None else policy.monitor
        self._pseudonym = Pseudonyms(_key_of(key)).of if pseudonym is None else pseudonym
        self._reporter = reporter
        self._listeners = [self._report, *filter(None, [on_alert])]
        self._references = references or dict
        self._watched = watched(policy)
        self._weighing: Weighing | None = None
        self._lock, self._waiting = threading.Lock(), Waiting()
        self._fresh: deque[Alert] = deque()
        """Alerts that no listener has been notified of yet."""
        self._chance = random.Random().random  # noqa: S311  breaks ties between ranks; not a secret
        self._memory = self._blank()
        after_fork(self._renew)

    def _blank(self) -> Memory:
        return Memory(self.rules, lambda: self._pseudonym("guardsdk sketches").encode())

    @property
    def checks(self) -> int:
        """The number of checks seen."""
        with self._up_to_date() as memory:
            return memory.checks

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The newest alerts, oldest first."""
        with self._up_to_date() as memory:
            return tuple(memory.alerts.kept)

    @property
    def suppressed(self) -> int:
        """The number of alerts suppressed because the same one had been raised within the cool-down."""
        with self._up_to_date() as memory:
            return memory.alerts.suppressed

    def on_check(self, record: CheckRecord) -> None:
        """Record one check."""
        verdict = record.verdict
        if verdict.model is not None and not self._memory.traffic.scores.refers(verdict.model.digest):
            self._refer(verdict.model.digest)
        # The text of a document is not the actor's behaviour.
        if record.actor is None or verdict.stage is Stage.TOOL or verdict.status is Status.FAILED:
            if self._waiting.add(record):
                self.catch_up()
            return
        seen = glance(verdict, self._watched, self.rules.band)
        pseudonym, time_s = self._pseudonym(record.actor), record.started_ns / _NANOSECONDS
        with self._lock:
            self._memory.tick(time_s)
            # At once if the model changed: an actor's behaviour is evaluated by what is known of the model.
            if self._waiting.add(record, seen) or self._memory.traffic.is_new(seen):
                self._file()
            # Passing parts of a text or conversation that is also checked as a whole do not count again. And an actor
            # who stays close to a lowered threshold must not be limited for ever.
            if not seen.lowered and (seen.held or not record.again):
                weighing = self._weighing or self._weigher()
                for told in weighing.weigh(self._memory, pseudonym, record, seen, self._file, self._chance):
                    self._raise(about_actor(told, pseudonym, record))
        self._tell()

    def _refer(self, model: str) -> None:
        """Request the references of ``model``, without the lock, as the caller may have to load it."""
        try:
            found = self._references()
        except GuardError:  # no longer available
            return
        with self._lock:
            self._memory.traffic.scores.refer(model, found)

    def catch_up(self) -> None:
        """Aggregate the waiting checks and raise the alerts that result."""
        with self._up_to_date():
            pass

    @contextmanager
    def _up_to_date(self) -> Iterator[Memory]:
        """Lock the memory, with every check seen so far included."""
        with self._lock:
            self._file()
            yield self._memory
        self._tell()

    def _tell(self) -> None:
        """Notify listeners of new alerts. The lock is free, as a listener or a log handler may check a text."""
        if self._fresh:
            tell(self._listeners, self._fresh)
        self._memory.actors.say()

    def _file(self) -> None:
        """Aggregate the figures of the waiting checks; the lock is held."""
        memory = self._memory
        for record, known in self._waiting.taken():
            verdict, time_s = record.verdict, record.started_ns / _NANOSECONDS
            seen = glance(verdict, self._watched, self.rules.band) if known is None else known
            memory.tick(time_s)
            memory.checks += 1
            # Repetitions of one text, as from a health probe, teach nothing new.
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
        """Return the object that evaluates actors; the lock is held."""
        if self._weighing is None:
            from guardsdk.monitor.weighing import Weighing  # noqa: PLC0415  many guards never see an actor

            self._weighing = Weighing(self.rules)
        return self._weighing

    def _raise(self, alert: Alert) -> None:
        """Keep ``alert`` unless it is in cool-down; listeners are notified once the lock, which is held, is free."""
        if self._memory.alerts.add(alert):
            self._fresh.append(alert)

    @property
    def limiter(self) -> Self | None:
        """The monitor itself if the policy has enforcement, else ``None``."""
        return None if self.rules.enforcement is None else self

    def limits(self, actor: str, now_ns: int) -> Enforcement | None:
        """Return the rules that apply to ``actor`` at ``now_ns`` (nanoseconds since the epoch), or ``None``."""
        pseudonym = self._pseudonym(actor)
        with self._lock:
            left_s = self._memory.actors.get(pseudonym).limited_until_s - now_ns / _NANOSECONDS
        self._memory.actors.say()
        rules = self.rules.enforcement
        # A longer time than ever granted comes from a clock that was ahead; the clocks of replicas differ a little.
        return rules if rules is not None and 0.0 < left_s <= 2.0 * rules.for_s else None

    def forget(self, actor: str) -> None:
        """Forget everything about ``actor``, and drop the alerts about them.

        Raises ``GuardError`` if replicas share actors but only this one could forget.
        """
        pseudonym = self._pseudonym(actor)
        with self._up_to_date() as memory:
            self._weigher().lately.forget(pseudonym)
            memory.alerts.forget(pseudonym)
            memory.actors.forget(pseudonym)  # last, as it may fail if replicas share actors

    def follow(self, policy: Policy) -> None:
        """Monitor the principles of ``policy`` from now on, as when a guard is taught one; the rules stay."""
        with self._up_to_date():  # earlier checks were made under the old policy
            self.policy, self._watched = policy, watched(policy)

    def listen(self, listener: Callable[[Alert], None]) -> None:
        """Also call ``listener`` with every alert from now on. Registering the same one twice has no effect.

        Raises ``InputTypeError`` if it is async or not callable.
        """
        require_functions(listener=listener)
        if listener not in self._listeners:
            self._listeners.append(listener)

    def state(self, *, actors: bool = True) -> dict[str, Any]:
        """Return everything remembered as JSON values: figures, digests, pseudonyms and sketches, and no text.

        Without ``actors``, only their alerts are included. Many actors are most of the state, and checks wait
        meanwhile.
        """
        with self._up_to_date() as memory:
            return memory.state(self._known(), actors=actors)

    def save(self, path: str | Path) -> None:
        """Write the state to ``path``, whole or not at all, readable by its owner only. Raises ``OSError``."""
        write_state(Path(path), self.state())

    def load(self, path: str | Path) -> None:
        """Add the state at ``path``, saved by an earlier run of this process or by another one.

        Raises ``InputError`` if the file is not a state or has other pseudonyms, ``OSError`` if it cannot be read.
        """
        self.merge(read_state(Path(path)), source=str(path))

    def merge(self, state: Mapping[str, Any], *, source: str = "state") -> None:
        """Add ``state``, returned by ``Monitor.state`` in another process. Raises ``InputError`` as ``load`` does."""
        other = self._blank()
        other.restore(state, source)
        if state.get("key") != self._known().key:
            msg = f"{source}: its actors have other pseudonyms; make both monitors with the same key"
            raise InputError(msg)
        with self._up_to_date() as memory:
            memory.merge(other)

    def blank(self) -> Monitor:
        """Return an empty monitor with the same policy and pseudonyms."""
        return Monitor(self.policy, pseudonym=self._pseudonym, references=self._references)

    def share_actors(self, make: Callable[[Actors, float], SharedActorsT]) -> SharedActorsT:
        """Store actors in what ``make`` returns, given the current actors and how long they are kept, in seconds."""
        with self._lock:
            self._memory.actors = shared = make(self._memory.actors, self.rules.actors.ttl_s)
        return shared

    def lessons(self) -> list[dict[str, Any]]:
        """Return what was learned from the embeddings of each model as JSON values; empty until there were enough."""
        with self._up_to_date() as memory:
            return memory.sketchers.state()

    def learn_from(self, lessons: Sequence[dict[str, Any]]) -> None:
        """From now on compare texts by ``lessons`` of other monitors, for those models that were seen here.

        Raises ``InputError`` if they are invalid.
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
        """Return the pseudonym of ``actor`` in alerts: 32 hexadecimal digits of an HMAC-SHA-256 (RFC 2104)."""
        return self._pseudonym(actor)

    def _renew(self) -> None:
        """In a forked child: start without counts; a thread of the parent may have held the lock."""
        self._lock, self._waiting, self._fresh = threading.Lock(), Waiting(), deque()
        self._chance = random.Random().random  # noqa: S311  as above; a copy of the parent's would repeat its numbers
        parent, self._memory = self._memory, self._blank()
        self._memory.follow(parent)


def _key_of(given: bytes | None) -> bytes:
    if given is None:
        return secrets.token_bytes(_KEY_BYTES)
    require_key(given, "key")
    return given
