"""What is asked of a classifier and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from guardsdk.engine.spans import passage, whole_words
from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.engine.tokenizer import TextEncoder, Tokens
    from guardsdk.verdict import Stage, Tier


@dataclass(frozen=True, slots=True)
class Request:
    """One text to score."""

    text: str = field(repr=False)
    stage: Stage
    context: str | None = field(default=None, repr=False)
    """On the output stage, the prompt that ``text`` answers; other stages have none."""


class Peak(NamedTuple):
    """Where a label scored highest: a window of tokens and what the labels attended to in it."""

    first: int
    end: int
    attention: NDArray[np.float32] | None
    """[L, T], of every label to every token of the row; None where nothing is told."""
    label: int
    """Its row in ``attention``."""
    head: int
    """Where the window begins in the row."""

    def weights(self) -> NDArray[np.float32] | None:
        """Return what the label attended to in the window, [end - first]."""
        if self.attention is None:
            return None
        return self.attention[self.label, self.head : self.head + self.end - self.first]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one text."""

    probabilities: dict[str, float]
    """Label to calibrated probability, the highest of all windows scored, for every label read on this stage."""
    coverage: float
    """Share of the text's tokens that lay in a window that was scored."""
    windows: int
    """How many were scored; none where the time was up before the first, and then there are no probabilities."""
    settled: bool
    """Whether the rest was left out because the decision was settled."""
    tier: Tier | None
    """``early`` where the lower layers alone cleared every window that was scored; None where none was."""
    embedding: NDArray[np.float32] | None = field(repr=False)
    """[H], unit length: the mean over the windows; None where the model gives none."""
    _text: str = field(repr=False)
    _tokens: Tokens = field(repr=False)
    _peaks: Mapping[str, Peak] = field(repr=False)
    _encoder: TextEncoder = field(repr=False)

    def span(self, label: str) -> tuple[int, int]:
        """Return the passage that carried the score of ``label``, as a half-open character range of the text.

        It is the shortest run of whole words, within the window that scored highest, that holds most of the label's
        attention; for a model that does not tell its attention it is that window. Computed when asked for.
        Raises ``InputError`` for a label that is not among ``probabilities``.
        """
        peak = self._peaks.get(label)
        if peak is None:
            msg = f"no score of {label!r} on this stage, only of {', '.join(self._peaks) or 'no label'}"
            raise InputError(msg)
        if peak.first == peak.end:
            return 0, len(self._text)
        first, end = peak.first, peak.end
        weights = peak.weights()
        if weights is not None:
            start, stop = passage(weights)
            first, end = first + start, first + stop
        return whole_words(self._text, *self._encoder.characters(self._text, self._tokens, first, end - 1))
