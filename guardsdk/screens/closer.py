"""A closer look at text that is not clearly harmless: passage by passage, to find a request buried in other text."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

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
    again passage by passage. Per label the higher score counts, after the margins of ``rules`` are subtracted. Raises
    ``ModelError`` if the model cannot be run.
    """
    stage = requests[0].stage
    margins = rules.margins.get(stage)
    if not margins:
        return list(readings)
    cleared = limits.early_exit and classifier.has_early_exit
    floors = {} if cleared else rules.floors.get(stage, {})
    parts: dict[int, list[tuple[int, int]]] = {}
    for place, (request, scores) in enumerate(zip(requests, seen, strict=True)):
        if scores.tier == "full" and not scores.settled and _reaches(scores, floors):
            parts[place] = list(_doubtful(request, scores, rules))
    asked = [replace(requests[at], text=requests[at].text[a:b]) for at, found in parts.items() for a, b in found]
    read = iter(classifier.score(asked, limits._replace(settled=None)) if asked else ())
    looked = list(readings)
    for place, found in parts.items():
        if found:
            off = rules.spread.get(stage, 0.0) * math.log(len(found))
            less_by = {label: margin + off for label, margin in margins.items()}
            looked[place] = _joint(looked[place], [(start, next(read)) for start, _ in found], less_by)
    return looked


def _reaches(scores: Scores, floors: Mapping[str, float]) -> bool:
    """Return whether ``scores`` reach one of ``floors``, if there are any."""
    return not floors or not all(scores.probabilities.get(label, 0.0) < floor for label, floor in floors.items())


def passages_of(text: str, stage: Stage, rules: Passages) -> list[tuple[int, int]]:
    """Return the ranges in ``text`` that are read by themselves at ``stage``, in order."""
    return passages(text, rules.characters, rules.least.get(stage, 0))


def _doubtful(request: Request, scores: Scores, rules: Passages) -> Iterator[tuple[int, int]]:
    """Yield the passages of a text in parts that were not cleared; none if the text is a single passage."""
    every = passages_of(request.text, request.stage, rules)
    if len(every) < 2:  # noqa: PLR2004  it has already been read
        return
    ranges = iter(scores.doubtful)
    first, last = next(ranges)
    for start, end in every:
        while last <= start:
            first, last = next(ranges, (len(request.text), len(request.text) + 1))
        if first < end:
            yield start, end


def _joint(whole: Reading, parts: Sequence[tuple[int, Scores]], margins: Mapping[str, float]) -> Reading:
    """Return the joint reading of a text and its passages, each given with its start."""
    higher: dict[str, float] = {}
    carriers: dict[str, tuple[int, Scores]] = {}
    for start, scores in parts:
        own = {label: scores.probabilities[label] for label in margins if label in scores.probabilities}
        for label, score in lowered(own, margins).items():
            # Written so that NaN is taken over: it is then rejected as unusable like any other.
            if not score <= higher.get(label, whole.scores[label]):
                higher[label] = score
                carriers[label] = start, scores
    unread = sum(scores.coverage < 1.0 for _, scores in parts)
    problems = ((LAYER, f"{unread} of {len(parts)} passages were not read on their own, the deadline passed"),)
    return replace(
        whole,
        scores={**whole.scores, **higher},
        spans=partial(_spans, whole, carriers),
        views={**whole.views, **dict.fromkeys(carriers, VIEW)},
        problems=(*whole.problems, *(problems if unread else ())),
    )


def _spans(whole: Reading, carriers: Mapping[str, tuple[int, Scores]], label: str) -> Spans:
    if label not in carriers:
        return whole.spans(label)
    at, scores = carriers[label]
    start, end = scores.span(label)
    return ((at + start, at + end),)
