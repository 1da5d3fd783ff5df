"""From a record to attributes: pure functions, the one place where values meet the names they are reported under."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from guardsdk.telemetry import names
from guardsdk.verdict import Action, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from guardsdk.observing import CheckRecord
    from guardsdk.verdict import Evaluation, Verdict

Value = str | bool | int | float | tuple[str, ...]

_few = lru_cache(maxsize=1024)
"""For what is made of a few stages, labels and principles only: the same dictionary each time, which an SDK copies."""
_word = {member: member.value for kind in (Stage, Action, Status) for member in kind}.__getitem__
"""What an enumeration's member is called: the property of that name takes longer than a metric's whole dictionary."""

_CLASS = re.compile(r"[A-Z][A-Za-z0-9_.]*")


def span_attributes(record: CheckRecord) -> dict[str, Value]:
    """Return the attributes of the span; what is unknown or empty is left out, as OpenTelemetry asks."""
    verdict = record.verdict
    model, policy = verdict.model, verdict.policy
    known: tuple[tuple[names.Attribute, Value | None], ...] = (
        (names.STAGE, _word(verdict.stage)),
        (names.ACTION, _word(verdict.action)),
        (names.WOULD_ACTION, _word(verdict.would_action) if verdict.would_action else None),
        (names.STATUS, _word(verdict.status)),
        (names.ALLOWED, verdict.allowed),
        (names.PRINCIPLE, verdict.principle_id),
        (names.FINDINGS, tuple(finding.principle_id for finding in verdict.findings) or None),
        (names.VIEWS, tuple(dict.fromkeys(one.view for one in verdict.findings if one.view)) or None),
        (names.COVERAGE, verdict.coverage),
        (names.STOPPED_EARLY, verdict.stopped_early),
        (names.TIER, verdict.tier),
        (names.DEGRADED_REASONS, verdict.degraded_reasons or None),
        (names.INCOMPLETE_LAYERS, verdict.incomplete_layers or None),
        (names.TEXT_LENGTH, record.text_length),
        (names.MODEL_NAME, model.name if model else None),
        (names.MODEL_VERSION, model.version if model else None),
        (names.MODEL_DIGEST, model.digest if model else None),
        (names.POLICY_NAME, policy.name if policy else None),
        (names.POLICY_VERSION, policy.version if policy else None),
        (names.POLICY_DIGEST, policy.digest if policy else None),
        (names.PROVIDER_REQUESTED, verdict.provider_requested),
        (names.PROVIDER_ACTIVE, verdict.provider_active),
        (names.PROVIDER_REASON, verdict.provider_reason),
        (names.CACHED, verdict.cached),
        (names.DURATION, verdict.duration_s),
        (names.ERROR_TYPE, error_type(verdict)),
    )
    attributes: dict[str, Value] = {key.name: value for key, value in known if value is not None}
    for label, score in verdict.scores.items():
        attributes[_of_label(names.SCORE, label)] = score
    for label, evaluation in _closest(verdict.evaluations).items():
        attributes[_of_label(names.THRESHOLD, label)] = evaluation.threshold
        attributes[_of_label(names.MARGIN, label)] = evaluation.margin
    return attributes


@_few
def _of_label(attribute: names.Attribute, label: str) -> str:
    return attribute.name.replace(names.LABEL_PLACE, label)


def _closest(evaluations: Sequence[Evaluation]) -> dict[str, Evaluation]:
    """Per label the evaluation with the largest margin: several principles may read one label; events hold them all."""
    closest: dict[str, Evaluation] = {}
    for one in evaluations:
        known = closest.get(one.label)
        if known is None or one.margin >= known.margin:
            closest[one.label] = one
    return closest


def evaluation_attributes(evaluation: Evaluation) -> dict[str, Value]:
    """Return the attributes of the ``gen_ai.evaluation.result`` event of one principle."""
    reached = "reached" if evaluation.fired else "is below"
    return {
        names.EVALUATION_NAME.name: evaluation.principle_id,
        names.EVALUATION_SCORE.name: evaluation.score,
        names.EVALUATION_LABEL.name: "fail" if evaluation.fired else "pass",
        names.EVALUATION_EXPLANATION.name: (
            f"{evaluation.label} {evaluation.score:.4f} {reached} the threshold {evaluation.threshold:.4f} "
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
"""What the guardrail itself says, in the proposal's words; what its host makes of a shadow is not its verdict."""


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


