"""From the readings of a text to its verdict. Pure: it knows no screen, model or clock."""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, Any, Protocol

from guardsdk.policy.decide import blocks, decide, lowered, nearly_fired
from guardsdk.verdict import Action, Finding, Stage, Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from guardsdk.policy.decide import BoundPolicy
    from guardsdk.policy.model import Policy
    from guardsdk.policy.monitoring import Enforcement
    from guardsdk.verdict import Tier

About = dict[str, Any]
"""Verdict fields that say what was used: policy, model, provider."""


class Seen(Protocol):
    """The combined readings of one text."""

    @property
    def scores(self) -> Mapping[str, float]:
        """Label to calibrated probability."""
        ...

    @property
    def views(self) -> Mapping[str, str]:
        """Label to the view that carried its score, if that was not the text as is."""
        ...

    @property
    def settled(self) -> bool:
        """Whether the rest was skipped because the decision was settled."""
        ...

    @property
    def tier(self) -> Tier | None:
        """Which part of the classifier answered; ``None`` if it did not run."""
        ...

    @property
    def problems(self) -> Sequence[str]:
        """What went wrong, one line each."""
        ...

    @property
    def layers(self) -> Sequence[str]:
        """The layers in which something went wrong."""
        ...

    def spans(self, label: str, length: int) -> tuple[tuple[int, int], ...]:
        """Return the passages that carried the score of ``label``; if they cannot be found, a problem is added."""
        ...


def settled(bound: BoundPolicy, stage: Stage, scores: Mapping[str, float]) -> bool:
    """Whether no further score can change the outcome: something blocks, and no action is stronger.

    Any other action may still become a block, and text that may pass, as in shadow mode, is read to its end.
    """
    return not bound.policy.shadow and blocks(bound, stage, bound.scaled(stage, scores))


def judge(
    bound: BoundPolicy, stage: Stage, seen: Seen, *, length: int, coverage: float, reasons: Sequence[str], about: About
) -> Verdict:
    """Return the verdict on a text of ``length`` characters, of which the share ``coverage`` was scored.

    ``reasons`` are what was missing in addition to the ``problems`` of ``seen``. If there are any of either, the check
    is degraded and the policy's ``on_error`` may stop the text.
    """
    scores = bound.scaled(stage, seen.scores)
    decision = decide(bound, stage, scores)
    findings = (
        ()
        if not decision.fired
        else tuple(
            Finding(
                principle_id=fired.principle.id,
                label=fired.principle.label,
                score=fired.score,
                threshold=fired.principle.threshold,
                margin=fired.margin,
                action=fired.principle.action,
                spans=seen.spans(fired.principle.label, length),
                view=seen.views.get(fired.principle.label),
            )
            for fired in decision.fired
        )
    )
    missing = [*seen.problems, *reasons]  # after the spans, as finding them may fail too
    if decision.unscored and not seen.problems:  # a principle was not evaluated, and nothing else reported it
        missing.append(f"no usable score for {', '.join(decision.unscored)}")
    blocked = decision.action is Action.BLOCK
    if seen.settled and not blocked:  # only a block may skip the rest
        missing.append("a screen left out a part of the text as settled, and nothing blocks")
    if decision.fired:
        degrading = [fired.principle for fired in decision.fired if fired.principle.degrades]
        missing += [f"{principle.label} by principle {principle.id}" for principle in degrading]
    held_back = bool(missing) and not blocked and bound.policy.on_error_for(stage) is Action.BLOCK
    fields: About = {
        **_follows(bound.policy, Action.BLOCK if held_back else decision.action),
        "status": Status.DEGRADED if missing else Status.COMPLETE,
        "stage": stage,
        "principle_id": None if held_back else decision.principle_id,
        "scores": _finite(scores),
        "evaluations": decision.evaluations,
        "findings": findings,
        "coverage": coverage,
        "stopped_early": seen.settled,
        "tier": seen.tier,
        "degraded_reasons": tuple(missing),
        "incomplete_layers": tuple(seen.layers),
        **about,
    }
    return Verdict.of(fields)


def _finite(scores: Mapping[str, float]) -> dict[str, float]:
    """Return a copy of ``scores`` without values that are not finite."""
    if isfinite(sum(scores.values())):  # the sum is not finite if any value is not
        return dict(scores)
    return {label: score for label, score in scores.items() if isfinite(score)}


def _follows(policy: Policy, action: Action) -> About:
    """Return the verdict fields that carry the action; in shadow mode the text passes, whatever was found."""
    if not policy.shadow:
        return {"allowed": action.passes, "action": action}
    return {"allowed": True, "action": action if action.passes else Action.FLAG, "would_action": action}


