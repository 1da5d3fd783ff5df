"""Says where a text is outside of what the classifier was measured on: another language or script, or no language.

A low score of the classifier says little there, so the policy is told. Label ``out_of_range``; no judgement of what
the text wants.
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
    """Looks at every word of a text, in far less time than the classifier needs."""

    name: Final = "language"

    def __init__(self, load: Callable[[], LanguageModel] = packaged_language) -> None:
        """Screen with the table that ``load`` gives, which is asked for at the first text."""
        self._load = load

    @property
    def operating_points(self) -> OperatingPoints:
        """One half on every stage: the calibration puts the line there (see the card of ``range-ngram``)."""
        return {(LABEL, stage): {"default": 0.5} for stage in Stage}

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:  # noqa: ARG002  a text is of one language wherever it stands
        """Return one reading per text, in order. Raises ``ModelError`` where the table cannot be read."""
        return list(map(self._reading, texts))

    def _reading(self, text: str) -> Reading:
        found = self._load().look(text)

        def spans(_: str) -> Spans:
            return (found.span,)

        return Reading({LABEL: found.probability}, 1.0, spans)