def stage_attributes(verdict: Verdict) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.check.coverage``."""
    return _of_stage(verdict.stage)


@_few
def _of_stage(stage: Stage) -> dict[str, Value]:
    return {names.STAGE.name: stage.value}


def cache_attributes(verdict: Verdict) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.check.cache``."""
    return _of_cache(verdict.stage, verdict.cached)


@_few
def _of_cache(stage: Stage, cached: bool) -> dict[str, Value]:  # noqa: FBT001  a key of the cache
    return {names.STAGE.name: stage.value, names.CACHED.name: cached}


def errors_attributes(verdict: Verdict) -> Iterator[dict[str, Value]]:
    """Yield the attributes of ``guardsdk.check.errors``, once for everything that went wrong."""
    kind = error_type(verdict)
    if kind is None and not verdict.incomplete_layers:  # text left out on purpose is for the coverage to tell
        return
    for layer in verdict.incomplete_layers or (None,):
        attributes: dict[str, Value] = {names.STAGE.name: verdict.stage.value, names.STATUS.name: verdict.status.value}
        if layer is not None:
            attributes[names.LAYER.name] = layer
        if kind is not None:
            attributes[names.ERROR_TYPE.name] = kind
        yield attributes


def duration_attributes(verdict: Verdict) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.check.duration``."""
    return _of_duration(verdict.stage, verdict.status, verdict.cached, error_type(verdict))


@_few
def _of_duration(stage: Stage, status: Status, cached: bool, kind: str | None) -> dict[str, Value]:  # noqa: FBT001  as above
    attributes: dict[str, Value] = {
        names.STAGE.name: stage.value,
        names.STATUS.name: status.value,
        names.CACHED.name: cached,
    }
    if kind is not None:
        attributes[names.ERROR_TYPE.name] = kind
    return attributes


def decision_attributes(verdict: Verdict) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.check.decisions``."""
    return _of_decision(verdict.stage, verdict.action, verdict.status, verdict.would_action, verdict.principle_id)


@_few
def _of_decision(
    stage: Stage, action: Action, status: Status, would_action: Action | None, principle_id: str | None
) -> dict[str, Value]:
    attributes: dict[str, Value] = {
        names.STAGE.name: stage.value,
        names.ACTION.name: action.value,
        names.STATUS.name: status.value,
    }
    if would_action is not None:
        attributes[names.WOULD_ACTION.name] = would_action.value
    if principle_id is not None:
        attributes[names.PRINCIPLE.name] = principle_id
    return attributes


def score_attributes(verdict: Verdict, label: str) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.score``."""
    return _of_score(verdict.stage, label)


@_few
def _of_score(stage: Stage, label: str) -> dict[str, Value]:
    return {names.STAGE.name: stage.value, names.LABEL.name: label}


def distance_attributes(verdict: Verdict, evaluation: Evaluation) -> dict[str, Value]:
    """Return the attributes of ``guardsdk.distance``."""
    return _of_distance(verdict.stage, evaluation.principle_id, evaluation.fired)


@_few
def _of_distance(stage: Stage, principle_id: str, fired: bool) -> dict[str, Value]:  # noqa: FBT001  as above
    return {names.STAGE.name: stage.value, names.PRINCIPLE.name: principle_id, names.FIRED.name: fired}


def error_type(verdict: Verdict) -> str | None:
    """Return the error class of a failed check, or none.

    ``Verdict.error`` starts with the class, or with the screen that failed and then the class. Anything else becomes
    ``_OTHER``, the convention's word for an unknown one, so that a metric attribute stays few-valued.
    """
    if verdict.error is None:
        return None
    start = verdict.error.split(": ", maxsplit=2)[:2]
    return next((word for word in start if _CLASS.fullmatch(word)), "_OTHER")
