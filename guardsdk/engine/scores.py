"""The request to a classifier and its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from guardsdk.engine.spans import passage, whole_words
from guardsdk.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.engine.reading import Tally
    from guardsdk.verdict import Stage, Tier


@dataclass(slots=True)
class Request:
    """One text to score."""

    text: str = field(repr=False)
    stage: Stage
    context: str | None = field(default=None, repr=False)
    """What ``text`` is read with, on the stages that support it: the prompt it answers on the output stage, the
    instructions it is aimed at on the input stage."""


class Peak(NamedTuple):
    """A window in which some label scored highest, and what the labels attended to in it."""

    first: int
    end: int
    attention: NDArray[np.float32] | None
    """[L, T], from every label of the model to every token of the row; ``None`` if the graph has no such output."""
    head: int
    """Where the window begins in the row."""

    def weights(self, column: int) -> NDArray[np.float32] | None:
        """Return the attention of the label in ``column`` within the window, [end - first].

        ``None`` if it is not available, as for every taught label.
        """
        if self.attention is None or column >= len(self.attention):
            return None
        return self.attention[column, self.head : self.head + self.end - self.first]


@dataclass(slots=True)
class Scores:
    """The scores of one text."""

    probabilities: dict[str, float]
    """Label to calibrated probability, the highest of all windows scored, for every label of this stage."""
    coverage: float
    """Share of the text's tokens in windows that were scored."""
    windows: int
    """Windows scored. 0 if the deadline passed before the first, in which case there are no probabilities."""
    settled: bool
    """Whether the rest was skipped because the decision was settled."""
    tier: Tier | None
    """``early`` if the lower layers alone cleared every scored window; ``None`` if no window was scored."""
    embedding: NDArray[np.float32] | None = field(repr=False)
    """[H], unit length: the mean over the windows; ``None`` if the model has no embeddings."""
    _tally: Tally = field(repr=False)
    """The tally they were computed from."""
    apart: Sequence[NDArray[np.float32]] = field(default=(), repr=False)
    """The embeddings of the windows, [H] each, if requested."""

    @property
    def doubtful(self) -> Sequence[tuple[int, int]]:
        """The character ranges of the text, in order and not overlapping, that the lower layers alone did not clear."""
        return self._tally.doubtful

    def span(self, label: str) -> tuple[int, int]:
        """Return the passage that carried the score of ``label``, as a half-open character range of the text.

        It is the shortest run of whole words, within the window that scored highest, that has most of the label's
        attention; for a model without attention outputs it is that window. Computed on demand. Raises ``InputError``
        for a label that is not among ``probabilities``.
        """
        text, peaks = self._tally.text, self._tally.peaks
        peak = peaks.get(label)
        if peak is None:
            msg = f"no score of {label!r} on this stage, only of {', '.join(peaks) or 'no label'}"
            raise InputError(msg)
        if peak.first == peak.end:
            return 0, len(text)
        first, end = peak.first, peak.end
        weights = peak.weights(self._tally.reading.columns[label])
        if weights is not None:
            start, stop = passage(weights)
            first, end = first + start, first + stop
        return whole_words(text, *self._tally.encoder.characters(text, self._tally.tokens, first, end - 1))
