"""The classifier as a screen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from guardsdk.engine.classifier import Request
from guardsdk.screens.base import LimitedScreen, Reading
from guardsdk.verdict import Stage, joint_tier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.engine.classifier import Classifier
    from guardsdk.engine.heads import Heads
    from guardsdk.engine.scores import Scores
    from guardsdk.limits import Limits
    from guardsdk.screens.base import OperatingPoints, Spans
    from guardsdk.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Taught:
    """Labels that a guard was taught in addition to those of its model."""

    heads: Mapping[Stage, Heads] = field(default_factory=dict)
    """The heads used on each stage."""
    operating_points: OperatingPoints = field(default_factory=dict)


class ClassifierScreen(LimitedScreen):
    """Scores every label of a model in one forward pass per window.

    User text is read again together with the instructions it is aimed at, if given and supported by the model. Text
    that is not clearly harmless is read again passage by passage.
    """

    name: Final = "classifier"

    def __init__(
        self,
        classifier: Classifier,
        taught: Taught | None = None,
        aimed: Callable[[], Classifier] | None = None,
        *,
        closer: bool = True,
    ) -> None:
        """Screen with ``classifier``, which may be shared with other guards, and with what this guard was taught.

        ``aimed`` returns the classifier that reads prompts together with instructions; called on first use. With
        ``closer``, doubtful text is also read passage by passage, if the model supports it.
        """
        self._classifier = classifier
        self._taught = taught or Taught()
        self._aimed = aimed
        self._passages = classifier.model.manifest.passages if closer else None

    @property
    def operating_points(self) -> OperatingPoints:
        """The thresholds in the model's manifest per label and stage, and those of taught labels."""
        own = {
            (label.name, stage): {"default": entry.threshold, **entry.thresholds_by_fpr}
            for label in self._classifier.model.manifest.labels
            for stage, entry in label.stages.items()
        }
        return own | self._taught.operating_points

    def read_within(
        self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], limits: Limits
    ) -> list[Reading]:
        """Return one reading per text, in order, scored in batches, window by window within ``limits``.

        Raises ``ModelError`` if the model fails.
        """
        requests = [Request(text, stage, beside.beside(stage)) for text, beside in zip(texts, around, strict=True)]
        heads = self._taught.heads.get(stage)
        if stage is Stage.INPUT:
            for request in requests:
                if request.context:
                    return self._read_aimed(requests, limits, heads)
        seen = self._classifier.score(requests, limits, heads)
        readings = list(map(_reading, seen))
        for scores in seen:
            if scores.tier == "full":
                return self._after(requests, seen, readings, limits)
        return readings

    def _after(
        self, requests: Sequence[Request], seen: Sequence[Scores], readings: list[Reading], limits: Limits
    ) -> list[Reading]:
        """Return the ``readings`` of the scores ``seen``, after a closer look if the model supports it."""
        if self._passages is None:
            return readings
        from guardsdk.screens.closer import looked_closer  # noqa: PLC0415  most texts are clearly harmless

        return looked_closer(self._classifier, requests, seen, readings, rules=self._passages, limits=limits)

    def _read_aimed(self, requests: Sequence[Request], limits: Limits, heads: Heads | None) -> list[Reading]:
        """Read user texts, some of which are aimed at instructions."""
        alone = [Request(request.text, request.stage) for request in requests]
        if self._aimed is None and heads is None:
            seen = self._classifier.score(requests, limits)
            return self._after(requests, seen, list(map(_reading, seen)), limits)
        # Scores of a text read with its instructions cover the whole text.
        wholly = limits._replace(settled=None)
        if self._aimed is None:
            beside = self._classifier.score(requests, limits)
            # Lessons were learned on texts read alone; next to a system prompt, all embeddings are alike.
            taught = self._classifier.score(alone, wholly, heads)
            both = [_both(*found, heads.names if heads else ()) for found in zip(beside, taught, strict=True)]
            return self._after(requests, beside, both, limits)
        own = self._classifier.score(alone, limits, heads)
        # Texts blocked as they are, or without instructions, need no second reading.
        again = [at for at, request in enumerate(requests) if request.context and not own[at].settled]
        found = self._beside([requests[at] for at in again], self._aimed(), wholly) if again else []
        read = dict(zip(again, found, strict=True))
        higher = [_higher(one, read[at]) if at in read else _reading(one) for at, one in enumerate(own)]
        return self._after(alone, own, higher, limits)

    def _beside(self, requests: Sequence[Request], reader: Classifier, limits: Limits) -> list[Scores]:
        """Return each text's scores by ``reader``, read with that part of its instructions where it scores highest.

        Their coverage is the lowest of all parts.
        """
        aimed = self._classifier.model.manifest.aimed
        most = 1 if aimed is None else aimed.shares
        shares = [reader.shares(request.context or "", most) for request in requests]
        each = [replace(one, context=share) for one, parts in zip(requests, shares, strict=True) for share in parts]
        read = iter(reader.score(each, limits))
        found = [[next(read) for _ in parts] for parts in shares]
        return [replace(max(scores, key=_highest), coverage=min(one.coverage for one in scores)) for scores in found]


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


def _highest(scores: Scores) -> float:
    return max(scores.probabilities.values(), default=0.0)


def _both(beside: Scores, alone: Scores, taught: Sequence[str]) -> Reading:
    """Return the reading of a text ``beside`` its instructions, with the ``taught`` labels from the text ``alone``."""
    return _joined(beside, alone, {label for label in alone.probabilities if label in taught}, alone.embedding)


def _higher(alone: Scores, beside: Scores) -> Reading:
    """Return the reading of a text ``alone``, taking each label that scores higher ``beside`` its instructions."""
    known = alone.probabilities
    higher = {label for label, score in beside.probabilities.items() if score > known.get(label, -1.0)}
    return _joined(alone, beside, higher, alone.embedding)


def _joined(first: Scores, second: Scores, labels: Collection[str], embedding: NDArray[np.float32] | None) -> Reading:
    """Return the joint reading: from ``first``, except for ``labels``, which are from ``second``."""
    coverage = min(first.coverage, second.coverage)
    return Reading(
        scores=first.probabilities | {label: second.probabilities[label] for label in labels},
        coverage=coverage,
        spans=lambda label: _spans(second if label in labels else first, label),
        settled=first.settled,
        late=coverage < 1.0 and not first.settled,
        embedding=embedding,
        tier=joint_tier(first.tier, second.tier),
    )


def _spans(scores: Scores, label: str) -> Spans:
    return (scores.span(label),)
