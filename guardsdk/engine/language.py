"""Finds the passage of a text that is not in the language the classifier was measured on, with its probability."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.engine.common_words import CommonWords, passage
from guardsdk.engine.ngrams import OFFSETS, Words, words_of
from guardsdk.errors import ModelError
from guardsdk.registry.ngrams import find_ngrams, load_ngrams
from guardsdk.text.pieces import pieces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from guardsdk.registry.manifest import Calibration

WORD_CAP: Final = 6.0
"""The largest log-odds of one word, for or against, so that a brand or a typo cannot decide alone."""
NAME_SHARE: Final = 0.5
"""Share of the evidence against a capitalised word that counts: names look foreign in every language."""
LETTER_WEIGHT: Final = 2.0
"""Log-odds of a letter of another script next to one of its kind; single ones are symbols, as in formulas."""
PURE_EVIDENCE: Final = 20.0
"""Log-odds of a text with more letters of other scripts than Latin ones, however short: there is nothing to weigh."""
_PIECE: Final = 1 << 16
"""Characters processed at once, to limit memory for texts of any length."""


@dataclass(slots=True)
class Foreignness:
    """The result for one text."""

    evidence: float
    """Log-odds that the text, or a passage of it, is foreign."""
    probability: float
    """The calibrated probability of the same."""
    _place: Callable[[], tuple[int, int]] = field(repr=False, compare=False)

    @property
    def span(self) -> tuple[int, int]:
        """The passage with the most evidence, as character offsets; computed on access."""
        return self._place()


class LanguageModel:
    """A table of weights, applied to texts. Immutable and thread-safe."""

    def __init__(self, table: NDArray[np.int8], scale: float, calibration: Calibration) -> None:
        """Use ``table`` [OFFSETS[-1]], the weight of every bucket in steps of ``scale`` log-odds."""
        self._table = table
        self._scale = scale
        self._common = CommonWords(table, lambda steps, capital: _counted(steps * scale, capital))
        self._calibration = calibration

    @classmethod
    def load(cls, directory: Path) -> LanguageModel:
        """Load the table in ``directory``.

        Raises ``ModelError`` or a subclass if it is missing, does not match its manifest, or has another size.
        """
        manifest, weights = load_ngrams(directory)
        if len(weights) != OFFSETS[-1]:
            msg = f"the n-gram table in {directory} has {len(weights)} weights, this version reads {OFFSETS[-1]}"
            raise ModelError(msg)
        return cls(np.frombuffer(weights, dtype=np.int8), manifest.scale, manifest.calibration)

    def look(self, text: str) -> Foreignness:
        """Find the passage that is most likely foreign, in time linear in the length of ``text``.

        The evidence of words is summed from left to right, and the best passage has the largest sum (the scan of Page
        1954, Biometrika 41:100). As it may start at any word, the log of their number is subtracted; nothing is
        subtracted for a text that is foreign as a whole.
        """
        evidence = self._common.evidence(text)
        if evidence is not None:
            if not evidence:
                return self._found(-math.inf, partial(_exactly, 0, len(text)))
            best, first, last = _strongest(evidence)
            return self._found(best, partial(passage, text, first, last))
        parts = [(start, words_of(text[start:end])) for start, end in pieces(text, _PIECE)]
        evidence = np.concatenate([word_evidence(words, self._table, self._scale) for _, words in parts]).tolist()
        if not evidence:
            return self._found(-math.inf, partial(_exactly, 0, len(text)))
        best, first, last = _strongest(evidence)
        if sum(_pure_lead(words) for _, words in parts) > 0:
            best = max(best, PURE_EVIDENCE)
        starts = np.concatenate([words.starts + start for start, words in parts])
        ends = np.concatenate([words.ends + start for start, words in parts])
        return self._found(best, partial(_exactly, int(starts[first]), int(ends[last])))

    def _found(self, evidence: float, place: Callable[[], tuple[int, int]]) -> Foreignness:
        logit = self._calibration.slope * evidence + self._calibration.intercept
        return Foreignness(evidence, 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit)))), place)


def _exactly(start: int, end: int) -> tuple[int, int]:
    return start, end


def word_evidence(words: Words, table: NDArray[np.int8], scale: float) -> NDArray[np.float64]:
    """Return for each word the log-odds that it is foreign; 0 for anything but a word of prose."""
    evidence = np.clip(words.sums(table) * scale, -WORD_CAP, WORD_CAP)
    evidence[~words.plain] = 0.0
    evidence[words.capital & (evidence > 0.0)] *= NAME_SHARE
    if words.foreign.any():
        evidence[words.foreign] = LETTER_WEIGHT * _adjoining(words)[words.foreign]
    return evidence


def _counted(weight: float, capital: bool) -> float:  # noqa: FBT001  the second of two properties of a word
    """Return the evidence of a single word of prose in Latin letters, as in ``word_evidence``."""
    evidence = max(-WORD_CAP, min(WORD_CAP, weight))
    return evidence * NAME_SHARE if capital and evidence > 0.0 else evidence


def _strongest(evidence: list[float]) -> tuple[float, int, int]:
    """Return the log-odds of the strongest passage of at least one word, with its first and last word."""
    if max(evidence) <= 0.0:  # by far the most common case: no evidence of a foreign word
        return max(-math.log(len(evidence)), deque(accumulate(evidence), 1)[0]), 0, 0
    total = lowest = gain = 0.0
    lowest_at = first = end = 0
    for after, value in enumerate(evidence, 1):
        total += value
        if total <= lowest:
            lowest, lowest_at = total, after
        elif total - lowest > gain:
            gain, first, end = total - lowest, lowest_at, after
    return max(gain - math.log(len(evidence)), total), min(first, len(evidence) - 1), max(end - 1, first)


def _adjoining(words: Words) -> NDArray[np.int64]:
    """Return the number of letters of each word, or 0 if it has only one."""
    letters = words.ends - words.starts
    return np.where(letters > 1, letters, 0)


def _pure_lead(words: Words) -> int:
    """Return how many more letters are of other scripts than Latin."""
    if not words.foreign.any():
        return -int((words.ends - words.starts).sum())
    return int(_adjoining(words)[words.foreign].sum() - (words.ends - words.starts)[~words.foreign].sum())


@cache
def packaged_language() -> LanguageModel:
    """Return the packaged table, loaded once per process; failures are not cached.

    Raises ``ModelError`` or a subclass.
    """
    return LanguageModel.load(find_ngrams())
