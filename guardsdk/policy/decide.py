"""The decision: the only place where a score meets a threshold. Pure functions of their arguments."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from guardsdk.errors import PolicyError
from guardsdk.policy.reading import nearest
from guardsdk.policy.recalibrating import offered
from guardsdk.verdict import Action, Evaluation, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from guardsdk.policy.model import Policy, Principle
    from guardsdk.policy.recalibrating import OperatingPoints, Recalibration

_MOST_ODDS = 700.0
"""Log-odds beyond which the exponential overflows; a threshold lowered by as much is next to 0."""


class BoundPrinciple(NamedTuple):
    """A principle on one stage with its threshold resolved to a number."""

    id: str
    label: str
    threshold: float
    action: Action
    degrades: bool = False


@dataclass(frozen=True, slots=True)
class BoundPolicy:
    """A policy bound to the screens of one guard: which principles apply per stage, with their thresholds."""

    policy: Policy
    rules: Mapping[Stage, tuple[BoundPrinciple, ...]]
    scales: Mapping[Stage, Mapping[str, Recalibration]] = field(default_factory=dict)
    """Stage to label to the recalibration of its scores, where the policy has one."""

    def scaled(self, stage: Stage, scores: Mapping[str, float]) -> Mapping[str, float]:
        """Return the screens' ``scores`` after the policy's recalibration: the scale its thresholds are on."""
        scales = self.scales.get(stage)
        if not scales:
            return scores
        return {label: scales[label].of(score) if label in scales else score for label, score in scores.items()}

    @property
    def measured(self) -> frozenset[tuple[str, Stage]]:
        """Every label that a principle needs, with its stage."""
        return frozenset((rule.label, stage) for stage, rules in self.rules.items() for rule in rules)


@dataclass(slots=True)
class Fired:
    """A principle whose score reached its threshold."""

    principle: BoundPrinciple
    score: float
    margin: float


@dataclass(slots=True)
class Decision:
    """What the policy decides for one set of scores."""

    action: Action
    principle_id: str | None
    """The principle that decided: among those with the strongest action, the one with the largest margin."""
    evaluations: tuple[Evaluation, ...]
    """One per principle of the stage that had a score, in the policy's order."""
    fired: tuple[Fired, ...]
    """Strongest action first, then largest margin, then the policy's order."""
    unscored: tuple[str, ...]
    """Labels that a principle needs and that had no usable score: those principles were not evaluated."""


def bind(policy: Policy, operating_points: OperatingPoints) -> BoundPolicy:
    """Resolve every threshold of ``policy`` using the operating points of a guard's screens per label and stage.

    Where the policy recalibrates the scores of a label, the screens' thresholds are converted to the new scale.
    Thresholds that the policy gives as numbers are on that scale already.

    Raises ``PolicyError`` if no screen has a label, scores it on a stage, or offers a threshold at the requested
    false-positive rate.
    """
    scales: dict[Stage, dict[str, Recalibration]] = {}
    for number, one in enumerate(policy.recalibrate):
        if (one.label, one.stage) not in operating_points:
            where = policy.origin.before("recalibrate", number, "label")
            msg = f"{where}recalibrate[{number}]: no screen of this guard scores {one.label!r} on {one.stage.value}"
            raise PolicyError(msg)
        scales.setdefault(one.stage, {})[one.label] = one
    points = offered(policy.recalibrate, operating_points)
    rules: dict[Stage, tuple[BoundPrinciple, ...]] = {}
    for stage in Stage:
        rules[stage] = tuple(
            BoundPrinciple(
                id=principle.id,
                label=principle.label,
                threshold=_placed(policy, number, stage, points),
                action=principle.action_for(stage),
                degrades=principle.degrades,
            )
            for number, principle in enumerate(policy.principles)
            if stage in principle.stages
        )
    return BoundPolicy(policy=policy, rules=rules, scales=scales)


def _placed(policy: Policy, number: int, stage: Stage, points: OperatingPoints) -> float:
    principle = policy.principles[number]
    try:
        return threshold_of(principle, stage, points)
    except PolicyError as error:
        key = "threshold" if (principle.label, stage) in points else "label"
        msg = f"{policy.origin.before('principles', number, key)}{error}"
        raise PolicyError(msg) from None


