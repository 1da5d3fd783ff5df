"""Reports hidden channels: text that no reader can see is there on purpose, whatever it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from guardsdk.screens.base import Reading
from guardsdk.text.hidden import hidden
from guardsdk.text.spans import merged
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.screens.base import OperatingPoints, Spans
    from guardsdk.surroundings import Surroundings

LABEL: Final = "hidden_text"


class HiddenTextScreen:
    """Scores ``hidden_text``: 1 if a text has a hidden passage, else 0. Any stage, any language."""

    name: Final = "hidden_text"

    @property
    def operating_points(self) -> OperatingPoints:
        """One threshold: a passage is found or it is not."""
        return {(LABEL, stage): {"default": 0.5} for stage in Stage}

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        """Return one reading per text, in order, each with full coverage."""
        del stage, around  # hidden text counts on every stage
        return list(map(_reading, texts))


def _reading(text: str) -> Reading:
    found = hidden(text)
    # A scattered passage may enclose others.
    passages: Spans = merged((one.start, one.end) for one in found) if found else ()
    return Reading(scores={LABEL: float(bool(passages))}, coverage=1.0, spans=lambda _: passages or ((0, len(text)),))
