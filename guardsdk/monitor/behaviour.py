"""The rules about actors: pure functions from an actor's record and the latest check to what should raise an alert.

Each rule applies a sequential test to an actor's texts. It reports only if chance is ruled out *and* there are enough
texts to be worth a look.

Blocked and policy-adjacent texts: Page's CUSUM (Continuous inspection schemes, Biometrika 1954) of the log-likelihood
ratio between an actor with the suspect share of such texts and the share among all actors. With a limit of ``log(c)``,
at least ``c`` texts pass on average before chance reaches it (Lorden, Annals of Mathematical Statistics 1971).

Climbing scores: the ``n``-th of exchangeable scores is the highest so far with probability ``1/n``, whatever came
before (Renyi, 1962). Betting half on that multiplies the stake by ``(1 + n) / 2`` if it is and by ``1/2`` if it is not:
fair odds for any actor whose scores do not climb.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.monitor.actors import NO_SCORE, fading
from guardsdk.monitor.alerts import Kind, Severity
from guardsdk.monitor.approach import Shares, approach
from guardsdk.monitor.sketch import similarity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.monitor.actors import Actor, Text
    from guardsdk.monitor.approach import Step
    from guardsdk.policy.monitoring import ActorRules

LEAST_SHARE: Final = 0.005
"""Lower bound of the share among all actors, so that one hit in quiet traffic proves nothing yet."""
_PROBE_SHARE: Final = 1e-3
"""Share of the run length that the evidence of climbing must reach: a score close to the threshold is rare in
itself."""
_PROBES: Final = 5
"""The least number of texts in a climb."""
_RARER: Final = 0.1
"""How much the required similarity grows with the log of the number of texts compared: a similarity that is higher by
this much is about a third (1/e) as frequent between texts on different questions."""
_LOST: Final = math.log(0.5)
"""Evidence that a score which is not the highest so far adds to a climb."""
_CLIMB: Final = math.log(20.0)
"""Evidence required of a climb among variants of one text that are not blocked, or only just."""


class Seen(NamedTuple):
    """What the rules use of one check."""

    time_s: float
    closeness: float | None
    """The score closest to its threshold, or furthest beyond: the difference in log-odds; ``None`` without a score."""
    held: bool
    """Whether a principle keeps the text from passing unchanged."""
    sketch: Callable[[], bytes | None]
    """Computes the sketch of the text, on stage output that of the prompt; ``None`` if there is none. Lazy, as it is
    slow and most texts do not need it."""
    lately: Callable[[], Sequence[Step]]
    """Compares the actor's last texts with each other, this one last. Lazy, as it is slow and few texts need it."""
    refusal: float = 0.0
    """The score of the label ``refusal``, on stage output."""
    changed_s: float = -math.inf
    """When the model changed; earlier scores are not comparable."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something to raise an alert about."""

    kind: Kind
    severity: Severity
    evidence: dict[str, float]

    @property
    def doubtful(self) -> bool:
        """Whether it may well be a mistake of the classifier: it then raises an alert and has no other effect."""
        return self.severity is Severity.INFO


class Near(NamedTuple):
    """What counts as close to a threshold, in log-odds."""

    adjacent: float
    """Distance below it."""
    band: float
    """Distance on either side: the boundary band."""


class Everybody(NamedTuple):
    """Shares among all other actors' texts on stage input, 0 to 1."""

    blocked: float
    adjacent: float
    variants: float
    """Share of variants of one of the same actor's last texts."""


def asked(actor: Actor, seen: Seen, everybody: Callable[[], Everybody], rules: ActorRules, near: Near) -> list[Told]:
    """Record a text on stage input, and return what should raise an alert.

    ``everybody`` is only called if this text or an earlier one of the actor counts, which is rare.
    """
    time_s, held, closeness = seen.time_s, seen.held, seen.closeness
    close = closeness is not None and closeness >= -near.adjacent
    others = everybody() if held or close or actor.blocked or actor.near else None
    if actor.seen_s < seen.changed_s:
        _look_anew(actor)
    since = time_s - actor.seen_s
    left = fading(since, rules.window_s)
    if since > 0.0:
        actor.seen_s = time_s
    elif since < -rules.window_s:  # no order of two checks, but a clock that was ahead and has been set
        actor.seen_s, actor.texts = time_s, []
    actor.checks = actor.checks * left + 1.0
    actor.blocks = actor.blocks * left + held
    actor.adjacent = actor.adjacent * left + (close and not held)
    told = [] if others is None else _weigh(actor, others, rules, held=held, close=close)
    if closeness is not None:
        told += _climbs(actor, closeness, held=held, near=close, rules=rules)
        if others is not None and close and not told:
            told += _approaches(seen, others, rules, near.band)
    actor.returned = False
    if held or actor.texts:
        told += _comes_back(actor, seen, rules, near=close)
    return told


def _weigh(actor: Actor, others: Everybody, rules: ActorRules, *, held: bool, close: bool) -> list[Told]:
    """Test the text against the shares among others; skipped if neither it nor an earlier one counts."""
    told = []
    suspect, limit = rules.suspect_share, math.log(rules.run_length)
    actor.blocked = _weighed(actor.blocked, others.blocked, suspect, hit=held)
    if not held:
        actor.near = _weighed(actor.near, others.adjacent, suspect, hit=close)
    if held and actor.blocked >= limit and actor.blocks >= rules.blocks:
        figures = {"blocks": actor.blocks, "log_evidence": actor.blocked, "everybody": others.blocked}
        told.append(Told(Kind.REPEATED_BLOCKS, Severity.WARNING, figures))
    if close and not held and actor.near >= limit and actor.adjacent >= rules.adjacent:
        figures = {"texts": actor.adjacent, "log_evidence": actor.near, "everybody": others.adjacent}
        told.append(Told(Kind.ADJACENT_VOLUME, Severity.WARNING, figures))
    return told


