"""Combines the checks of one stream into one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from guardsdk.calling.handling import weight, worst
from guardsdk.text.spans import merged
from guardsdk.verdict import Action, Evaluation, Finding, Status, Verdict, highest_scores, joint_tier

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Seen:
    """One check of a part of a text."""

    verdict: Verdict
    channel: int
    """Index of the text in the stream."""
    offset: int
    """Where the part begins in that text, in characters."""


def combined(seen: Sequence[Seen], *, stopped: Verdict | None) -> Verdict:
    """Return the combined verdict of the checks ``seen`` (at least one).

    It has the strongest action, the worst status, the highest scores, the lowest coverage, and all findings with their
    spans in the whole text. ``stopped`` is the verdict that ended the stream, if one did.
    """
    verdicts = [one.verdict for one in seen]
    lead = max(verdicts, key=weight) if stopped is None else stopped  # a verdict that stops the stream is false
    failed = [one for one in verdicts if one.status is Status.FAILED]
    status = worst(verdicts)
    some_failed = status is Status.FAILED and len(failed) < len(verdicts)
    reasons = [reason for one in verdicts for reason in (*one.degraded_reasons, *((one.error,) if some_failed else ()))]
    action = Action.BLOCK if stopped is not None and lead.action is Action.REDACT else lead.action
    would = [one.would_action for one in verdicts if one.would_action is not None]
    return Verdict.of(  # not a copy of a part's verdict, which is bound to that part's text
        {
            **lead.__dict__,
            "action": action,
            "allowed": action.passes,
            "would_action": max(would, key=lambda one: one.strength) if would else None,
            "status": Status.DEGRADED if some_failed else status,
            "error": lead.error if status is Status.FAILED and not some_failed else None,
            "scores": highest_scores(*(one.scores for one in verdicts)),
            "evaluations": _evaluations(verdicts),
            "findings": _findings(seen),
            "coverage": min(one.coverage for one in verdicts),
            "tier": joint_tier(*(one.tier for one in verdicts)),
            "degraded_reasons": tuple(dict.fromkeys(reason for reason in reasons if reason)),
            "cached": all(one.cached for one in verdicts),
            "duration_s": sum(one.duration_s for one in verdicts),
            **_machinery(verdicts),
        }
    )


def _machinery(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """Return model, policy and provider of the last check that had a model."""
    last = next((one for one in reversed(verdicts) if one.model is not None), verdicts[-1])
    names = ("model", "policy", "provider_requested", "provider_active", "provider_reason")
    return {name: getattr(last, name) for name in names}


def _evaluations(verdicts: Sequence[Verdict]) -> tuple[Evaluation, ...]:
    best: dict[str, Evaluation] = {}
    for one in (evaluation for verdict in verdicts for evaluation in verdict.evaluations):
        if one.principle_id not in best or one.margin > best[one.principle_id].margin:
            best[one.principle_id] = one
    return tuple(best.values())


def _findings(seen: Sequence[Seen]) -> tuple[Finding, ...]:
    best: dict[tuple[int, str], Finding] = {}
    spans: dict[tuple[int, str], set[tuple[int, int]]] = {}
    for one in seen:
        for finding in one.verdict.findings:
            key = (one.channel, finding.principle_id)
            if key not in best or finding.margin > best[key].margin:
                best[key] = finding
            spans.setdefault(key, set()).update((a + one.offset, b + one.offset) for a, b in finding.spans)
    found = [finding.model_copy(update={"spans": merged(spans[key])}) for key, finding in best.items()]
    return tuple(sorted(found, key=lambda one: (-one.action.strength, -one.margin)))
