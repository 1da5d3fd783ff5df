"""Every name and unit this package sends to OpenTelemetry; ``docs/telemetry.md`` has the same list, as a test verifies.

Attribute types are those of the OpenTelemetry specification; units are UCUM codes, as in its metric conventions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

AttributeType = Literal["string", "boolean", "int", "double", "string[]"]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: its name, its meaning, its type and its unit."""

    name: str
    meaning: str
    type: AttributeType = "string"
    unit: str = ""
    """UCUM code; ``1`` for a ratio or probability, empty if there is no unit."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric and the attributes it may have, all of low cardinality."""

    name: str
    instrument: Literal["histogram", "counter"]
    unit: str
    attributes: tuple[Attribute, ...]
    meaning: str
    boundaries: tuple[float, ...] = ()
    """Upper bucket bounds of a histogram in its unit; the SDK's defaults start at 5, beyond every value here."""


SCOPE: Final = "guardsdk"
"""Name of the instrumentation scope of the tracer and the meter."""

SPAN: Final = "guardsdk.check"
"""One INTERNAL span per check, from its start to its end, a child of the caller's current span."""

EVENT: Final = "gen_ai.evaluation.result"
"""One event per evaluated principle, fired or not: a log record with this event name, or a span event."""

ANCHOR: Final = "guardsdk.decision_log.anchor"
"""The event (a span, if there is no logger provider) that reports how far the decision log goes."""

STAGE: Final = Attribute("guardsdk.stage", "where the text was seen: `input`, `tool` or `output`")
ACTION: Final = Attribute(
    "guardsdk.action", "what happens to the text: `allow`, `flag`, `redact`, `replace`, `revise`, `review` or `block`"
)
WOULD_ACTION: Final = Attribute("guardsdk.would_action", "in shadow mode, the action without it; absent otherwise")
STATUS: Final = Attribute("guardsdk.status", "how far the text was checked: `complete`, `degraded` or `failed`")
ALLOWED: Final = Attribute("guardsdk.allowed", "whether the text may pass as it is", "boolean")
PRINCIPLE: Final = Attribute("guardsdk.principle.id", "principle that decided; absent where none fired")
FINDINGS: Final = Attribute("guardsdk.findings", "every principle that fired, the deciding one first", "string[]")
VIEWS: Final = Attribute(
    "guardsdk.views",
    "how the text had to be read for its findings, such as `base64`; absent where all are in plain text",
    "string[]",
)
COVERAGE: Final = Attribute("guardsdk.coverage", "share of the text's characters that was scored", "double", "1")
STOPPED_EARLY: Final = Attribute(
    "guardsdk.stopped_early", "whether the rest went unscored because a principle had blocked the text", "boolean"
)
TIER: Final = Attribute(
    "guardsdk.tier",
    "`early` where the classifier's lower layers alone cleared the text, else `full`; absent where it did not run",
)
DEGRADED_REASONS: Final = Attribute(
    "guardsdk.degraded_reasons", "what was missing from a degraded check; absent where nothing was", "string[]"
)
INCOMPLETE_LAYERS: Final = Attribute(
    "guardsdk.incomplete_layers", "screens that failed or timed out, or `model`; absent where none did", "string[]"
)
TEXT_LENGTH: Final = Attribute("guardsdk.text.length", "length of the checked text", "int", "{character}")
MODEL_NAME: Final = Attribute("guardsdk.model.name", "model that scored the text")
MODEL_VERSION: Final = Attribute("guardsdk.model.version", "its version")
MODEL_DIGEST: Final = Attribute("guardsdk.model.digest", "sha256 of the model's contents")
POLICY_NAME: Final = Attribute("guardsdk.policy.name", "policy that decided")
POLICY_VERSION: Final = Attribute("guardsdk.policy.version", "its version")
POLICY_DIGEST: Final = Attribute("guardsdk.policy.digest", "sha256 of its contents")
PROVIDER_REQUESTED: Final = Attribute("guardsdk.provider.requested", "`auto`, `cpu` or `cuda`")
PROVIDER_ACTIVE: Final = Attribute("guardsdk.provider.active", "execution provider that computed the scores")
PROVIDER_REASON: Final = Attribute(
    "guardsdk.provider.reason", "why it is not the best one requested; absent where it is"
)
CACHED: Final = Attribute("guardsdk.cached", "whether the verdict came from the cache", "boolean")
DURATION: Final = Attribute("guardsdk.check.duration", "wall time of the check", "double", "s")
ERROR_TYPE: Final = Attribute("error.type", "class of the error of a failed check; absent elsewhere, on blocks too")
TEXT: Final = Attribute(
    "guardsdk.text", "the checked text, whole or with every finding cut out; only if text capture is on"
)
TEXT_HASH: Final = Attribute(
    "guardsdk.text.hash", "keyed BLAKE2b of the checked text, in hexadecimal; only if text capture is on"
)

