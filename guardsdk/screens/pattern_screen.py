"""A file of patterns as a screen."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardsdk.screens.base import Reading
from guardsdk.screens.patterns import PatternSet, load
from guardsdk.text.spans import merged
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.screens.base import OperatingPoints
    from guardsdk.surroundings import Surroundings

DATA: Final = Path(__file__).with_name("data")
LABELS: Final = ("secret", "personal_data")
"""The packaged pattern files, each named after its label."""


@cache
def patterns(label: str) -> PatternSet:
    """Return the packaged patterns of ``label``, read once per process. Raises ``ScreenError`` if that fails."""
    return load(DATA / f"{label}.toml")


class PatternScreen:
    """Scores one label by the most certain pattern that matches; its file is read on first use."""

    def __init__(self, label: str) -> None:
        """Screen for ``label``, one of ``LABELS``."""
        self._label = label

    @property
    def name(self) -> str:
        """The label."""
        return self._label

    @property
    def operating_points(self) -> OperatingPoints:
        """The label, on every stage."""
        return {(self._label, stage): {"default": 0.5} for stage in Stage}

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Return one reading per text, in order; the passages are all values found, whatever their certainty."""
        del stage, around
        found = patterns(self._label)
        return [self._read(found, text) for text in texts]

    def _read(self, found: PatternSet, text: str) -> Reading:
        matches = found.find(text)
        spans = merged((match.start, match.end) for match in matches) or ((0, len(text)),)
        score = max((match.certainty for match in matches), default=0.0)
        return Reading({self._label: score}, coverage=1.0, spans=lambda _: spans)