def threshold_of(principle: Principle, stage: Stage, operating_points: OperatingPoints) -> float:
    """Return the threshold of ``principle`` on ``stage`` as a number. Raises ``PolicyError`` as ``bind`` does."""
    points = operating_points.get((principle.label, stage))
    if points is None:
        stages = sorted(known.value for label, known in operating_points if label == principle.label)
        if stages:
            msg = (
                f"principle {principle.id!r}: label {principle.label!r} is scored on {', '.join(stages)}, "
                f"not on {stage.value}"
            )
        else:
            labels = tuple(dict.fromkeys(label for label, _ in operating_points))
            hint = nearest(principle.label, labels)
            msg = (
                f"principle {principle.id!r}: no screen of this guard scores label {principle.label!r}; {hint}; "
                "a label of a screen of your own needs Guard(screens=[...])"
            )
        raise PolicyError(msg)
    if isinstance(principle.threshold, float):
        return principle.threshold
    for name, threshold in points.items():
        if name == principle.threshold or (principle.fpr is not None and _rate(name) == principle.fpr):
            return threshold
    offered = ", ".join(f'"{name if name == "default" else "fpr:" + name}"' for name in points)
    msg = (
        f"principle {principle.id!r}: there is no threshold {principle.threshold!r} for label "
        f"{principle.label!r} on {stage.value}, only {offered or 'numbers from 0 to 1'}"
    )
    raise PolicyError(msg)


def _rate(name: str) -> Decimal | None:
    try:
        return Decimal(name)
    except InvalidOperation:
        return None


def lowered(threshold: float, by: float) -> float:
    """Return ``threshold`` lowered by ``by`` log-odds; 0 and 1 are returned unchanged."""
    if not 0.0 < threshold < 1.0:
        return threshold
    return 1.0 / (1.0 + math.exp(min(by, _MOST_ODDS)) * (1.0 - threshold) / threshold)


def not_below(
    bound: BoundPolicy, defaults: Mapping[tuple[str, Stage], float], stricter_by: float = 0.0
) -> frozenset[Stage]:
    """Return the stages on which no principle fires below the threshold in ``defaults`` for its label, if there is one.

    ``stricter_by`` is how far, in log-odds, principles that do more than flag are lowered for some actors.
    """
    return frozenset(
        stage
        for stage, rules in bound.rules.items()
        if all(
            (rule.threshold if rule.action.passes else lowered(rule.threshold, stricter_by))
            >= bound.scaled(stage, {rule.label: defaults[rule.label, stage]})[rule.label]
            for rule in rules
            if (rule.label, stage) in defaults
        )
    )


def nearly_fired(evaluations: Iterable[Evaluation], by: float) -> list[Evaluation]:
    """Return the evaluations that would have fired with thresholds lowered by ``by`` log-odds, the closest first."""
    found = [one for one in evaluations if not one.fired and one.score >= lowered(one.threshold, by)]
    return sorted(found, key=lambda one: -one.margin)


def decide(bound: BoundPolicy, stage: Stage, scores: Mapping[str, float]) -> Decision:
    """Compare ``scores`` (label to calibrated probability, 0 to 1) with every principle of ``stage``.

    A principle fires if ``score >= threshold``. Labels without a finite score are listed in ``unscored``: the caller
    must treat the check as incomplete, since a comparison with NaN would silently pass.
    """
    held: list[dict[str, Any]] = []
    fired: list[Fired] = []
    unscored: dict[str, None] = {}
    exact = True
    for principle in bound.rules[stage]:
        name, label, threshold, _, _ = principle
        score = scores.get(label)
        if type(score) is not float or not 0.0 <= score <= 1.0:  # also false for NaN
            if score is None or not isfinite(score):
                unscored[label] = None
                continue
            exact = False
        margin = score - threshold
        reached = score >= threshold
        held.append(
            {
                "principle_id": name,
                "label": label,
                "score": score,
                "threshold": threshold,
                "margin": margin,
                "fired": reached,
            }
        )
        if reached:
            fired.append(Fired(principle=principle, score=score, margin=margin))
    if len(fired) > 1:
        fired.sort(key=lambda one: (-one.principle.action.strength, -one.margin))  # stable: ties keep policy order
    return Decision(
        action=fired[0].principle.action if fired else Action.ALLOW,
        principle_id=fired[0].principle.id if fired else None,
        evaluations=Evaluation.of_each(held) if exact else tuple(map(Evaluation.model_validate, held)),
        fired=tuple(fired),
        unscored=tuple(unscored),
    )


def blocks(bound: BoundPolicy, stage: Stage, scores: Mapping[str, float]) -> bool:
    """Whether ``decide`` would block. Called after every window of a long text, so it allocates nothing."""
    return any(
        (score := scores.get(rule.label)) is not None and isfinite(score) and score >= rule.threshold
        for rule in bound.rules[stage]
        if rule.action is Action.BLOCK
    )
