"""Turns records into attributes: pure functions, and the one place where values get their reported names."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from guardsdk.telemetry import names
from guardsdk.verdict import Action, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guardsdk.observing import CheckRecord
    from guardsdk.verdict import Evaluation, Verdict

Value = str | bool | int | float | tuple[str, ...]

_few = lru_cache(maxsize=1024)
"""Caches dictionaries that depend on few stages, labels and principles only; an SDK copies them."""
_COVERAGE, _DURATION, _TEXT_LENGTH = names.COVERAGE.name, names.DURATION.name, names.TEXT_LENGTH.name
_NAME, _SCORE, _LABEL, _EXPLANATION = (one.name for one in names.EVENT_ATTRIBUTES)

_CLASS = re.compile(r"[A-Z][A-Za-z0-9_.]*")


def span_attributes(record: CheckRecord) -> dict[str, Value]:
    """Return the attributes of the span; unknown and empty ones are left out, as OpenTelemetry requires."""
    verdict = record.verdict
    # Attributes with few distinct values are cached: creating them anew would double the time.
    attributes = _of_outcome(
        verdict.stage,
        verdict.action,
        verdict.would_action,
        verdict.status,
        verdict.principle_id,
        verdict.tier,
        (verdict.allowed, verdict.stopped_early, verdict.cached),
    ).copy()
    if verdict.model is not None:
        attributes |= _of_model(verdict.model.name, verdict.model.version, verdict.model.digest)
    if verdict.policy is not None:
        attributes |= _of_policy(verdict.policy.name, verdict.policy.version, verdict.policy.digest)
    attributes |= _of_provider(verdict.provider_requested, verdict.provider_active, verdict.provider_reason)
    attributes[_COVERAGE] = verdict.coverage
    attributes[_DURATION] = verdict.duration_s
    attributes[_TEXT_LENGTH] = record.text_length
    if verdict.findings or verdict.degraded_reasons or verdict.incomplete_layers or verdict.error:
        attributes |= _remarkable(verdict)
    for label, score in verdict.scores.items():
        attributes[_of_label(label)[0]] = score
    closest: dict[str, float] = {}
    for one in verdict.evaluations:
        label, margin = one.label, one.margin
        # The largest margin of a label, as several principles may use it; the events have them all.
        if margin >= closest.get(label, margin):
            _, called_threshold, called_margin = _of_label(label)
            attributes[called_threshold] = one.threshold
            attributes[called_margin] = closest[label] = margin
    return attributes


def _remarkable(verdict: Verdict) -> dict[str, Value]:
    return _known(
        (names.FINDINGS, tuple(finding.principle_id for finding in verdict.findings) or None),
        (names.VIEWS, tuple(dict.fromkeys(one.view for one in verdict.findings if one.view)) or None),
        (names.DEGRADED_REASONS, verdict.degraded_reasons or None),
        (names.INCOMPLETE_LAYERS, verdict.incomplete_layers or None),
        (names.ERROR_TYPE, error_type(verdict)),
    )


@_few
def _of_outcome(  # noqa: PLR0917  a key of the cache
    stage: Stage,
    action: Action,
    would_action: Action | None,
    status: Status,
    principle_id: str | None,
    tier: str | None,
    truths: tuple[bool, bool, bool],
) -> dict[str, Value]:
    allowed, stopped_early, cached = truths
    return _known(
        (names.STAGE, stage.value),
        (names.ACTION, action.value),
        (names.WOULD_ACTION, would_action.value if would_action else None),
        (names.STATUS, status.value),
        (names.ALLOWED, allowed),
        (names.PRINCIPLE, principle_id),
        (names.STOPPED_EARLY, stopped_early),
        (names.TIER, tier),
        (names.CACHED, cached),
    )


@_few
def _of_model(name: str, version: str, digest: str) -> dict[str, Value]:
    return _known((names.MODEL_NAME, name), (names.MODEL_VERSION, version), (names.MODEL_DIGEST, digest))


@_few
def _of_policy(name: str, version: str, digest: str) -> dict[str, Value]:
    return _known((names.POLICY_NAME, name), (names.POLICY_VERSION, version), (names.POLICY_DIGEST, digest))


@_few
def _of_provider(requested: str | None, active: str | None, reason: str | None) -> dict[str, Value]:
    return _known(
        (names.PROVIDER_REQUESTED, requested), (names.PROVIDER_ACTIVE, active), (names.PROVIDER_REASON, reason)
    )


def _known(*values: tuple[names.Attribute, Value | None]) -> dict[str, Value]:
    return {key.name: value for key, value in values if value is not None}


@_few
def _of_label(label: str) -> tuple[str, str, str]:
    """Return the attribute names of the score, the threshold and the margin of ``label``."""
    score, threshold, margin = (
        one.name.replace(names.LABEL_PLACE, label) for one in (names.SCORE, names.THRESHOLD, names.MARGIN)
    )
    return score, threshold, margin


def evaluation_attributes(evaluation: Evaluation) -> dict[str, Value]:
    """Return the attributes of the ``gen_ai.evaluation.result`` event of one principle."""
    score, threshold, fired = evaluation.score, evaluation.threshold, evaluation.fired
    return {
        _NAME: evaluation.principle_id,
        _SCORE: score,
        _LABEL: "fail" if fired else "pass",
        _EXPLANATION: (
            f"{evaluation.label} {score:.4f} {'reached' if fired else 'is below'} the threshold {threshold:.4f} "
            f"(margin {evaluation.margin:+.4f})"
        ),
    }


_VERDICTS = {
    Action.ALLOW: "allow",
    Action.FLAG: "warn",
    Action.REDACT: "modify",
    Action.REPLACE: "modify",
    Action.REVISE: "modify",
    Action.REVIEW: "deny",
    Action.BLOCK: "deny",
}
"""The guardrail's decision in the terms of the proposal; shadow mode does not change it."""


