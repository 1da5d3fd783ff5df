"""The classifier as a screen."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from guardsdk.engine.classifier import Request
from guardsdk.limits import UNLIMITED
from guardsdk.screens.base import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from guardsdk.engine.classifier import Classifier
    from guardsdk.engine.heads import Heads
    from guardsdk.engine.scores import Scores
    from guardsdk.limits import Limits
    from guardsdk.screens.base import OperatingPoints, Spans
    from guardsdk.surroundings import Surroundings
    from guardsdk.verdict import Stage


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
        return [
            Reading(
                scores=scores.probabilities,
                coverage=scores.coverage,
                spans=partial(_spans, scores),
                settled=scores.settled,
                late=scores.coverage < 1.0 and not scores.settled,
                embedding=scores.embedding,
                tier=scores.tier,
            )
            for scores in self._classifier.score(requests, limits, self._taught.heads.get(stage))
        ]


def _spans(scores: Scores, label: str) -> Spans:
    return (scores.span(label),)
