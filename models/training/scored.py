"""Pools with their scores, and the choice of texts that thresholds may be set on."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from models.training.pools import Pool
from models.training.thresholds import threshold_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_HARM = "harmful_request"
_DOUBTFUL = 0.01

_DECLINES = re.compile(
    r"\b(?:sorry|unable to|cannot|can't|not able to|as an ai\b"
    r"|(?:don't|do not) have (?:the|access|personal|a physical))",
    re.IGNORECASE,
)
_OPENING = 200

Scored = tuple[Pool, dict[str, "NDArray[np.float64]"]]
"""A pool, and label to the log-odds of its texts."""


def negative_scores(pool: Pool, found: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, NDArray[np.float64]]:
    """Return the scores of the ``wanted`` labels that ``pool`` is a negative of."""
    return {
        label: found[label]
        for label in wanted
        if label in found and (pool.negative_of is None or label in pool.negative_of)
    }


def benign_scores(scored: Iterable[Scored], label: str, stage: str) -> list[NDArray[np.float64]]:
    """Return the scores for ``label`` of every pool of ``stage`` that is a negative of it."""
    at_stage = [(pool, found) for pool, found in scored if pool.label is None and pool.stage == stage]
    return [scores for pool, found in at_stage for scores in negative_scores(pool, found, (label,)).values()]


def without_doubtful(scored: Sequence[Scored]) -> list[Scored]:
    """Drop texts that the harm head finds harmful from pools whose harm is not known: they may well not be benign.

    The cut is the score that 1 % of the texts known to be harmless reach.
    """
    known = benign_scores(scored, _HARM, "input")
    cut = threshold_at(_DOUBTFUL, known) if known else np.inf
    kept: list[Scored] = []
    for pool, found in scored:
        if pool.label is None and pool.negative_of is not None and _HARM in found:
            sure = found[_HARM] < cut
            texts = tuple(text for text, keep in zip(pool.texts, sure, strict=True) if keep)
            kept.append((replace(pool, texts=texts), {label: scores[sure] for label, scores in found.items()}))
        else:
            kept.append((pool, found))
    return kept


def without_declining(scored: Sequence[Scored]) -> list[Scored]:
    """Drop from the harmless answers those that decline in their first ``_OPENING`` characters.

    No set of ``calib/`` labels which of its answers are refusals, and 2 % of the English ones are: they would push the
    threshold of that label above most refusals.
    """
    kept: list[Scored] = []
    for pool, found in scored:
        if pool.label is None and pool.stage == "output":
            answers = np.array([_DECLINES.search(text[:_OPENING]) is None for text, _ in pool.texts], bool)
            texts = tuple(text for text, keep in zip(pool.texts, answers, strict=True) if keep)
            kept.append((replace(pool, texts=texts), {label: scores[answers] for label, scores in found.items()}))
        else:
            kept.append((pool, found))
    return kept
