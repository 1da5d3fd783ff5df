"""The monitor: told of every check, it watches scores, rates and actors over time and raises alerts."""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import secrets
import threading
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from guardsdk.monitor.actors import Actors
from guardsdk.monitor.alerts import Alert, Alerts, Kind, Severity, tell
from guardsdk.monitor.behaviour import Everybody, Seen, answered, asked
from guardsdk.monitor.drift import above, middle, upper
from guardsdk.monitor.sketch import Sketcher
from guardsdk.monitor.traffic import Traffic, glance, watched
from guardsdk.policy.monitoring import MonitorRules
from guardsdk.verdict import Stage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from guardsdk.monitor.behaviour import Told
    from guardsdk.monitor.traffic import Change, Glance
    from guardsdk.observing import CheckRecord
    from guardsdk.policy.model import Policy

_KEY_BYTES: Final = 32
_PSEUDONYM_CHARACTERS: Final = 32
_NANOSECONDS: Final = 1e9


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
        listeners: Sequence[Callable[[Alert], None]] = (),
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
            listeners: Further ones.
            references: Gives the quantiles of the benign scores of the model in use, per label and stage.
        """
        self.policy = policy
        self.rules = MonitorRules() if policy.monitor is None else policy.monitor
        self._key = secrets.token_bytes(_KEY_BYTES) if key is None else key
        self._pseudonym = self._keyed if pseudonym is None else pseudonym
        self._listeners = [*(() if on_alert is None else (on_alert,)), *listeners]
        self._references = (dict) if references is None else references
        self._watched = watched(policy)
        self._lock = threading.Lock()
        self._chance = random.Random().random  # noqa: S311  ranks among equals, nothing secret
        self._now_s = 0.0
        self.checks = 0
        """Checks it was told of."""
        self._begin()
        _MONITORS.add(self)

    def _begin(self) -> None:
        rules = self.rules
        self._sketcher = Sketcher(lambda: self._pseudonym("guardsdk sketches").encode())
        self._traffic = Traffic(rules, self._references)
        self._actors = Actors(rules.actors.max_actors, rules.actors.ttl_s, lambda: self._now_s)
        self._alerts = Alerts(rules.keep_alerts, rules.cooldown_s, lambda: self._now_s)

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The newest alerts, oldest first."""
        with self._lock:
            return tuple(self._alerts.kept)

    @property
    def suppressed(self) -> int:
        """Alerts not raised because the same one had been, within the cool-down."""
        with self._lock:
            return self._alerts.suppressed

    def on_check(self, record: CheckRecord) -> None:
        """Take note of one check."""
        verdict = record.verdict
        seen = glance(verdict, self._watched, self.rules.band)
        pseudonym = None if record.actor is None else self._pseudonym(record.actor)
        time_s = record.started_ns / _NANOSECONDS
        with self._lock:
            self._now_s = max(self._now_s, time_s)
            self.checks += 1
            sketch = self._sketched(record, seen.stage, named=pseudonym is not None)
            raised = [*self._of_traffic(record, seen, time_s)]
            if pseudonym is not None and verdict.status is not Status.FAILED:
                raised += self._of_actor(pseudonym, record, seen, sketch, time_s)
            fresh = [alert for alert in raised if self._alerts.add(alert)]
        for alert in fresh:
            tell(self._listeners, alert)

    def forget(self, actor: str) -> None:
        """Forget everything about ``actor``, and drop the alerts about them."""
        pseudonym = self._pseudonym(actor)
        with self._lock:
            self._actors.forget(pseudonym)
            self._alerts.forget(pseudonym)

    def listen(self, listener: Callable[[Alert], None]) -> None:
        """Call ``listener`` too with every alert from now on."""
        self._listeners.append(listener)

    def pseudonym(self, actor: str) -> str:
        """Return what stands for ``actor`` in alerts: 32 hexadecimal digits of an HMAC-SHA-256 (RFC 2104)."""
        return self._pseudonym(actor)

    def _keyed(self, actor: str) -> str:
        digest = hmac.digest(self._key, actor.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return digest.hex()[:_PSEUDONYM_CHARACTERS]

    def _sketched(self, record: CheckRecord, stage: Stage, *, named: bool) -> bytes | None:
        """Return the sketch of a text on stage input whose actor is ``named``; others are learned from only."""
        if record.embedding is None or stage is not Stage.INPUT:
            return None
        self._sketcher.learn(record.embedding)
        return self._sketcher.sketch(record.embedding) if named else None

    def _of_traffic(self, record: CheckRecord, seen: Glance, time_s: float) -> Iterator[Alert]:
        for change in self._traffic.take(record.verdict, seen, time_s, self._chance):
            yield _changed(change, record)
            change.series.begin_anew()

    def _of_actor(
        self, pseudonym: str, record: CheckRecord, seen: Glance, sketch: bytes | None, time_s: float
    ) -> list[Alert]:
        if seen.stage is Stage.TOOL:  # what a document says is no deed of the actor
            return []
        rules = self.rules
        actor = self._actors.get(pseudonym)
        refusal = record.verdict.scores.get("refusal", 0.0)
        now = Seen(time_s, seen.closeness, seen.held, sketch, refusal)
        told: Iterator[Told]
        if seen.stage is Stage.INPUT:
            share = self._traffic.share
            everybody = Everybody(
                blocked=share(Stage.INPUT, "blocked", actor.blocks, actor.checks),
                adjacent=share(Stage.INPUT, "adjacent", actor.adjacent, actor.checks),
            )
            told = asked(actor, now, everybody, rules.actors, rules.adjacent)
        else:
            told = answered(actor, now, rules.actors, rules.adjacent)
        alerts = [
            Alert(
                kind=one.kind,
                severity=one.severity,
                time_ns=record.started_ns,
                stage=seen.stage,
                actor=pseudonym,
                evidence=one.evidence,
                model=_digest(record),
            )
            for one in told
        ]
        self._actors.put(pseudonym, actor)
        return alerts


def _digest(record: CheckRecord) -> str | None:
    model = record.verdict.model
    return None if model is None else model.digest


def _changed(change: Change, record: CheckRecord) -> Alert:
    series = change.series
    earlier, recent = series.earlier_counts, series.recent_counts
    evidence = {"psi": series.psi, "evidence": series.evidence, "earlier": sum(earlier), "recent": sum(recent)}
    severity = Severity.WARNING
    if change.is_rate:
        before, after = earlier[1] / sum(earlier), recent[1] / sum(recent)
        evidence |= {"earlier_share": before, "recent_share": after}
        if after < before:  # fewer blocks or failures may be good news, or a guard that sees nothing any more
            severity = Severity.INFO
    else:
        high = upper(earlier)
        evidence |= {
            "earlier_median": middle(earlier, series.edges),
            "recent_median": middle(recent, series.edges),
            "earlier_high": above(earlier, high),
            "recent_high": above(recent, high),
        }
    return Alert(
        kind=Kind.RATE_SHIFT if change.is_rate else Kind.SCORE_DRIFT,
        severity=severity,
        time_ns=record.started_ns,
        stage=change.stage,
        series=change.name,
        evidence=evidence,
        model=_digest(record),
    )


_MONITORS: WeakSet[Monitor] = WeakSet()


def _renew_locks() -> None:
    """In a forked child: a thread of the parent may have been told of a check, with the lock held."""
    for monitor in list(_MONITORS):
        monitor._lock = threading.Lock()  # noqa: SLF001  same module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