def nothing_to_check(policy: Policy, stage: Stage, about: About) -> Verdict:
    """Return the verdict on a text without a visible character: there is nothing a principle could apply to."""
    return Verdict(**_follows(policy, Action.ALLOW), status=Status.COMPLETE, stage=stage, coverage=1.0, **about)


def failed(policy: Policy, stage: Stage, error: str, layers: Sequence[str], about: About) -> Verdict:
    """Return the verdict on a text that could not be checked at all; the policy's ``on_error`` gives the action."""
    return Verdict(
        **_follows(policy, policy.on_error_for(stage)),
        status=Status.FAILED,
        stage=stage,
        error=error or "nothing was scored",
        incomplete_layers=tuple(layers),
        **about,
    )


def not_covered(policy: Policy, verdict: Verdict, kinds: Sequence[str]) -> Verdict:
    """Return ``verdict`` for a text that came with parts of ``kinds`` that cannot be screened, such as ``image_url``.

    It is degraded, and the text is stopped unless the policy's ``on_uncovered`` lets such parts pass.
    """
    reasons = tuple(
        f"{kind}: {count} part{'s' * (count > 1)} that cannot be screened" for kind, count in Counter(kinds).items()
    )
    changes = _incomplete(verdict, reasons)
    if policy.on_uncovered == "block":
        changes |= _held_back(policy, verdict)
    return verdict.model_copy(update=changes)


def limits_unknown(policy: Policy, verdict: Verdict, reason: str) -> Verdict:
    """Return ``verdict`` where it is unknown whether lowered thresholds apply to the actor.

    The check is degraded, and the policy's ``on_error`` may stop the text. A verdict without evaluations is unchanged.
    """
    if not verdict.evaluations:
        return verdict
    changes = {**_incomplete(verdict, (reason,)), "incomplete_layers": (*verdict.incomplete_layers, "monitor")}
    if policy.on_error_for(verdict.stage) is Action.BLOCK:
        changes |= _held_back(policy, verdict)
    return verdict.model_copy(update=changes)


def unrecorded(policy: Policy, verdict: Verdict, reason: str) -> Verdict:
    """Return ``verdict`` where it had to be recorded and could not be: as a failed check.

    A text that a principle blocks stays blocked by it. In shadow mode texts still pass.
    """
    changes: About = {
        "status": Status.FAILED,
        "error": verdict.error or reason,
        "degraded_reasons": (*verdict.degraded_reasons, reason),
        "incomplete_layers": (*verdict.incomplete_layers, "decision_log"),
    }
    return verdict.model_copy(update=changes | _held_back(policy, verdict))


def stricter(policy: Policy, verdict: Verdict, rules: Enforcement, length: int) -> Verdict:
    """Return ``verdict``, on a text of ``length`` characters, for an actor whose thresholds are lowered for a while.

    Principles that do more than flag may fire where they otherwise would not. ``evaluations`` still compare with the
    principles' own thresholds. No action becomes weaker.
    """
    action = Action(rules.action)
    if (verdict.would_action or verdict.action).strength >= action.strength:
        return verdict
    watched = {one.id for one in policy.principles if not one.action_for(verdict.stage).passes}
    near = [one for one in nearly_fired(verdict.evaluations, rules.stricter_by) if one.principle_id in watched]
    if not near:
        return verdict
    findings = [
        Finding(
            principle_id=one.principle_id,
            label=one.label,
            score=one.score,
            threshold=lowered(one.threshold, rules.stricter_by),
            margin=max(one.score - lowered(one.threshold, rules.stricter_by), 0.0),
            action=action,
            spans=((0, length),),
        )
        for one in near
    ]
    changes: About = {
        **_follows(policy, action),
        "principle_id": findings[0].principle_id,
        "findings": (*findings, *verdict.findings),
    }
    return verdict.model_copy(update=changes)


def _incomplete(verdict: Verdict, reasons: tuple[str, ...]) -> About:
    """Return the fields of ``verdict`` that change if something was missing, for ``reasons``."""
    return {
        "status": Status.DEGRADED if verdict.status is Status.COMPLETE else verdict.status,
        "degraded_reasons": (*verdict.degraded_reasons, *reasons),
    }


def _held_back(policy: Policy, verdict: Verdict) -> About:
    """Return the fields of ``verdict`` that change if its text may not pass; a blocked text stays blocked."""
    if (verdict.would_action or verdict.action) is Action.BLOCK:
        return {}
    return {**_follows(policy, Action.BLOCK), "principle_id": None}
