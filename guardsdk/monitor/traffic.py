"""All traffic together: a series per label and per rate on each stage, and counts over time for the report."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from guardsdk.errors import GuardError
from guardsdk.monitor.drift import RATE_EDGES, SCORE_EDGES, Series, shares
from guardsdk.verdict import Action, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from guardsdk.policy.model import Policy
    from guardsdk.policy.monitoring import MonitorRules
    from guardsdk.verdict import Verdict

RATES: Final = ("blocked", "flagged", "degraded", "out_of_range", "boundary")
"""Held back by a principle; flagged; not completely checked; in a language or script the model was not measured on;
with a score in the boundary band of a threshold."""
_OUT_OF_RANGE: Final = "out_of_range"
_FARTHEST: Final = 20.0
"""Log-odds of a score of 1; a score of 0 is as far the other way."""
_PRIOR_HITS, _PRIOR_CHECKS = 1.0, 50.0
"""What a share starts from before anything was seen."""


class Glance(NamedTuple):
    """What the monitor takes from one verdict."""

    stage: Stage
    closeness: float | None
    """The score closest to its threshold, or farthest beyond, in log-odds over the threshold's; of principles that do
    more than flag. None without such a score."""
    rates: tuple[bool, ...]
    """One for each of ``RATES``."""

    @property
    def held(self) -> bool:
        """Whether a principle keeps the text from passing as it is."""
        return self.rates[0]


def log_odds(probability: float) -> float:
    """Return ``log(p / (1 - p))``, bounded where ``p`` is 0 or 1."""
    if probability <= 0.0:
        return -_FARTHEST
    if probability >= 1.0:
        return _FARTHEST
    odds = math.log(probability / (1.0 - probability))
    return -_FARTHEST if odds < -_FARTHEST else min(odds, _FARTHEST)


_line = lru_cache(maxsize=256)(log_odds)
"""For thresholds, of which there are few."""


def watched(policy: Policy) -> dict[Stage, frozenset[str]]:
    """Return per stage the principles that do more than flag: the ones an actor may want to get around."""
    return {
        stage: frozenset(one.id for one in policy.principles if not one.action_for(stage).passes) for stage in Stage
    }


def glance(verdict: Verdict, watched: Mapping[Stage, frozenset[str]], band: float) -> Glance:
    """Return what is to be seen in ``verdict``, in shadow mode what would have followed."""
    principles = watched[verdict.stage]
    closest: float | None = None
    boundary = foreign = False
    for one in verdict.evaluations:
        if one.label == _OUT_OF_RANGE:
            foreign = one.fired
        if one.principle_id in principles:
            distance = log_odds(one.score) - _line(one.threshold)
            if -band <= distance <= band:
                boundary = True
            if closest is None or distance > closest:
                closest = distance
    action = verdict.would_action or verdict.action
    # A text that only lowered thresholds hold back is not held against its actor once more.
    fired = any(one.fired and one.principle_id == verdict.principle_id for one in verdict.evaluations)
    held = not action.passes and fired
    flagged = action is Action.FLAG and verdict.principle_id is not None
    degraded = verdict.status is not Status.COMPLETE
    return Glance(verdict.stage, closest, (held, flagged, degraded, foreign, boundary))


class Change(NamedTuple):
    """A series that is not what it was."""

    stage: Stage
    name: str
    is_rate: bool
    series: Series


class Traffic:
    """Histograms and counts. Not thread-safe: the monitor calls it under its lock."""

    def __init__(
        self, rules: MonitorRules, references: Callable[[], Mapping[tuple[str, Stage], Sequence[float]]]
    ) -> None:
        """Begin with nothing; ``references`` gives the quantiles of a model's benign scores per label and stage."""
        self._rules = rules
        self._references = references
        self.scores: dict[tuple[Stage, str], Series] = {}
        self.rates: dict[tuple[Stage, str], Series] = {}
        self.totals: dict[Stage, list[float]] = {}
        """Per stage the number of checks, of policy-adjacent ones, and of each of ``RATES``."""
        self.slots: dict[int, Counter[str]] = {}
        """Point in time to counts, by ``stage/what``: checks, actions, statuses and rates."""
        self.principles: Counter[str] = Counter()
        """Texts that each principle decided, by ``stage/principle``."""
        self.thresholds: dict[str, float] = {}
        """The lowest threshold a label is held against, by ``stage/label``."""
        self.models: list[tuple[str, int]] = []
        """Digest of each model in turn, with the number of checks before its first; the newest sixteen."""
        self._model: dict[Stage, str] = {}
        self._checks = 0

    def take(self, verdict: Verdict, seen: Glance, time_s: float, chance: Callable[[], float]) -> Iterator[Change]:
        """Take in one check and yield the series that have changed by what evidence and size the rules ask for."""
        rules, stage = self._rules, seen.stage
        if verdict.model is not None and self._model.get(stage) != verdict.model.digest:
            self._new_model(verdict, verdict.model.digest)
        self._checks += 1
        self._count(verdict, seen, int(time_s // rules.slot_s))
        for label, score in verdict.scores.items():
            series = self.scores.get((stage, label)) or self._score_series(stage, label)
            if series.add(score, chance()) >= rules.run_length and series.psi >= rules.psi:
                yield Change(stage, label, is_rate=False, series=series)
        for name, hit in zip(RATES, seen.rates, strict=True):
            series = self.rates.get((stage, name)) or self._rate_series(stage, name)
            if series.add(float(hit), chance()) >= rules.run_length and series.psi >= rules.rate_psi:
                yield Change(stage, name, is_rate=True, series=series)

    def _new_model(self, verdict: Verdict, digest: str) -> None:
        self._model[verdict.stage] = digest
        for one in sorted(verdict.evaluations, key=lambda one: -one.threshold):
            self.thresholds[f"{verdict.stage}/{one.label}"] = one.threshold
        if not self.models or self.models[-1][0] != digest:
            self.models.append((digest, self._checks))
            del self.models[:-16]

    @property
    def since_model(self) -> int | None:
        """Checks since the model changed; none where it did not."""
        return self._checks - self.models[-1][1] if len(self.models) > 1 else None

    def share(self, stage: Stage, what: str, less: float = 0.0, of: float = 0.0) -> float:
        """Return the share of ``what``, one of ``RATES`` or ``adjacent``, among the checks of ``stage``.

        ``less`` such texts ``of`` so many checks are left out: those of one actor.
        """
        place = 1 if what == "adjacent" else 2 + RATES.index(what)
        totals = self.totals.get(stage)
        hits, checks = (totals[place], totals[0]) if totals is not None else (0.0, 0.0)
        return (max(hits - less, 0.0) + _PRIOR_HITS) / (max(checks - of, 0.0) + _PRIOR_CHECKS)

    def references(self) -> dict[str, list[float]]:
        """Return the share of each bin in the model's reference, by ``stage/label``; empty where there is none."""
        try:
            found = self._references()
        except GuardError:  # no model any more, or none yet
            return {}
        return {f"{stage}/{label}": shares(quantiles, SCORE_EDGES) for (label, stage), quantiles in found.items()}

    def reference(self, stage: Stage, label: str) -> list[float] | None:
        """Return the share of each bin in the model's reference, or none where it has none."""
        quantiles = self._references().get((label, stage))
        return shares(quantiles, SCORE_EDGES) if quantiles else None

    def _score_series(self, stage: Stage, label: str) -> Series:
        fixed = self.reference(stage, label) if self._rules.reference == "model" else None
        series = self.scores[stage, label] = Series(SCORE_EDGES, self._rules.window, fixed)
        return series

    def _rate_series(self, stage: Stage, name: str) -> Series:
        series = self.rates[stage, name] = Series(RATE_EDGES, self._rules.window)
        return series

    def _count(self, verdict: Verdict, seen: Glance, slot: int) -> None:
        stage = seen.stage
        totals = self.totals.setdefault(stage, [0.0] * (2 + len(RATES)))
        totals[0] += 1.0
        totals[1] += seen.closeness is not None and seen.closeness >= -self._rules.adjacent
        counts = self.slots.get(slot)
        if counts is None:
            counts = self.slots[slot] = Counter()
            while len(self.slots) > self._rules.slots:
                del self.slots[min(self.slots)]
        counts[f"{stage}/checks"] += 1
        counts[f"{stage}/{verdict.action}"] += 1
        for place, (name, hit) in enumerate(zip(RATES, seen.rates, strict=True), 2):
            if hit:
                totals[place] += 1.0
                counts[f"{stage}/{name}"] += 1
        if verdict.principle_id is not None:
            self.principles[f"{stage}/{verdict.principle_id}"] += 1

    def merge(self, other: Traffic) -> None:
        """Add what another process has seen."""
        for (stage, name), series in other.scores.items():
            (self.scores.get((stage, name)) or self._score_series(stage, name)).merge(series)
        for (stage, name), series in other.rates.items():
            (self.rates.get((stage, name)) or self._rate_series(stage, name)).merge(series)
        for stage, totals in other.totals.items():
            mine = self.totals.setdefault(stage, [0.0] * len(totals))
            self.totals[stage] = [one + two for one, two in zip(mine, totals, strict=True)]
        for slot, counts in other.slots.items():
            self.slots.setdefault(slot, Counter()).update(counts)
        for slot in sorted(self.slots)[: -self._rules.slots]:
            del self.slots[slot]
        self.principles.update(other.principles)
        self.thresholds = other.thresholds | self.thresholds
        self._checks += other._checks
        known = {digest for digest, _ in self.models}
        self.models += [one for one in other.models if one[0] not in known]

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "scores": {f"{stage}/{name}": series.state() for (stage, name), series in self.scores.items()},
            "rates": {f"{stage}/{name}": series.state() for (stage, name), series in self.rates.items()},
            "totals": {stage.value: totals for stage, totals in self.totals.items()},
            "slots": {str(slot): dict(counts) for slot, counts in self.slots.items()},
            "principles": dict(self.principles),
            "thresholds": self.thresholds,
            "models": [[digest, checks] for digest, checks in self.models],
            "checks": self._checks,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what ``state`` returned. Raises ``ValueError``, ``KeyError`` or ``TypeError`` where it is none."""
        for key, series in state["scores"].items():
            stage, _, name = key.partition("/")
            self._score_series(Stage(stage), name).restore(series)
        for key, series in state["rates"].items():
            stage, _, name = key.partition("/")
            self._rate_series(Stage(stage), name).restore(series)
        for stage, totals in state["totals"].items():
            if len(totals) != 2 + len(RATES):
                msg = f"totals of {len(totals)} numbers"
                raise ValueError(msg)
            self.totals[Stage(stage)] = [float(number) for number in totals]
        self.slots = {int(slot): Counter(counts) for slot, counts in state["slots"].items()}
        self.principles = Counter(state["principles"])
        self.thresholds = {key: float(threshold) for key, threshold in state["thresholds"].items()}
        self.models = [(str(digest), int(checks)) for digest, checks in state["models"]]
        self._checks = int(state["checks"])
