"""A closer look at text that is not clearly harmless: passage by passage, to find a request buried in other text."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from guardsdk.screens.base import outranks
from guardsdk.screens.viewed import lowered
from guardsdk.text.passages import passages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from guardsdk.engine.classifier import Classifier, Request
    from guardsdk.engine.scores import Scores
    from guardsdk.limits import Limits
    from guardsdk.registry.manifest import Passages
    from guardsdk.screens.base import Reading, Spans
    from guardsdk.verdict import Stage

LAYER: Final = "passages"
"""The layer that reports problems of this step."""
VIEW: Final = "passage"
"""The view of a label whose score comes from a single passage."""
_FEWEST: Final = 2
"""Passages of a text that is read by them: a single one has already been read."""
_WORST: Final = 2
"""Passages for each label that are read with some of the text around them."""
_CERTAIN: Final = 1e-12
"""Probabilities nearer to 0 or 1 count as this near."""


class _Part(NamedTuple):
    """A range of characters in one of several texts."""

    place: int
    start: int
    end: int


class _Heard(NamedTuple):
    """What was heard in a passage."""

    part: _Part
    read: Scores
    probabilities: Mapping[str, float]
    """Label to the score that counts."""


def looked_closer(
    classifier: Classifier,
    requests: Sequence[Request],
    seen: Sequence[Scores],
    readings: Sequence[Reading],
    *,
    rules: Passages,
    limits: Limits,
) -> list[Reading]:
    """Return ``readings`` after a closer look at what ``classifier`` has ``seen`` in ``requests``, all of one stage.

    Parts that the lower layers did not clear, or, without early exit, texts that reach a floor of ``rules``, are read
    again passage by passage, and where ``rules`` say so the worst of these passages with some of the text around them.
    Per label the higher score counts, after the margins of ``rules`` are subtracted. Raises ``ModelError`` if the model
    cannot be run.
    """
    stage = requests[0].stage
    margins = rules.margins.get(stage)
    if not margins:
        return list(readings)
    limits = limits._replace(settled=None)
    floors = {} if limits.early_exit and classifier.has_early_exit else rules.floors.get(stage, {})
    parts = [
        _Part(place, *span)
        for place, (request, scores) in enumerate(zip(requests, seen, strict=True))
        if scores.tier == "full" and not scores.settled and _reaches(scores, floors)
        for span in _doubtful(request, scores, rules)
    ]
    passages: dict[int, list[_Heard]] = {}
    for part, scores in zip(parts, _read(classifier, requests, parts, limits), strict=True):
        passages.setdefault(part.place, []).append(_Heard(part, scores, scores.probabilities))
    looked = list(readings)
    for place, found in passages.items():
        off = rules.spread.get(stage, 0.0) * math.log(len(found))
        heard = _heard_around(classifier, requests, found, rules, limits) if stage in rules.around else found
        joint = _joint(looked[place], heard, {label: margin + off for label, margin in margins.items()})
        looked[place] = replace(joint, problems=(*joint.problems, *_unread(found)))
    return looked


def _read(
    classifier: Classifier, requests: Sequence[Request], parts: Sequence[_Part], limits: Limits
) -> Sequence[Scores]:
    asked = [replace(requests[place], text=requests[place].text[start:end]) for place, start, end in parts]
    return classifier.score(asked, limits) if asked else ()


def _heard_around(
    classifier: Classifier, requests: Sequence[Request], found: Sequence[_Heard], rules: Passages, limits: Limits
) -> list[_Heard]:
    """Return the worst of the passages ``found`` in a text, with the mean of readings with ever more text around them.

    An order stays one whatever stands around it; what only looks like one without it does not.
    """
    if any(math.isnan(score) for one in found for score in one.probabilities.values()):
        return list(found)  # the text is rejected for that
    stage = requests[0].stage
    sizes, floors = rules.around[stage], rules.floors.get(stage, {})
    worst: dict[_Part, _Heard] = {}
    for label in rules.margins[stage]:
        loud = [one for one in found if one.probabilities.get(label, 0.0) >= floors.get(label, 0.0)]
        loud.sort(key=lambda one: one.probabilities.get(label, 0.0), reverse=True)
        worst |= {one.part: one for one in loud[:_WORST]}
    # The end of a text may lie before that of the range.
    wider = [_Part(place, max(0, start - size), end + size) for place, start, end in worst for size in sizes]
    read = iter(_read(classifier, requests, wider, limits))
    return [one._replace(probabilities=_mean(one.read, *(next(read) for _ in sizes))) for one in worst.values()]


def _mean(*read: Scores) -> dict[str, float]:
    """Return for each label the mean, in log-odds, of its scores in those of ``read`` that have any."""
    known = [scores.probabilities for scores in read if scores.probabilities]
    return {
        label: 1.0 / (1.0 + math.exp(-sum(_log_odds(scores[label]) for scores in known) / len(known)))
        for label in read[0].probabilities
    }


def _log_odds(probability: float) -> float:
    within = min(max(probability, _CERTAIN), 1.0 - _CERTAIN)
    return math.log(within) - math.log1p(-within)


def _reaches(scores: Scores, floors: Mapping[str, float]) -> bool:
    """Return whether ``scores`` reach one of ``floors``, if there are any."""
    return not floors or not all(scores.probabilities.get(label, 0.0) < floor for label, floor in floors.items())


def passages_of(text: str, stage: Stage, rules: Passages) -> list[tuple[int, int]]:
    """Return the ranges in ``text`` that are read by themselves at ``stage``, in order; none if they are too few."""
    found = passages(text, rules.characters, rules.least.get(stage, 0))
    return found if len(found) >= rules.fewest.get(stage, _FEWEST) else []


def _doubtful(request: Request, scores: Scores, rules: Passages) -> Iterator[tuple[int, int]]:
    """Yield the passages of a text in parts that were not cleared."""
    every = passages_of(request.text, request.stage, rules)
    ranges = iter(scores.doubtful)
    first, last = next(ranges)
    for start, end in every:
        while last <= start:
            first, last = next(ranges, (len(request.text), len(request.text) + 1))
        if first < end:
            yield start, end


def _joint(whole: Reading, heard: Sequence[_Heard], margins: Mapping[str, float]) -> Reading:
    """Return the joint reading of a text as a ``whole`` and of its passages."""
    higher: dict[str, float] = {}
    carriers: dict[str, _Heard] = {}
    for one in heard:
        own = {label: one.probabilities[label] for label in margins if label in one.probabilities}
        for label, score in lowered(own, margins).items():
            if outranks(score, higher.get(label, whole.scores[label])):
                higher[label] = score
                carriers[label] = one
    return replace(
        whole,
        scores={**whole.scores, **higher},
        spans=partial(_spans, whole, carriers),
        views={**whole.views, **dict.fromkeys(carriers, VIEW)},
    )


def _unread(found: Sequence[_Heard]) -> tuple[tuple[str, str], ...]:
    """Return the problem to report if the deadline passed before all passages were read."""
    unread = sum(one.read.coverage < 1.0 for one in found)
    told = f"{unread} of {len(found)} passages were not read on their own, the deadline passed"
    return ((LAYER, told),) if unread else ()


def _spans(whole: Reading, carriers: Mapping[str, _Heard], label: str) -> Spans:
    if label not in carriers:
        return whole.spans(label)
    part, scores, _ = carriers[label]
    start, end = scores.span(label)
    return ((part.start + start, part.start + end),)
