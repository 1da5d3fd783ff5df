"""The heads that a policy uses, from saved lessons and from examples in the policy itself."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from guardsdk.engine.classifier import Request
from guardsdk.engine.heads import Heads, encoder_digest
from guardsdk.errors import PolicyError, TeachingError
from guardsdk.policy.model import TAUGHT
from guardsdk.screens.classifier import Taught
from guardsdk.teaching.embedding import bank_for, readings
from guardsdk.teaching.learn import FPR, Examples, learn
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.engine.classifier import Classifier
    from guardsdk.engine.heads import Ordinary
    from guardsdk.policy.model import Example, Policy, Principle
    from guardsdk.teaching.lesson import Lesson

T = TypeVar("T")

_LESSONS_KEPT: Final = 64
"""The most lessons from policies that a process remembers: more than any policy has principles to teach, and about a
tenth of a megabyte each."""


def taught_for(policy: Policy, lessons: Sequence[Lesson], classifier: Classifier, *, views: bool = True) -> Taught:
    """Return the heads for every label of ``policy`` that was or can be taught.

    A label ``taught.x`` uses the lesson ``x`` among ``lessons``. If there is none, it is learned now from the examples
    of its principle, whose views are also read if ``views``. Raises ``TeachingError`` if a lesson is of another
    encoder, and ``PolicyError`` if examples do not support their threshold.
    """
    known = {lesson.label: lesson for lesson in lessons}
    encoder = encoder_digest(classifier.model)
    chosen: dict[str, Lesson] = {}
    for principle in policy.principles:
        if not principle.label.startswith(TAUGHT) or principle.label in chosen:
            continue
        lesson = known.get(principle.label) or _from_examples(principle, classifier, views=views)
        lesson.require_encoder(encoder)
        chosen[principle.label] = lesson
    by_stage = {stage: [one for one in chosen.values() if stage in one.stages] for stage in Stage}
    return Taught(
        heads={stage: _heads(lessons) for stage, lessons in by_stage.items() if lessons},
        operating_points={
            (lesson.label, stage): {"default": lesson.threshold, **lesson.thresholds_by_fpr}
            for lesson in chosen.values()
            for stage in lesson.stages
        },
    )


def _heads(lessons: Sequence[Lesson]) -> Heads:
    """Return the heads of ``lessons``; those taught against the same ordinary text share its part."""
    known: dict[tuple[str, float], Ordinary] = {}
    found = []
    for lesson in lessons:
        head = lesson.head
        found.append(replace(head, ordinary=known.setdefault((lesson.ordinary, lesson.scale), head.ordinary)))
    return Heads(found)


@lru_cache(_LESSONS_KEPT)
def _from_examples(principle: Principle, classifier: Classifier, *, views: bool) -> Lesson:
    """Return the lesson from the examples of ``principle``: those that should fire, and those that must pass.

    Learning takes a good part of a second, and every guard of a policy, and every change to its lessons, asks for the
    same. Guards with the same model share one ``classifier``; a principle that differs in anything is another key.
    """
    name = principle.label.removeprefix(TAUGHT)
    violates = [one for one in principle.examples if one.expect is not Action.ALLOW]
    allowed = [one for one in principle.examples if one.expect is Action.ALLOW]
    if not violates:
        msg = (
            f"principle {principle.id!r}: label {principle.label!r} is taught, and there is neither a lesson "
            f"{name!r} (Guard(taught=[...]), --taught FILE) nor an example of a text it is for to learn it from"
        )
        raise PolicyError(msg)
    rate = FPR if principle.fpr is None else float(principle.fpr)
    try:
        lesson = learn(
            name,
            examples_of(classifier, (violates, allowed), principle.stages, _asked, views=views),
            bank_for(classifier, principle.stages),
            text=principle.text,
            stages=principle.stages,
            action=principle.action_for(principle.stages[0]),
            fpr=rate,
        )
        lesson.require_armed()
    except TeachingError as error:
        msg = f"principle {principle.id!r}: {error}"
        raise PolicyError(msg) from None
    return lesson


def _asked(example: Example, stage: Stage) -> Request:
    return Request(example.text, stage, example.context if stage is Stage.OUTPUT else None)


def plain(text: str, stage: Stage) -> Request:
    """Return the request for an example without surroundings."""
    return Request(text, stage)


def examples_of(
    classifier: Classifier,
    given: tuple[Sequence[T], Sequence[T]],
    stages: Sequence[Stage],
    asked: Callable[[T, Stage], Request],
    *,
    views: bool,
) -> Examples:
    """Return the embeddings of the violating and the allowed examples ``given``, at each of ``stages``."""
    read = [
        [readings(classifier, [asked(one, stage) for one in kind], views=views) for stage in stages] for kind in given
    ]
    seen = [part for kind in read for part in kind]
    width = max((part.wholes.shape[1] for part in seen), default=0)
    violates, allowed = (np.stack([part.wholes.reshape(-1, width) for part in kind]) for kind in read)
    before = np.cumsum([0, *(len(part.wholes) for part in seen)])
    return Examples(
        violates=violates,
        allowed=allowed,
        parts=np.concatenate([part.parts.reshape(-1, width) for part in seen]),
        owners=np.concatenate([part.owners + start for part, start in zip(seen, before[:-1], strict=True)]),
    )