LABEL_PLACE: Final = "<label>"
"""Placeholder for a label of the model, such as ``prompt_injection``, in the names below."""

SCORE: Final = Attribute(
    f"guardsdk.score.{LABEL_PLACE}", "calibrated probability of the label, highest over all windows", "double", "1"
)
THRESHOLD: Final = Attribute(
    f"guardsdk.threshold.{LABEL_PLACE}", "lowest threshold of the principles that read the label", "double", "1"
)
MARGIN: Final = Attribute(
    f"guardsdk.margin.{LABEL_PLACE}", "score minus that threshold; negative below it", "double", "1"
)

SPAN_ATTRIBUTES: Final = (
    STAGE,
    ACTION,
    WOULD_ACTION,
    STATUS,
    ALLOWED,
    PRINCIPLE,
    FINDINGS,
    VIEWS,
    SCORE,
    THRESHOLD,
    MARGIN,
    COVERAGE,
    STOPPED_EARLY,
    TIER,
    DEGRADED_REASONS,
    INCOMPLETE_LAYERS,
    TEXT_LENGTH,
    MODEL_NAME,
    MODEL_VERSION,
    MODEL_DIGEST,
    POLICY_NAME,
    POLICY_VERSION,
    POLICY_DIGEST,
    PROVIDER_REQUESTED,
    PROVIDER_ACTIVE,
    PROVIDER_REASON,
    CACHED,
    DURATION,
    ERROR_TYPE,
    TEXT,
    TEXT_HASH,
)

OPERATION: Final = Attribute("gen_ai.operation.name", "always `run_guardrail`")
GUARDRAIL_NAME: Final = Attribute("gen_ai.guardrail.component.name", "always `guardsdk`")
GUARDRAIL_TARGET: Final = Attribute(
    "gen_ai.guardrail.target.type", "`input` for stage `input`, `output` for `tool` and `output`"
)
GUARDRAIL_SUBTYPE: Final = Attribute("gen_ai.guardrail.target.subtype", "`tool_call` for stage `tool`, else `llm`")
GUARDRAIL_VERDICT: Final = Attribute(
    "gen_ai.guardrail.verdict.type",
    "`allow`, `warn` (flagged), `modify` (redact, replace, revise) or `deny` (review, block), as without shadow mode; "
    "absent where the check failed",
)
GUARDRAIL_POLICY: Final = Attribute("gen_ai.guardrail.security.policy.id", "policy that decided")
GUARDRAIL_RULE: Final = Attribute(
    "gen_ai.guardrail.security.policy.rule.id", "principle that decided; absent where none fired"
)
GUARDRAIL_RISK: Final = Attribute(
    "gen_ai.guardrail.security.risk.category", "label of that principle; absent where none fired"
)
GUARDRAIL_SCORE: Final = Attribute(
    "gen_ai.guardrail.security.risk.score", "score of that label; absent where none fired", "double", "1"
)

GUARDRAIL_ATTRIBUTES: Final = (
    OPERATION,
    GUARDRAIL_NAME,
    GUARDRAIL_TARGET,
    GUARDRAIL_SUBTYPE,
    GUARDRAIL_VERDICT,
    GUARDRAIL_POLICY,
    GUARDRAIL_RULE,
    GUARDRAIL_RISK,
    GUARDRAIL_SCORE,
)
"""Additional span attributes if the host opted in. The names are those of a proposal and may change with it:
https://github.com/open-telemetry/semantic-conventions-genai/pull/427."""

EVALUATION_NAME: Final = Attribute("gen_ai.evaluation.name", "id of the principle")
EVALUATION_SCORE: Final = Attribute(
    "gen_ai.evaluation.score.value", "calibrated probability of the principle's label", "double", "1"
)
EVALUATION_LABEL: Final = Attribute("gen_ai.evaluation.score.label", "`fail` where the principle fired, else `pass`")
EVALUATION_EXPLANATION: Final = Attribute(
    "gen_ai.evaluation.explanation", "label, score, threshold and margin as one sentence; never text"
)

EVENT_ATTRIBUTES: Final = (EVALUATION_NAME, EVALUATION_SCORE, EVALUATION_LABEL, EVALUATION_EXPLANATION)

ANCHOR_FILE: Final = Attribute("guardsdk.decision_log.file", "number of the file, counted from 1", "int")
ANCHOR_SEQUENCE: Final = Attribute("guardsdk.decision_log.sequence", "number of the newest record", "int")
ANCHOR_HASH: Final = Attribute("guardsdk.decision_log.hash", "its hash, for `guardsdk log verify`")

ANCHOR_ATTRIBUTES: Final = (ANCHOR_FILE, ANCHOR_SEQUENCE, ANCHOR_HASH)

