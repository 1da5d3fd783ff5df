"""Evaluates one text of an actor: from the summary of a check to what should raise an alert."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from guardsdk.monitor.actors import NO_SCORE
from guardsdk.monitor.alerts import Kind
from guardsdk.monitor.behaviour import Everybody, Near, Seen, answered, asked
from guardsdk.monitor.lately import Late, Lately
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.monitor.actors import Actor
    from guardsdk.monitor.approach import Step
    from guardsdk.monitor.behaviour import Told
    from guardsdk.monitor.memory import Memory
    from guardsdk.monitor.traffic import Glance
    from guardsdk.observing import CheckRecord
    from guardsdk.policy.monitoring import MonitorRules

_ATTEMPTS: Final = 4
_NANOSECONDS: Final = 1e9


class Weighing:
    """Evaluates texts of actors, holding their newest ones. Not thread-safe: called under the monitor's lock."""

    def __init__(self, rules: MonitorRules) -> None:
        """Use the limits in ``rules``."""
        self._rules = rules
        self._near = Near(rules.adjacent, rules.band)
        self.lately = Lately()

    def weigh(  # noqa: PLR0917  what the monitor passes
        self,
        memory: Memory,
        pseudonym: str,
        record: CheckRecord,
        seen: Glance,
        file: Callable[[], None],
        chance: Callable[[], float],
    ) -> Sequence[Told]:
        """Record a text of the actor with ``pseudonym``, and return what should raise an alert.

        ``file`` is called before the actor is compared with all others, to have these counted. ``chance`` returns
        numbers uniform on (0, 1).
        """
        rules, time_s = self._rules, record.started_ns / _NANOSECONDS
        asks, refusal = seen.stage is Stage.INPUT, 0.0
        if not asks:
            refusal = record.verdict.scores.get("refusal", 0.0)
            if refusal < rules.actors.refused_from and not memory.actors.returned(pseudonym):
                return ()  # most answers leave no trace
        elif record.embedding is not None:
            closeness = NO_SCORE if seen.closeness is None else seen.closeness
            self.lately.note(pseudonym, Late(time_s, closeness, record.embedding, seen.model))
            # At random rather than at fixed intervals, which might always hit an answer.
            if chance() < memory.traffic.share_compared:
                self._sample(memory, pseudonym, seen.model, time_s)
        whose = None if asks and record.embedding is None else pseudonym
        sketch = partial(self.lately.sketch, whose, memory.sketchers)  # for an answer, of the text that it answers
        lately = partial(self._steps, memory, pseudonym, time_s)
        now = Seen(time_s, seen.closeness, seen.held, sketch, lately, refusal, memory.traffic.changed_s)
        told: Sequence[Told] = ()
        for _ in range(_ATTEMPTS):  # repeated only if replicas share actors and another one was faster
            actor = memory.actors.get(pseudonym)
            if asks:
                told = asked(actor, now, partial(_everybody_but, actor, memory, file), rules.actors, self._near)
            else:
                told = answered(actor, now, rules.actors, rules.adjacent)
            actor.told_s = time_s
            enforced = rules.enforcement
            if told and enforced and any(one.kind in enforced.kinds and not one.doubtful for one in told):
                actor.limited_until_s = time_s + enforced.for_s
            if memory.actors.put(pseudonym, actor):
                break
        if any(one.kind is Kind.PROBING and not one.doubtful for one in told):
            self.lately.begin_anew(pseudonym)
        return told

    def _steps(self, memory: Memory, pseudonym: str, time_s: float) -> list[Step]:
        rules = self._rules.actors
        return self.lately.steps(pseudonym, time_s - rules.window_s, memory.sketchers, rules.similarity)

    def _sample(self, memory: Memory, pseudonym: str, model: str, time_s: float) -> None:
        since_s = time_s - self._rules.actors.window_s
        if memory.sketchers.of(model).ready and self.lately.count(pseudonym, since_s):
            memory.traffic.note_variant(self._steps(memory, pseudonym, time_s)[-1].variant)


def _everybody_but(actor: Actor, memory: Memory, file: Callable[[], None]) -> Everybody:
    """Return the shares among all others; the text just counted is the actor's own."""
    file()
    of, traffic = actor.checks + 1.0, memory.traffic
    return Everybody(
        traffic.share("blocked", actor.blocks + 1.0, of),
        traffic.share("adjacent", actor.adjacent + 1.0, of),
        traffic.share_of_variants,
    )