def guardrail_attributes(verdict: Verdict) -> dict[str, Value]:
    """Return the attributes of the proposed guardrail conventions."""
    tool = verdict.stage is Stage.TOOL
    attributes: dict[str, Value] = {
        names.OPERATION.name: "run_guardrail",
        names.GUARDRAIL_NAME.name: names.SCOPE,
        names.GUARDRAIL_TARGET.name: "input" if verdict.stage is Stage.INPUT else "output",
        names.GUARDRAIL_SUBTYPE.name: "tool_call" if tool else "llm",
    }
    if verdict.status is not Status.FAILED:
        attributes[names.GUARDRAIL_VERDICT.name] = _VERDICTS[verdict.would_action or verdict.action]
    if verdict.policy is not None:
        attributes[names.GUARDRAIL_POLICY.name] = verdict.policy.name
    for finding in verdict.findings:
        if finding.principle_id == verdict.principle_id:
            attributes[names.GUARDRAIL_RULE.name] = finding.principle_id
            attributes[names.GUARDRAIL_RISK.name] = finding.label
            attributes[names.GUARDRAIL_SCORE.name] = finding.score
    return attributes


@_few
def stage_attributes(stage: Stage) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.check.coverage``."""
    return {names.STAGE.name: stage.value}


@_few
def cache_attributes(stage: Stage, cached: bool) -> dict[str, Value]:  # noqa: FBT001  a key of the cache
    """Return the attributes of ``guardsdk.check.cache``."""
    return {names.STAGE.name: stage.value, names.CACHED.name: cached}


def errors_attributes(verdict: Verdict) -> Iterator[dict[str, Value]]:
    """Yield the attributes of ``guardsdk.check.errors``, once per problem."""
    kind = error_type(verdict)
    if kind is None and not verdict.incomplete_layers:  # text skipped on purpose shows in the coverage
        return
    for layer in verdict.incomplete_layers or (None,):
        yield _known(
            (names.STAGE, verdict.stage.value),
            (names.STATUS, verdict.status.value),
            (names.LAYER, layer),
            (names.ERROR_TYPE, kind),
        )


@_few
def duration_attributes(stage: Stage, status: Status, cached: bool, kind: str | None) -> dict[str, Value]:  # noqa: FBT001  as above
    """Return the attributes of ``guardsdk.check.duration``; ``kind`` is the ``error_type``."""
    return _known(
        (names.STAGE, stage.value), (names.STATUS, status.value), (names.CACHED, cached), (names.ERROR_TYPE, kind)
    )


@_few
def decision_attributes(
    stage: Stage, action: Action, status: Status, would_action: Action | None, principle_id: str | None
) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.check.decisions``."""
    return _known(
        (names.STAGE, stage.value),
        (names.ACTION, action.value),
        (names.STATUS, status.value),
        (names.WOULD_ACTION, would_action.value if would_action else None),
        (names.PRINCIPLE, principle_id),
    )


@_few
def score_attributes(stage: Stage, label: str) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.score``."""
    return {names.STAGE.name: stage.value, names.LABEL.name: label}


@_few
def distance_attributes(stage: Stage, principle_id: str, fired: bool) -> dict[str, Value]:  # noqa: FBT001  as above
    """Return the attributes of ``guardsdk.distance``."""
    return {names.STAGE.name: stage.value, names.PRINCIPLE.name: principle_id, names.FIRED.name: fired}


def error_type(verdict: Verdict) -> str | None:
    """Return the error class of a failed check, or ``None``.

    ``Verdict.error`` starts with the class, or with the failed screen and then the class. Anything else becomes
    ``_OTHER``, the convention's value for unknown errors, which keeps the metric attribute's cardinality low.
    """
    if verdict.error is None:
        return None
    start = verdict.error.split(": ", maxsplit=2)[:2]
    return next((word for word in start if _CLASS.fullmatch(word)), "_OTHER")
