"""What a guard runs on, for people and for support requests."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk.frozen import Frozen
from guardsdk.policy.recalibrating import offered
from guardsdk.verdict import Action, ArtifactRef, Stage
from guardsdk.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.engine.classifier import Classifier
    from guardsdk.pipeline import Assembly
    from guardsdk.teaching.lesson import Lesson


class RuleInfo(Frozen):
    """One principle on one stage, with the threshold this model gives it."""

    stage: Stage
    principle_id: str
    label: str
    threshold: float
    """On the calibrated probability, 0 to 1."""
    action: Action


class GuardInfo(Frozen):
    """Model, policy, provider and versions of one guard."""

    model: ArtifactRef
    directory: Path
    """Where the model was loaded from."""
    policy: ArtifactRef
    labels: dict[str, tuple[Stage, ...]]
    """Every label a principle may name and the stages it is scored on."""
    operating_points: dict[str, dict[Stage, dict[str, float]]]
    """The thresholds of each label per stage: ``default``, and by false-positive rate where that was measured."""
    taught: dict[str, str]
    """Lessons by name, passed in or taught, with their digests; not those that a policy teaches from its examples."""
    rules: tuple[RuleInfo, ...]
    """The rules applied to a text, by stage and in the policy's order."""
    provider_requested: str
    provider_active: str
    provider_reason: str | None
    """Why the active provider is not the best one asked for; null if it is."""
    early_exit: tuple[Stage, ...]
    """Stages where the model's lower layers alone may clear a text."""
    context_stages: tuple[Stage, ...]
    """Stages where a text is read with another: an answer with its prompt, a user's text with the system prompt."""
    versions: dict[str, str]
    """Installed versions of guardsdk, Python and the packages that compute the scores."""


def describe(
    assembly: Assembly, classifier: Classifier, provider_requested: str, lessons: Sequence[Lesson]
) -> GuardInfo:
    """Describe the loaded parts of a guard. Raises ``ModelError`` if the model has to be reloaded and cannot be."""
    model, bound = classifier.model, assembly.bound
    labels: dict[str, tuple[Stage, ...]] = {}
    points: dict[str, dict[Stage, dict[str, float]]] = {}
    for (label, stage), named in offered(bound.policy.recalibrate, assembly.panel.operating_points).items():
        labels[label] = (*labels.get(label, ()), stage)
        points.setdefault(label, {})[stage] = dict(named)
    active, reason = classifier.provider
    return GuardInfo(
        model=model.ref,
        directory=model.directory,
        policy=bound.policy.ref,
        labels=labels,
        operating_points=points,
        taught={lesson.name: lesson.digest for lesson in lessons},
        rules=tuple(
            RuleInfo(stage=stage, principle_id=rule.id, label=rule.label, threshold=rule.threshold, action=rule.action)
            for stage, rules in bound.rules.items()
            for rule in rules
        ),
        provider_requested=provider_requested,
        provider_active=active,
        provider_reason=reason,
        early_exit=tuple(stage for stage in Stage if stage in assembly.panel.early_exit and classifier.has_early_exit),
        context_stages=tuple(stage for stage in Stage if stage in assembly.paired),
        versions=installed_versions(),
    )


def installed_versions() -> dict[str, str]:
    """Return package name to version, without packages that are not installed."""
    versions = {"guardsdk": __version__, "python": platform.python_version()}
    for package in ("onnxruntime", "onnxruntime-gpu", "tokenizers", "numpy", "pydantic", "opentelemetry-api"):
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # one of the two onnxruntime builds is always missing
            continue
    return versions
