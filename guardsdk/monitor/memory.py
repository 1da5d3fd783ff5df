"""Everything a monitor remembers: as it is, as JSON that can be kept, and put together over processes."""

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
"""A check that began so long before the newest one is not late: the clock had jumped ahead, and is right again."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a saved state says of itself."""

    policy: Mapping[str, str]
    """Name, version and digest."""
    key: str
    """Tells monitors that call actors alike from those that do not."""


class Memory:
    """What is remembered. Not thread-safe: the monitor uses it under its lock."""

    def __init__(self, rules: MonitorRules, secret: Callable[[], bytes]) -> None:
        """Begin with nothing. ``secret`` is what the sketches of actors' texts depend on."""
        self.rules = rules
        self.checks = 0
        self.now_s = 0.0
        """The newest check, in seconds since the epoch: the clock of everything that fades or expires."""
        self.sketchers = Sketchers(secret)
        self.traffic = Traffic(rules)
        self.actors = Actors(rules.actors.max_actors, rules.actors.ttl_s, self._clock)
        self.alerts = Alerts(rules.keep_alerts, rules.cooldown_s, self._clock)

    def _clock(self) -> float:
        return self.now_s

    def tick(self, time_s: float) -> None:
        """Take note of when a check began: at the newest one, or again at the right time after a clock had jumped.

        By a time that is never reached again every actor would be over, and every alert would cool, for ever.
        """
        if time_s > self.now_s or self.now_s - time_s > _SET_BACK_S:
            self.now_s = time_s

    def state(self, known: Known, *, actors: bool = True) -> dict[str, Any]:
        """Return everything, or all but the actors, as JSON values: figures, digests, pseudonyms, sketches, no text."""
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
        """Take over what ``state`` returned. Raises ``InputError`` that names ``source`` where it is no such thing."""
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

        Histograms, counts and evidence add up, scores of each model with those of the same. Texts of actors can be
        compared only where both learned the same of embeddings, as they do where one began from the other's state;
        otherwise the other's are left out.
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
        """Go on after ``parent``, that of the process this one was forked from, with nothing that was counted there.

        How texts are compared, what is cooling down and which actors are limited stays; counts and evidence are the
        parent's to save, and would be there twice where both states are put together.
        """
        self.now_s = parent.now_s
        self.sketchers = parent.sketchers
        self.actors = parent.actors
        self.actors.renew(self._clock)
        self.alerts.cool(parent.alerts.cooling())


def _alert(given: Any) -> Alert:  # noqa: ANN401  JSON
    """Return an alert of a state. Raises ``ValueError`` where it is none, or could not be written down again."""
    alert = Alert.model_validate(given)
    alert.model_dump_json()
    if not all(map(math.isfinite, alert.evidence.values())):
        msg = "a figure of an alert is no number"
        raise ValueError(msg)
    return alert


def _lessons(given: Any, model: str) -> list[dict[str, Any]]:  # noqa: ANN401  JSON
    """Return the lessons of a state; older ones have those of one model at most, the one in use."""
    if given is None or isinstance(given, dict):
        return [{"model": model, **given}] if given else []
    return [dict(one) for one in given]


def _require_format(state: Mapping[str, Any]) -> None:
    found = (state["format"], state["version"])
    if found != (FORMAT, VERSION):
        msg = "another format"
        raise ValueError(msg)


def _words(error: Exception) -> str:
    """Return what is wrong without quoting the file at length."""
    return str(error).partition("\n")[0][:100] or type(error).__name__
