"""Reports text outside the range the classifier was measured on: another language or script, or no language at all.

A low score of the classifier means little there, so the policy is told. The label ``out_of_range`` does not judge what
the text asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.engine.language import packaged_language
from guardsdk.screens.base import Reading
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.engine.language import LanguageModel
    from guardsdk.screens.base import OperatingPoints, Spans
    from guardsdk.surroundings import Surroundings

LABEL: Final = "out_of_range"


class LanguageScreen:
    """Looks at every word of a text, in far less time than the classifier takes."""

    name: Final = "language"

    def __init__(self, load: Callable[[], LanguageModel] = packaged_language) -> None:
        """Screen with the table from ``load``, called at the first text."""
        self._load = load

    @property
    def operating_points(self) -> OperatingPoints:
        """0.5 on every stage, where the calibration puts the threshold (see the card of ``range-ngram``)."""
        return {(LABEL, stage): {"default": 0.5} for stage in Stage}

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:  # noqa: ARG002  a text is of one language wherever it stands
        """Return one reading per text, in order. Raises ``ModelError`` if the table cannot be read."""
        return list(map(self._reading, texts))

    def _reading(self, text: str) -> Reading:
        found = self._load().look(text)

        def spans(_: str) -> Spans:
            return (found.span,)

        return Reading({LABEL: found.probability}, 1.0, spans)