ALERT: Final = "guardsdk.monitor.alert"
"""The event (a span, if there is no logger provider) of an alert."""
ALERT_KIND: Final = Attribute("guardsdk.monitor.alert.kind", "what it is about, such as `score_drift`")
ALERT_SEVERITY: Final = Attribute("guardsdk.monitor.alert.severity", "`info`, `warning` or `critical`")
ALERT_SERIES: Final = Attribute(
    "guardsdk.monitor.alert.series", "label or rate it is about; absent where it is about an actor"
)
ALERT_ACTOR: Final = Attribute(
    "guardsdk.monitor.alert.actor", "pseudonym of the actor; absent where it is about the traffic"
)
ALERT_MODEL_BEFORE: Final = Attribute(
    "guardsdk.monitor.alert.model_before", "sha256 of the model before, where it changed; else absent"
)
FIGURE_PLACE: Final = "<figure>"
"""Placeholder for a figure of the evidence, such as ``psi``, in the name below."""
ALERT_EVIDENCE: Final = Attribute(f"guardsdk.monitor.alert.evidence.{FIGURE_PLACE}", "one of its figures", "double")
ALERT_ATTRIBUTES: Final = (
    ALERT_KIND, ALERT_SEVERITY, STAGE, ALERT_SERIES, ALERT_ACTOR, MODEL_DIGEST, ALERT_MODEL_BEFORE, ALERT_EVIDENCE
)  # fmt: skip

LABEL: Final = Attribute("guardsdk.label", "label of the model")
LAYER: Final = Attribute(
    "guardsdk.layer", "screen that failed or timed out, `model` or `policy`; absent where none did"
)
FIRED: Final = Attribute("guardsdk.fired", "whether the score reached the threshold", "boolean")
OUTCOME: Final = Attribute("guardsdk.decision_log.outcome", "`written` or `lost`")

METRIC_DURATION: Final = Metric(
    "guardsdk.check.duration",
    "histogram",
    "s",
    (STAGE, STATUS, CACHED, ERROR_TYPE),
    "wall time of one check",
    boundaries=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
METRIC_DECISIONS: Final = Metric(
    "guardsdk.check.decisions",
    "counter",
    "{check}",
    (STAGE, ACTION, WOULD_ACTION, STATUS, PRINCIPLE),
    "checks by action and deciding principle",
)
METRIC_ERRORS: Final = Metric(
    "guardsdk.check.errors",
    "counter",
    "{error}",
    (STAGE, STATUS, LAYER, ERROR_TYPE),
    "what went wrong in checks, one per layer; a check may fail in several",
)
METRIC_CACHE: Final = Metric(
    "guardsdk.check.cache", "counter", "{check}", (STAGE, CACHED), "checks by whether the verdict came from the cache"
)
METRIC_COVERAGE: Final = Metric(
    "guardsdk.check.coverage",
    "histogram",
    "1",
    (STAGE,),
    "share of each text that was scored",
    # Bounds are inclusive upper bounds, so whole texts (1.0) have the last bucket to themselves.
    boundaries=(0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999),
)
METRIC_SCORE: Final = Metric(
    "guardsdk.score",
    "histogram",
    "1",
    (STAGE, LABEL),
    "calibrated probabilities per label and stage",
    # Steps of about half a logit at both ends: thresholds for rare false positives lie between 0.8 and 0.99, benign
    # traffic close to 0.
    boundaries=(
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5,
        0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999,
    ),
)  # fmt: skip
BAND: Final = 0.1
"""How close a score must be to its threshold for the distance to be recorded. Most are not, and each costs time."""
METRIC_DISTANCE: Final = Metric(
    "guardsdk.distance",
    "histogram",
    "1",
    (STAGE, PRINCIPLE, FIRED),
    "how far from its threshold a principle's score was, and on which side, where that is 0.1 at most",
    # The margin itself may be negative, which a histogram does not allow.
    boundaries=(0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1),
)
METRIC_LOG: Final = Metric(
    "guardsdk.decision_log.records",
    "counter",
    "{record}",
    (OUTCOME,),
    "decisions written to the decision log, and those that could not be",
)
METRIC_ALERTS: Final = Metric(
    "guardsdk.monitor.alerts", "counter", "{alert}", (STAGE, ALERT_KIND, ALERT_SEVERITY), "alerts of the monitor"
)

METRICS: Final = (
    METRIC_DURATION,
    METRIC_DECISIONS,
    METRIC_ERRORS,
    METRIC_CACHE,
    METRIC_COVERAGE,
    METRIC_SCORE,
    METRIC_DISTANCE,
    METRIC_LOG,
    METRIC_ALERTS,
)

METRIC_ATTRIBUTES: Final = (LABEL, LAYER, FIRED, OUTCOME, ALERT_KIND, ALERT_SEVERITY)
"""Attributes that metrics have and the span does not."""
