"""A screen that also reads what a text says once disguises, encodings and ciphers are undone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from guardsdk.errors import GuardError
from guardsdk.text.views import views_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.screens.base import OperatingPoints, Reading, Screen, Spans
    from guardsdk.text.views import View
    from guardsdk.verdict import Stage


class ViewedScreen:
    """Asks another screen about every text and all its views, in one batch; a label's score is the highest of them."""

    def __init__(self, screen: Screen, *, decode: Callable[[str], tuple[View, ...]] = views_of) -> None:
        """Read with ``screen``; ``decode`` gives the views of a text."""
        self._screen = screen
        self._decode = decode

    @property
    def name(self) -> str:
        """The name of the screen that reads."""
        return self._screen.name

    @property
    def operating_points(self) -> OperatingPoints:
        """Those of the screen that reads."""
        return self._screen.operating_points

    def read(self, texts: Sequence[str], stage: Stage, contexts: Sequence[str | None]) -> list[Reading]:
        """Return one reading per text, in order.

        A text whose views cannot be made is read as it stands, and its reading says what was missing. Coverage is
        that of the text itself. Raises ``ModelError`` where the screen does.
        """
        views: list[tuple[View, ...]] = []
        problems: list[tuple[str, ...]] = []
        for text in texts:
            found, problem = self._views(text)
            views.append(found)
            problems.append(problem)
        if not any(views) and not any(problems):
            return self._screen.read(texts, stage, contexts)
        asked = [part for text, found in zip(texts, views, strict=True) for part in (text, *(one.text for one in found))]
        beside = [context for context, found in zip(contexts, views, strict=True) for context in [context] * (len(found) + 1)]
        answers = self._screen.read(asked, stage, beside)
        bounds = pairwise(accumulate((len(found) + 1 for found in views), initial=0))
        return [
            _joint(answers[first], list(zip(found, answers[first + 1 : after], strict=True)), problem)
            for found, problem, (first, after) in zip(views, problems, bounds, strict=True)
        ]

    def _views(self, text: str) -> tuple[tuple[View, ...], tuple[str, ...]]:
        try:
            return self._decode(text), ()
        except Exception as error:  # noqa: BLE001  a decoder's bug must neither pass a text nor take the screen away
            kind = type(error).__qualname__
            # A stranger's message may quote the text.
            return (), (f"decode: {kind}: {error}" if isinstance(error, GuardError) else f"decode: {kind}",)


def _joint(plain: Reading, viewed: Sequence[tuple[View, Reading]], problems: tuple[str, ...]) -> Reading:
    """Return the reading of a text and its views: per label the highest score, and where it came from."""
    scores = dict(plain.scores)
    carriers: dict[str, tuple[View, Reading]] = {}
    for view, reading in viewed:
        for label, score in reading.scores.items():
            # Not a number loses against nothing, so it is taken over: the policy holds such a text back.
            if not score <= scores.get(label, -1.0):
                scores[label] = score
                carriers[label] = (view, reading)
    unread = tuple(
        f"decode: only {reading.coverage:.1%} of the view {view.name} was scored"
        for view, reading in viewed
        if reading.coverage < 1.0
    )
    return replace(
        plain,
        scores=scores,
        spans=partial(_spans, plain, carriers),
        views={label: view.name for label, (view, _) in carriers.items()},
        problems=(*plain.problems, *problems, *unread),
    )


def _spans(plain: Reading, carriers: dict[str, tuple[View, Reading]], label: str) -> Spans:
    """Return the passages that carried a label's score, in characters of the text as it was given."""
    if label not in carriers:
        return plain.spans(label)
    view, reading = carriers[label]
    spans: list[tuple[int, int]] = []
    for start, end in sorted(view.source(*span) for span in reading.spans(label)):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return tuple(spans)
