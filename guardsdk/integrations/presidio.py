"""Microsoft Presidio as a screen, for names and places, which no checksum can identify.

    Guard(policy, screens=[PresidioScreen(AnalyzerEngine())])

with a policy that names ``personal_name`` or ``personal_place``. The caller creates the analyzer and chooses its
language model; Presidio's own default would download one.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from guardsdk.errors import InputError
from guardsdk.screens.base import Reading
from guardsdk.text.spans import merged
from guardsdk.text.windows import windows
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from presidio_analyzer import AnalyzerEngine

    from guardsdk.screens.base import OperatingPoints, Spans
    from guardsdk.surroundings import Surroundings

LABELS: Final[Mapping[str, str]] = MappingProxyType({"PERSON": "personal_name", "LOCATION": "personal_place"})
"""Presidio entity to label."""
_WINDOW: Final = 100_000
"""Characters analysed at once: spaCy rejects a million."""
_OVERLAP: Final = 500
"""Characters that two windows share, so that a name on the border is whole in one of them."""


class PresidioScreen:
    """Scores a label by the most certain entity of its kind, on every stage."""

    name: Final = "presidio"

    def __init__(self, analyzer: AnalyzerEngine, *, labels: Mapping[str, str] = LABELS, language: str = "en") -> None:
        """Read with ``analyzer``, which must be thread-safe.

        Args:
            analyzer: Presidio's engine, with the recognizers and the language model of your choice.
            labels: Presidio entity to label; several entities may share one. No label may be a packaged screen's.
            language: The language the analyzer is asked for; it must support it.

        Raises:
            InputError: For some label, the analyzer recognises none of its entities in ``language``.
        """
        try:
            known = set(analyzer.get_supported_entities(language))
        except ValueError:  # no recognizer at all in this language
            known = set()
        for label in dict.fromkeys(labels.values()):
            wanted = [entity for entity, name in labels.items() if name == label]
            if known.isdisjoint(wanted):
                msg = f"the analyzer recognises no {' or '.join(wanted)} in {language!r}, which {label!r} is made of"
                raise InputError(msg)
        self._analyzer = analyzer
        self._labels = dict(labels)
        self._language = language

    @property
    def operating_points(self) -> OperatingPoints:
        """Every label on every stage, using Presidio's own score."""
        return {(label, stage): {"default": 0.5} for label in self._labels.values() for stage in Stage}

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Return one reading per text, in order. Raises whatever the analyzer raises; the guard reports its class."""
        del stage, around
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        scores = dict.fromkeys(self._labels.values(), 0.0)
        found: dict[str, list[tuple[int, int]]] = {label: [] for label in scores}
        for begin, end in windows(len(text), _WINDOW, _OVERLAP):
            for one in self._analyzer.analyze(text[begin:end], self._language, entities=list(self._labels)):
                label = self._labels[one.entity_type]
                scores[label] = max(scores[label], min(1.0, one.score))
                found[label].append((begin + one.start, begin + one.end))

        def spans(label: str) -> Spans:
            return merged(found[label]) or ((0, len(text)),)

        return Reading(scores, coverage=1.0, spans=spans)
