"""The whole memory of a monitor: in use, serialised as JSON, and merged over processes."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import InputError
from guardsdk.monitor.actors import Actor, Actors
from guardsdk.monitor.alerts import Alert, Alerts, dated
from guardsdk.monitor.histograms import counted
from guardsdk.monitor.sketch import Sketchers
from guardsdk.monitor.traffic import Traffic
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from guardsdk.policy.monitoring import MonitorRules

FORMAT: Final = "guardsdk-monitor"
VERSION: Final = 2
_SET_BACK_S: Final = 3600.0
"""A check this much earlier than the newest one is not just late: the clock had jumped ahead and was corrected."""


@dataclass(frozen=True, slots=True)
class Known:
    """The header of a saved state."""

    policy: Mapping[str, str]
    """Name, version and digest."""
    key: str
    """Tells whether monitors use the same pseudonyms."""


class Memory:
    """What is remembered. Not thread-safe: used under the monitor's lock."""

    def __init__(self, rules: MonitorRules, secret: Callable[[], bytes]) -> None:
        """Start empty. ``secret`` returns the secret that the sketches of actors' texts depend on."""
        self.rules = rules
        self.checks = 0
        self.now_s = 0.0
        """Time of the newest check in seconds since the epoch: the clock of everything that decays or expires."""
        self.sketchers = Sketchers(secret)
        self.traffic = Traffic(rules)
        self.actors = Actors(rules.actors.max_actors, rules.actors.ttl_s, self._clock)
        self.alerts = Alerts(rules.keep_alerts, rules.cooldown_s, self._clock)

    def _clock(self) -> float:
        return self.now_s

    def tick(self, time_s: float) -> None:
        """Advance the clock to when a check began, or set it back if it had jumped ahead.

        With a time that is never reached again, all actors would stay expired and all alerts in cool-down for ever.
        """
        if time_s > self.now_s or self.now_s - time_s > _SET_BACK_S:
            self.now_s = time_s

    def state(self, known: Known, *, actors: bool = True) -> dict[str, Any]:
        """Return everything, actors optional, as JSON values: figures, digests, pseudonyms, sketches, no text."""
        items = self.actors.items() if actors else ()
        return {
            "format": FORMAT,
            "version": VERSION,
            "policy": dict(known.policy),
            "key": known.key,
            "rules": self.rules.model_dump(mode="json"),
            "checks": self.checks,
            "now_s": self.now_s,
            "traffic": self.traffic.state(),
            "references": self.traffic.scores.references(),
            "lessons": self.sketchers.state(),
            "actors": {name: base64.b64encode(data).decode() for name, data in items},
            "alerts": [alert.model_dump(mode="json") for alert in self.alerts.kept],
            "raised": self.alerts.total,
            "suppressed": self.alerts.suppressed,
            "cooling": self.alerts.cooling(),
        }

    def restore(self, state: Mapping[str, Any], source: str) -> None:
        """Restore what ``state`` returned. Raises ``InputError`` that names ``source`` if it is invalid."""
        try:
            _require_format(state)
            self.checks, self.now_s = int(counted(state["checks"])), dated(float(state["now_s"]))
            self.traffic.restore(state["traffic"], float(state["rules"]["slot_s"]))
            self.traffic.scores.recall(state["references"])
            self.sketchers.restore(_lessons(state["lessons"], self.traffic.scores.model(Stage.INPUT)))
            for name, data in state["actors"].items():
                actor = Actor.unpacked(base64.b64decode(data, validate=True))
                actor.require_numbers()
                self.actors.put(name, actor)
            self.alerts.kept.extend(map(_alert, state["alerts"]))
            self.alerts.total, self.alerts.suppressed = int(counted(state["raised"])), int(counted(state["suppressed"]))
            self.alerts.cool(state["cooling"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            msg = f"{source}: no state of a monitor of this version ({_words(error)})"
            raise InputError(msg) from None

    def merge(self, other: Memory) -> None:
        """Add what another process remembers.

        Histograms, counts and evidence add up, scores per model. Texts of actors can only be compared if both learned
        the same from embeddings, as they do if one started from the other's state; otherwise the other's texts are left
        out.
        """
        self.checks += other.checks
        self.now_s = max(self.now_s, other.now_s)
        self.traffic.merge(other.traffic)
        alike = self.sketchers.merge(other.sketchers)
        for name, data in other.actors.items():
            actor = Actor.unpacked(data)
            if not alike:
                actor.texts.clear()
            self.actors.merge(name, actor, self.rules.actors.window_s)
        alerts = {alert.model_dump_json(): alert for alert in (*self.alerts.kept, *other.alerts.kept)}
        self.alerts.kept.clear()
        self.alerts.kept.extend(sorted(alerts.values(), key=lambda alert: alert.time_ns))
        self.alerts.total += other.alerts.total
        self.alerts.suppressed += other.alerts.suppressed
        self.alerts.cool(other.alerts.cooling())

    def follow(self, parent: Memory) -> None:
        """Continue after ``parent``, the memory of the process this one was forked from, without its counts.

        How texts are compared, which alerts are in cool-down and which actors are limited is kept. Counts and evidence
        are for the parent to save: they would be counted twice when both states are merged.
        """
        self.now_s = parent.now_s
        self.sketchers = parent.sketchers
        self.actors = parent.actors
        self.actors.renew(self._clock)
        self.alerts.cool(parent.alerts.cooling())


def _alert(given: Any) -> Alert:  # noqa: ANN401  JSON
    """Return an alert from a state. Raises ``ValueError`` if it is invalid or could not be saved again."""
    alert = Alert.model_validate(given)
    alert.model_dump_json()
    if not all(map(math.isfinite, alert.evidence.values())):
        msg = "a figure of an alert is no number"
        raise ValueError(msg)
    return alert


def _lessons(given: Any, model: str) -> list[dict[str, Any]]:  # noqa: ANN401  JSON
    """Return the lessons of a state; older states have those of one model at most, the one in use."""
    if given is None or isinstance(given, dict):
        return [{"model": model, **given}] if given else []
    return [dict(one) for one in given]


def _require_format(state: Mapping[str, Any]) -> None:
    found = (state["format"], state["version"])
    if found != (FORMAT, VERSION):
        msg = "another format"
        raise ValueError(msg)


def _words(error: Exception) -> str:
    """Return what is wrong, quoting little of the file."""
    return str(error).partition("\n")[0][:100] or type(error).__name__
