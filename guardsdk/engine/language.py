"""Which passage of a text is not in the language the classifier was measured on, and how sure that is."""

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
"""Log-odds one word can bring for or against, so that a brand or a typing error does not decide alone."""
NAME_SHARE: Final = 0.5
"""Of what speaks against a word with a capital: names look foreign in every language."""
LETTER_WEIGHT: Final = 2.0
"""Log-odds of a letter of another script beside one of its kind; single ones are symbols, as in formulas."""
PURE_EVIDENCE: Final = 20.0
"""Log-odds of a text with more letters of other scripts than Latin ones, however short: nothing there to weigh."""
_PIECE: Final = 1 << 16
"""Characters looked at in one go, so that memory stays bounded for a text of any length."""


@dataclass(slots=True)
class Foreignness:
    """What was found in one text."""

    evidence: float
    """Log-odds that the text, or a passage of it, is foreign."""
    probability: float
    """The same, calibrated."""
    _place: Callable[[], tuple[int, int]] = field(repr=False, compare=False)

    @property
    def span(self) -> tuple[int, int]:
        """The passage with the most evidence, in characters; looked for when it is asked for."""
        return self._place()


class LanguageModel:
    """A table of weights, ready to be held against texts. Thread-safe: nothing changes after it is made."""

    def __init__(self, table: NDArray[np.int8], scale: float, calibration: Calibration) -> None:
        """Use ``table`` [OFFSETS[-1]], the weight of every bucket in steps of ``scale`` log-odds."""
        self._table = table
        self._scale = scale
        self._common = CommonWords(table, lambda steps, capital: _counted(steps * scale, capital))
        self._calibration = calibration

    @classmethod
    def load(cls, directory: Path) -> LanguageModel:
        """Read the table in ``directory``.

        Raises ``ModelError`` or one of its kinds where it is missing, not what its manifest says, or of another size.
        """
        manifest, weights = load_ngrams(directory)
        if len(weights) != OFFSETS[-1]:
            msg = f"the n-gram table in {directory} has {len(weights)} weights, this version reads {OFFSETS[-1]}"
            raise ModelError(msg)
        return cls(np.frombuffer(weights, dtype=np.int8), manifest.scale, manifest.calibration)

    def look(self, text: str) -> Foreignness:
        """Find the passage that is most likely foreign; the time is linear in the length of ``text``.

        Words are added up from left to right, and the best passage is the one whose sum is largest (the scan of
        Page 1954, Biometrika 41:100). Since it may start at any word, the logarithm of their number is taken off;
        nothing is taken off a text that is foreign as a whole.
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
    """Return for each word the log-odds that it is foreign; 0 for what is no word of prose."""
    evidence = np.clip(words.sums(table) * scale, -WORD_CAP, WORD_CAP)
    evidence[~words.plain] = 0.0
    evidence[words.capital & (evidence > 0.0)] *= NAME_SHARE
    if words.foreign.any():
        evidence[words.foreign] = LETTER_WEIGHT * _adjoining(words)[words.foreign]
    return evidence


def _counted(weight: float, capital: bool) -> float:  # noqa: FBT001  the second of two facts of a word
    """Return what ``word_evidence`` does, for one word of prose in Latin letters."""
    evidence = max(-WORD_CAP, min(WORD_CAP, weight))
    return evidence * NAME_SHARE if capital and evidence > 0.0 else evidence


def _strongest(evidence: list[float]) -> tuple[float, int, int]:
    """Return the log-odds of the strongest passage of words, at least one, with its first and its last word."""
    if max(evidence) <= 0.0:  # by far the most common: nothing speaks for a foreign word
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
    """Return the letters of each word, or 0 where there is only one."""
    letters = words.ends - words.starts
    return np.where(letters > 1, letters, 0)


def _pure_lead(words: Words) -> int:
    """Return by how many letters other scripts are ahead of the Latin one."""
    if not words.foreign.any():
        return -int((words.ends - words.starts).sum())
    return int(_adjoining(words)[words.foreign].sum() - (words.ends - words.starts)[~words.foreign].sum())


@cache
def packaged_language() -> LanguageModel:
    """Return the table that came with the package, read once per process; a failure is not remembered.

    Raises ``ModelError`` or one of its kinds.
    """
    return LanguageModel.load(find_ngrams())
