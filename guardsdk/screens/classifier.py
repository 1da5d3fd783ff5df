"""The classifier as a screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from guardsdk.engine.classifier import Request
from guardsdk.limits import UNLIMITED
from guardsdk.screens.base import Reading
from guardsdk.verdict import Stage, joint_tier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from guardsdk.engine.classifier import Classifier
    from guardsdk.engine.heads import Heads
    from guardsdk.engine.scores import Scores
    from guardsdk.limits import Limits
    from guardsdk.screens.base import OperatingPoints, Spans
    from guardsdk.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Taught:
    """Labels that a guard was taught beside those of its model."""

    heads: Mapping[Stage, Heads] = field(default_factory=dict)
    """The ones read on each stage."""
    operating_points: OperatingPoints = field(default_factory=dict)


class ClassifierScreen:
    """Scores every label of a model in one forward pass per window."""

    name: Final = "classifier"

    def __init__(self, classifier: Classifier, taught: Taught | None = None) -> None:
        """Screen with ``classifier``, which may be shared with other guards, and with what this guard was taught."""
        self._classifier = classifier
        self._taught = taught or Taught()

    @property
    def operating_points(self) -> OperatingPoints:
        """The thresholds the model's manifest gives per label and stage, and those of what was taught."""
        own = {
            (label.name, stage): {"default": entry.threshold, **entry.thresholds_by_fpr}
            for label in self._classifier.model.manifest.labels
            for stage, entry in label.stages.items()
        }
        return own | self._taught.operating_points

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Return one reading per text, in order, scored in batches. Raises ``ModelError`` where the model fails."""
        return self.read_within(texts, stage, around, UNLIMITED)

    def read_within(
        self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], limits: Limits
    ) -> list[Reading]:
        """Read as ``read`` does, as far as ``limits`` let it, window by window."""
        requests = [Request(text, stage, beside.beside(stage)) for text, beside in zip(texts, around, strict=True)]
        heads = self._taught.heads.get(stage)
        if heads is None or stage is not Stage.INPUT or not any(request.context for request in requests):
            return list(map(_reading, self._classifier.score(requests, limits, heads)))
        beside = self._classifier.score(requests, limits)
        # What was taught was taught on texts by themselves, and beside a system text all embeddings are alike.
        wholly = limits._replace(settled=None)
        alone = self._classifier.score([Request(text, stage) for text in texts], wholly, heads)
        return [_both(*found, heads) for found in zip(beside, alone, strict=True)]


def _reading(scores: Scores) -> Reading:
    return Reading(
        scores=scores.probabilities,
        coverage=scores.coverage,
        spans=partial(_spans, scores),
        settled=scores.settled,
        late=scores.coverage < 1.0 and not scores.settled,
        embedding=scores.embedding,
        tier=scores.tier,
    )


def _both(beside: Scores, alone: Scores, heads: Heads) -> Reading:
    """Return the reading of a text ``beside`` what it is aimed at, with what was taught of the text ``alone``."""
    taught = {label: score for label, score in alone.probabilities.items() if label in heads.names}
    coverage = min(beside.coverage, alone.coverage)
    return Reading(
        scores=beside.probabilities | taught,
        coverage=coverage,
        spans=lambda label: _spans(alone if label in taught else beside, label),
        settled=beside.settled,
        late=coverage < 1.0 and not beside.settled,
        embedding=alone.embedding,
        tier=joint_tier(beside.tier, alone.tier),
    )


def _spans(scores: Scores, label: str) -> Spans:
    return (scores.span(label),)
