"""A wrapper around a screen that also reads a text with disguises, encodings and ciphers undone."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from guardsdk.screens.base import LimitedScreen, named, outranks, reading_of
from guardsdk.text.spans import merged
from guardsdk.text.views import views_of
from guardsdk.verdict import joint_tier

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from guardsdk.limits import Limits
    from guardsdk.screens.base import OperatingPoints, Reading, Screen, Spans
    from guardsdk.surroundings import Surroundings
    from guardsdk.text.views import View
    from guardsdk.verdict import Stage

    Problems = tuple[tuple[str, str], ...]

LAYER: Final = "decode"
"""The layer that reports problems of this step."""


class ViewedScreen(LimitedScreen):
    """Runs another screen on every text and all its views in one batch; a label's score is the highest of them."""

    def __init__(
        self,
        screen: Screen,
        *,
        decode: Callable[[str, Limits], tuple[View, ...]] = views_of,
        gloss_margins: Mapping[Stage, Mapping[str, float]] = MappingProxyType({}),
    ) -> None:
        """Read with ``screen``; ``decode`` returns the views of a text, within limits.

        ``gloss_margins`` are log-odds, by stage and label, that are subtracted from the scores of a gloss.
        """
        self._screen = screen
        self._read = reading_of(screen)
        self._decode = decode
        self._gloss_margins = gloss_margins

    @property
    def name(self) -> str:
        """The name of the wrapped screen."""
        return self._screen.name

    @property
    def operating_points(self) -> OperatingPoints:
        """Those of the wrapped screen."""
        return self._screen.operating_points

    def read_within(
        self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings], limits: Limits
    ) -> list[Reading]:
        """Return one reading per text, in order.

        If the views of a text cannot be made, it is read as is, and its reading says what was missing. Coverage is that
        of the text itself. Raises ``ModelError`` if the screen does.
        """
        decoded = [self._views(text, limits) for text in texts]
        if not any(map(any, decoded)):
            return self._read(texts, stage, around, limits)
        asked: list[str] = []
        owners: list[int] = []
        glosses: set[int] = set()
        margins = self._gloss_margins.get(stage, {})
        for place, (text, (views, _)) in enumerate(zip(texts, decoded, strict=True)):
            glosses.update(len(asked) + after for after, view in enumerate(views, 1) if view.gloss)
            asked += (text, *(view.text for view in views))
            owners += [place] * (len(views) + 1)
        beside = [around[place] for place in owners]
        found = self._read(asked, stage, beside, _owned(limits, owners, glosses, margins))
        for at in glosses:
            found[at] = replace(found[at], scores=lowered(found[at].scores, margins))
        answers = iter(found)
        return [
            _joint(next(answers), [(view, next(answers)) for view in views], problems) for views, problems in decoded
        ]

    def _views(self, text: str, limits: Limits) -> tuple[tuple[View, ...], Problems]:
        try:
            return self._decode(text, limits), ()
        except Exception as error:  # noqa: BLE001  a decoder's bug must neither let a text pass nor disable the screen
            return (), ((LAYER, named(error)),)


def _owned(limits: Limits, owners: Sequence[int], glosses: Collection[int], margins: Mapping[str, float]) -> Limits:
    """Return ``limits`` for the texts and views that belong to the texts at ``owners``."""
    settled = limits.settled
    if settled is None:
        return limits
    return limits.until(
        lambda place, scores: settled(owners[place], lowered(scores, margins) if place in glosses else scores)
    )


def lowered(scores: Mapping[str, float], margins: Mapping[str, float]) -> dict[str, float]:
    """Return ``scores`` lowered by ``margins`` in log-odds; invalid scores are kept, to be rejected later."""
    return {
        label: score / (score + (1.0 - score) * math.exp(margins.get(label, 0.0))) if 0.0 < score < 1.0 else score
        for label, score in scores.items()
    }


def _joint(plain: Reading, viewed: Sequence[tuple[View, Reading]], problems: Problems) -> Reading:
    """Return the joint reading of a text and its views: per label the highest score, and which view it came from."""
    scores = dict(plain.scores)
    carriers: dict[str, tuple[View, Reading]] = {}
    unread: list[tuple[str, str]] = []
    for view, reading in viewed:
        for label, score in reading.scores.items():
            if label not in scores or outranks(score, scores[label]):
                scores[label] = score
                carriers[label] = (view, reading)
        unread += reading.problems
        if not (reading.coverage >= 1.0 or reading.settled):  # NaN is no share
            unread.append((LAYER, f"only {reading.coverage:.1%} of the view {view.name} was scored"))
    return replace(
        plain,
        scores=scores,
        spans=partial(_spans, plain, carriers),
        settled=plain.settled or any(reading.settled for _, reading in viewed),
        views={**plain.views, **{label: _named(view, reading, label) for label, (view, reading) in carriers.items()}},
        problems=(*plain.problems, *problems, *unread),
        tier=joint_tier(plain.tier, *(reading.tier for _, reading in viewed)),
    )


def _named(view: View, reading: Reading, label: str) -> str:
    """Return the name of the reading: the view, and the part of it that was read alone."""
    return "+".join(filter(None, (view.name, reading.views.get(label))))


def _spans(plain: Reading, carriers: dict[str, tuple[View, Reading]], label: str) -> Spans:
    """Return the passages that carried a label's score, as character offsets in the original text."""
    if label not in carriers:
        return plain.spans(label)
    view, reading = carriers[label]
    return merged((view.source(*span) for span in reading.spans(label)), touching=True)