def _weighed(evidence: float, share: float, suspect: float, *, hit: bool) -> float:
    """Return the CUSUM after one more text, a ``hit`` or not, if everybody's share of hits is ``share``."""
    share = min(max(share, LEAST_SHARE), suspect)
    return max(0.0, evidence + math.log(suspect / share if hit else (1.0 - suspect) / (1.0 - share)))


def _climbs(actor: Actor, closeness: float, *, held: bool, near: bool, rules: ActorRules) -> list[Told]:
    actor.asked = asked = actor.asked + 1
    higher = closeness > actor.highest
    if higher:
        actor.highest = closeness
        if asked > 1:
            actor.climbing = max(0.0, actor.climbing) + math.log((1.0 + asked) / 2.0)
        if near and asked >= _PROBES and actor.climbing >= math.log(rules.run_length * _PROBE_SHARE):
            figures = {"texts": float(asked), "log_evidence": actor.climbing, "closeness": closeness}
            _look_anew(actor)
            return [Told(Kind.PROBING, Severity.WARNING, figures)]
    elif asked > 1:
        actor.climbing = _LOST if actor.climbing <= 0.0 else actor.climbing + _LOST
    if held:
        _look_anew(actor)  # over the limit: what follows is another climb
    return []


def _approaches(seen: Seen, everybody: Everybody, rules: ActorRules, band: float) -> list[Told]:
    steps, suspect = seen.lately(), rules.suspect_share

    def shares(everybody: float) -> Shares:
        return Shares(min(max(everybody, LEAST_SHARE), suspect), suspect)

    found = approach(steps, shares(everybody.variants), shares(everybody.blocked if seen.held else everybody.adjacent))
    closeness = seen.closeness or 0.0
    # Below the threshold a climb is required: many people harmlessly rewrite one text again and again. The classifier
    # eventually misjudges some of these, usually by little.
    if found.total < math.log(rules.run_length) or (not seen.held and found.climb < _CLIMB):
        return []
    doubtful = found.climb < _CLIMB and closeness < band
    severity = Severity.INFO if doubtful else Severity.WARNING
    figures = {"texts": float(len(steps)), "variants": float(found.variants), "log_evidence": found.total}
    return [Told(Kind.PROBING, severity, figures | {"closeness": closeness})]


def _look_anew(actor: Actor) -> None:
    actor.asked, actor.highest, actor.climbing = 0, NO_SCORE, 0.0


def _comes_back(actor: Actor, seen: Seen, rules: ActorRules, *, near: bool) -> list[Told]:
    """Compare the text with earlier ones: those that were blocked, and those the model refused."""
    since_s = seen.time_s - rules.window_s
    if not seen.held and actor.texts[-1].time_s < since_s:  # nothing to compare with, so no sketch is needed
        return []
    sketch = seen.sketch()
    if sketch is None:
        return []
    told = []
    if seen.held:
        actor.remember("held", seen.time_s, sketch)
    else:
        least = rules.similarity if near else rules.similarity_far
        found = _alike(actor.of("held"), sketch, since_s, least)
        if found is not None:
            alike, before = found
            actor.texts.remove(before)
            figures = {"similarity": alike, "seconds": seen.time_s - before.time_s, "blocks": actor.blocks}
            told.append(Told(Kind.REPHRASED, Severity.WARNING, figures))
    actor.returned = _alike(actor.of("refused"), sketch, since_s, rules.similarity) is not None
    return told


def answered(actor: Actor, seen: Seen, rules: ActorRules, adjacent: float) -> list[Told]:
    """Record a text on stage output, the answer to the actor's last text."""
    if seen.refusal >= rules.refused_from:
        sketch = seen.sketch()
        if sketch is not None:
            # Once per question, however many parts of a streamed answer refuse it: the same similarity proves no more.
            actor.texts = [text for text in actor.texts if (text.kind, text.sketch) != ("refused", sketch)]
            actor.remember("refused", seen.time_s, sketch)
        actor.returned = False
    elif actor.returned:
        actor.returned = False
        close = seen.held or (seen.closeness is not None and seen.closeness >= -adjacent)
        closeness = NO_SCORE if seen.closeness is None else seen.closeness
        severity = Severity.CRITICAL if close else Severity.WARNING
        figures = {"refusal": seen.refusal, "closeness": closeness, "refused": float(len(actor.of("refused")))}
        return [Told(Kind.REFUSAL_BYPASS, severity, figures)]
    return []


def _alike(texts: list[Text], sketch: bytes, since_s: float, least: float) -> tuple[float, Text] | None:
    """Return which of ``texts``, not older than ``since_s``, is most similar to ``sketch``, and how similar.

    ``None`` if, taken together, they are less similar than ``least``. Estimates of similarity add up (Stouffer, The
    American Soldier, 1949): ``n`` estimates, each too small by itself, count as one of ``sqrt(n)`` times their mean.
    The best subset is taken; as that is ``n`` chances, ``least`` grows with the logarithm of ``n``.
    """
    found = [(similarity(text.sketch, sketch), text) for text in texts if text.time_s >= since_s]
    if not found:
        return None
    found.sort(key=lambda one: one[0], reverse=True)
    sums = accumulate(alike for alike, _ in found)
    best = max(total / math.sqrt(count) for count, total in enumerate(sums, 1))
    return found[0] if best >= least + _RARER * math.log(len(found)) else None
