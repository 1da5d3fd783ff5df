"""All traffic combined: a series per label and per rate on each stage, and counts over time for the report."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardsdk.monitor.alerts import dated
from guardsdk.monitor.drift import Series
from guardsdk.monitor.histograms import RATE_EDGES, counted, counters
from guardsdk.monitor.scores import NO_MODEL, Scores
from guardsdk.verdict import Action, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from guardsdk.policy.model import Policy
    from guardsdk.policy.monitoring import MonitorRules
    from guardsdk.verdict import Evaluation, Verdict

BOUNDARY: Final = "boundary"
RATES: Final = ("blocked", "flagged", "degraded", "out_of_range", BOUNDARY)
"""Blocked by a principle; flagged; not completely checked; in a language or script the model was not measured on; with
a score in the boundary band of a threshold."""
_OUT_OF_RANGE: Final = "out_of_range"
_LEAST_ODDS: Final = math.exp(-20.0)
"""Odds of a score of 0; a score of 1 has the inverse."""
_MOST_ODDS: Final = 1.0 / _LEAST_ODDS
_PLACES: Final = {"checks": 0, "adjacent": 1} | {name: place for place, name in enumerate(RATES, 2)}
"""Index of each count in the totals of a stage."""
_NOTHING: Final = [0.0] * len(_PLACES)
_PRIOR_HITS, _PRIOR_CHECKS = 1.0, 50.0
"""Prior counts of a share, before anything was seen."""
_ENOUGH, _OFTEN, _SELDOM = 256, 1 / 4, 1 / 64
"""Texts compared at the first rate, to learn the share of variants quickly; then the rates before and after."""


class Glance(NamedTuple):
    """What the monitor uses of one verdict."""

    stage: Stage
    closeness: float | None
    """The score closest to its threshold, or furthest beyond, as the difference in log-odds, among principles that do
    more than flag. ``None`` without such a score."""
    held: bool
    """Whether a principle keeps the text from passing unchanged."""
    rates: tuple[bool, ...]
    """One for each of ``RATES``."""
    model: str
    """Digest of the model that scored it, or ``NO_MODEL``."""
    lowered: bool
    """Whether only a lowered threshold stops the text, which does not count against its actor again."""


def odds_of(probability: float) -> float:
    """Return ``p / (1 - p)``, bounded where ``p`` is 0 or 1."""
    odds = probability / (1.0 - probability) if probability < 1.0 else _MOST_ODDS
    if odds < _LEAST_ODDS:
        return _LEAST_ODDS
    return min(_MOST_ODDS, odds)


def log_odds(probability: float) -> float:
    """Return ``log(p / (1 - p))``, bounded where ``p`` is 0 or 1."""
    return math.log(odds_of(probability))


_KEYS: Final = {
    stage: {what: f"{stage}/{what}" for what in ("checks", *RATES, *(action.value for action in Action))}
    for stage in Stage
}
"""Names of what is counted over time on each stage."""


def watched(policy: Policy) -> dict[Stage, frozenset[str]]:
    """Return per stage the principles that do more than flag, which an actor may want to evade."""
    return {
        stage: frozenset(one.id for one in policy.principles if not one.action_for(stage).passes) for stage in Stage
    }


def glance(verdict: Verdict, watched: Mapping[Stage, frozenset[str]], band: float) -> Glance:
    """Summarise ``verdict``; in shadow mode, by what would have happened."""
    stage, deciding = verdict.stage, verdict.principle_id
    principles, evaluations = watched[stage], verdict.evaluations
    # Uses odds, with one logarithm at the end, as this runs half a dozen times per check.
    closest = -1.0
    try:
        for one in evaluations:
            if one.principle_id in principles:
                score, threshold = one.score, one.threshold
                ratio = score * (1.0 - threshold) / ((1.0 - score) * threshold)
                if ratio > closest:  # noqa: PLR1730  faster than a call
                    closest = ratio
    except ZeroDivisionError:  # a score of 1, or a threshold of 0
        closest = max(_ratio(one) for one in evaluations if one.principle_id in principles)
    closeness = None if closest < 0.0 else math.log(max(closest, _LEAST_ODDS))
    if closeness is None or closeness < -band:
        boundary = False
    else:  # the closest may lie beyond the band while another is in it
        boundary = closeness <= band or any(
            one.principle_id in principles and abs(math.log(_ratio(one))) <= band for one in evaluations
        )
    foreign = held = lowered = False
    action = verdict.would_action or verdict.action
    if deciding is not None or verdict.findings:
        foreign = any(one.fired and one.label == _OUT_OF_RANGE for one in evaluations)
        if deciding is not None and not action.passes:
            held = any(one.fired and one.principle_id == deciding for one in evaluations)
            lowered = not held
    flagged = deciding is not None and action is Action.FLAG
    rates = (held, flagged, verdict.status is not Status.COMPLETE, foreign, boundary)
    model = NO_MODEL if verdict.model is None else verdict.model.digest
    return Glance(stage, closeness, held, rates, model, lowered)


def _ratio(one: Evaluation) -> float:
    return odds_of(one.score) / odds_of(one.threshold)


class Change(NamedTuple):
    """A series that has changed."""

    stage: Stage
    name: str
    is_rate: bool
    series: Series
    before: str | None = None
    """Digest of the model whose scores it is compared with; ``None`` if with its own past."""


class Traffic:
    """Histograms and counts. Not thread-safe: called under the monitor's lock."""

    def __init__(self, rules: MonitorRules) -> None:
        """Start empty."""
        self._rules = rules
        self.scores = Scores(rules)
        self.rates: dict[tuple[Stage, str], Series] = {}
        self._rates_at: dict[Stage, tuple[Series, ...]] = {}
        """``rates`` by stage, in the order of ``RATES``."""
        self.totals: dict[Stage, list[float]] = {}
        """Per stage the number of checks, of policy-adjacent ones, and of each of ``RATES``."""
        self.slots: dict[int, Counter[str]] = {}
        """Point in time to counts, by ``stage/what``: checks, actions, statuses and rates."""
        self.variants = [0.0, 0.0]
        """Sampled texts of actors on stage input: how many are variants of the actor's last ones, and the total."""
        self.principles: Counter[str] = Counter()
        """The number of texts that each principle decided, by ``stage/principle``."""
        self.thresholds: dict[str, float] = {}
        """The lowest threshold of a label, by ``stage/label``."""
        self.models: list[tuple[str, int]] = []
        """Digest of each model in turn, with the number of checks before its first; the newest sixteen."""
        self.changed_s = -math.inf
        """When the model of stage input last changed: earlier scores of an actor are not comparable."""
        self._checks = 0

    def is_new(self, seen: Glance) -> bool:
        """Whether a model other than the stage's last one has scored."""
        return seen.model not in (NO_MODEL, self.scores.model(seen.stage))

    def meet(self, verdict: Verdict, seen: Glance, time_s: float) -> str | None:
        """Switch to the model of a check about to be added; return the stage's previous model if it changed."""
        if not self.is_new(seen):
            return None
        stage, model = seen.stage, seen.model
        before = self.scores.follow(stage, model, self._checks)
        for one in sorted(verdict.evaluations, key=lambda one: -one.threshold):
            self.thresholds[f"{stage}/{one.label}"] = one.threshold
        if model not in [digest for digest, _ in self.models] or (before and self.models[-1][0] != model):
            self.models.append((model, self._checks))
            del self.models[:-16]
        if before and stage is Stage.INPUT:
            self.changed_s = time_s
        return before

    def take(
        self, verdict: Verdict, seen: Glance, time_s: float, now_s: float, chance: Callable[[], float]
    ) -> Sequence[Change]:
        """Add one check and return the series whose change reaches the evidence and size that the rules ask for."""
        rules, stage = self._rules, seen.stage
        self._checks += 1
        self._count(verdict, seen, int(time_s // rules.slot_s), int(now_s // rules.slot_s))
        numbers = self.scores.numbers(stage, verdict.scores)
        numbers += zip(self._rates_at.get(stage) or self._rate_series(stage), seen.rates, strict=True)
        least = min(rules.rate_psi, rules.psi)  # a small, lasting change gets here with every check
        reached = [one for one in Series.take_in(numbers, chance(), rules.run_length) if one.psi >= least]
        return self._changed(stage, reached) if reached else ()

    def _changed(self, stage: Stage, reached: Sequence[Series]) -> list[Change]:
        """Return those of ``reached`` whose change is large enough to matter."""
        known = [Change(stage, label, is_rate=False, series=one) for label, one in self.scores.at(stage).items()]
        new = self.scores.succession(stage)
        if new is not None:
            labels = new.labels.items()
            known += [Change(stage, label, is_rate=False, series=one, before=new.before) for label, one in labels]
        rates = zip(RATES, self._rates_at[stage], strict=True)
        known += [Change(stage, name, is_rate=True, series=one) for name, one in rates]
        least = {True: self._rules.rate_psi, False: self._rules.psi}
        return [one for one in known if one.series in reached and one.series.psi >= least[one.is_rate]]

    @property
    def since_model(self) -> int | None:
        """The number of checks since the model changed; ``None`` if it did not."""
        return self._checks - self.models[-1][1] if len(self.models) > 1 else None

    def share(self, what: str, less: float = 0.0, of: float = 0.0) -> float:
        """Return the share of ``what``, one of ``RATES`` or ``adjacent``, among the checks of stage input.

        ``less`` such texts out of ``of`` checks are subtracted: those of one actor.
        """
        totals = self.totals.get(Stage.INPUT) or _NOTHING
        hits, checks = totals[_PLACES[what]] - less, totals[0] - of
        return (max(0.0, hits) + _PRIOR_HITS) / (max(0.0, checks) + _PRIOR_CHECKS)

    def count(self, stage: Stage) -> float:
        """Return the number of checks of ``stage``."""
        return self.totals.get(stage, _NOTHING)[0]

    @property
    def share_of_variants(self) -> float:
        """The share of texts that are variants of one of the last texts of the same actor."""
        return (self.variants[0] + _PRIOR_HITS) / (self.variants[1] + _PRIOR_CHECKS)

    @property
    def share_compared(self) -> float:
        """The share of texts of returning actors that are compared with their last ones, to estimate that share."""
        return _OFTEN if self.variants[1] < _ENOUGH else _SELDOM

    def note_variant(self, variant: bool | None) -> None:  # noqa: FBT001  the result of a comparison
        """Count a text that was compared; ``None`` if it could not be."""
        if variant is not None:
            self.variants = [self.variants[0] + variant, self.variants[1] + 1.0]

    def _rate_series(self, stage: Stage) -> tuple[Series, ...]:
        made = tuple(Series(RATE_EDGES, self._rules.window) for _ in RATES)
        self.rates.update({(stage, name): series for name, series in zip(RATES, made, strict=True)})
        self._rates_at[stage] = made
        return made

    def _count(self, verdict: Verdict, seen: Glance, slot: int, now: int) -> None:
        stage = seen.stage
        totals = self.totals.get(stage) or self.totals.setdefault(stage, _NOTHING.copy())
        totals[0] += 1.0
        if seen.closeness is not None and seen.closeness >= -self._rules.adjacent and not seen.lowered:
            totals[1] += 1.0
        counts = self.slots.get(slot)
        if counts is None:
            counts = self.slots[slot] = Counter()
            while len(self.slots) > self._rules.slots:  # first those of a clock that was ahead: they stay the newest
                del self.slots[max(self.slots) if max(self.slots) > now else min(self.slots)]
        keys = _KEYS[stage]
        counts[keys["checks"]] += 1
        counts[keys[verdict.action]] += 1
        if True in seen.rates:
            for place, (name, hit) in enumerate(zip(RATES, seen.rates, strict=True), 2):
                if hit:
                    totals[place] += 1.0
                    counts[keys[name]] += 1
        if verdict.principle_id is not None:
            self.principles[f"{stage}/{verdict.principle_id}"] += 1

    def merge(self, other: Traffic) -> None:
        """Add what another process has seen."""
        self.scores.merge(other.scores)
        for stage, rates in other._rates_at.items():
            for own, theirs in zip(self._rates_at.get(stage) or self._rate_series(stage), rates, strict=True):
                own.merge(theirs)
        for stage, totals in other.totals.items():
            mine = self.totals.setdefault(stage, [0.0] * len(totals))
            self.totals[stage] = [one + two for one, two in zip(mine, totals, strict=True)]
        for slot, counts in other.slots.items():
            self.slots.setdefault(slot, Counter()).update(counts)
        for slot in sorted(self.slots)[: -self._rules.slots]:
            del self.slots[slot]
        self.variants = [one + two for one, two in zip(self.variants, other.variants, strict=True)]
        self.principles.update(other.principles)
        self.thresholds = other.thresholds | self.thresholds
        self.changed_s = max(self.changed_s, other.changed_s)
        earlier = [one for one in other.models if one[0] not in dict(self.models)]
        if earlier:  # the model in use here came last
            self.models = (earlier + [(digest, first + other._checks) for digest, first in self.models])[-16:]
        self._checks += other._checks

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            **self.scores.state(),
            "rates": {f"{stage}/{name}": series.state() for (stage, name), series in self.rates.items()},
            "totals": {stage.value: totals.copy() for stage, totals in self.totals.items()},
            "slots": {str(slot): dict(counts) for slot, counts in self.slots.items()},
            "variants": self.variants.copy(),
            "principles": dict(self.principles),
            "thresholds": self.thresholds.copy(),
            "models": [[digest, checks] for digest, checks in self.models],
            "changed_s": self.changed_s if math.isfinite(self.changed_s) else None,
            "checks": self._checks,
        }

    def restore(self, state: Mapping[str, Any], slot_s: float) -> None:
        """Restore a state with slots of ``slot_s`` seconds. Raises ``ValueError`` and the like if it is invalid."""
        self.models = [(str(digest), int(checks)) for digest, checks in state["models"]]
        self.scores.restore(state, self.models[-1][0] if self.models else NO_MODEL)
        if state.get("changed_s") is not None:
            self.changed_s = float(state["changed_s"])
            if not math.isfinite(self.changed_s):
                msg = "the time of a change is no number"
                raise ValueError(msg)
        for key, series in state["rates"].items():
            word, _, name = key.partition("/")
            stage = Stage(word)
            rates = self._rates_at.get(stage) or self._rate_series(stage)
            rates[RATES.index(name)].restore(series)
        for stage, totals in state["totals"].items():
            if len(totals) != len(_NOTHING):
                msg = f"totals of {len(totals)} numbers"
                raise ValueError(msg)
            self.totals[Stage(stage)] = [counted(number) for number in totals]
        for number, counts in state["slots"].items():
            slot = int(dated((int(number) + 0.5) * slot_s) // self._rules.slot_s)  # its middle: fractions are rounded
            self.slots.setdefault(slot, Counter()).update(counters(counts))
        variants, texts = state["variants"]
        self.variants = [counted(variants), counted(texts)]
        self.principles = counters(state["principles"])
        self.thresholds = {key: float(threshold) for key, threshold in state["thresholds"].items()}
        if not all(0.0 <= threshold <= 1.0 for threshold in self.thresholds.values()):
            msg = "a threshold is no score"
            raise ValueError(msg)
        self._checks = int(counted(state["checks"]))
