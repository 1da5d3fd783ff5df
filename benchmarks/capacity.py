"""Derives a cost model from measured checks, and the number of machines from that: pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from guardsdk.text.windows import windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BUSY = 0.6
"""Share of a core to plan for: above it, waiting times grow faster than load."""
RATE = 1000
"""Checks per second to plan for."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a model cuts texts."""

    longest: int
    overlap: int
    frame: int
    """Tokens added around every window."""

    def rows(self, tokens: int) -> list[int]:
        """Return the number of tokens of each run that a text of ``tokens`` takes."""
        return [self.frame + b - a for a, b in windows(tokens, self.longest - self.frame, self.overlap)]


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds of one check: ``fixed + per_token * T + per_pair * P``.

    ``T`` counts the tokens of all windows, ``P`` the pairs of tokens within each, which attention looks at.
    """

    fixed: float
    per_token: float
    per_pair: float
    largest_error: float
    """Largest relative difference from what was measured."""

    def seconds(self, tokens: int, shape: Shape) -> float:
        """Seconds of one check of a text of ``tokens``."""
        rows = shape.rows(tokens)
        return self.fixed + self.per_token * sum(rows) + self.per_pair * sum(row * row for row in rows)


def fit(measured: Mapping[int, float], shape: Shape) -> CostModel:
    """Fit the model to ``measured``, tokens to seconds, so that relative errors are smallest (least squares).

    Raises ``ValueError`` for fewer than four lengths, where anything would fit.
    """
    unknowns = 3
    if len(measured) <= unknowns:
        msg = f"a cost model of {unknowns} numbers needs more than {unknowns} lengths, not {len(measured)}"
        raise ValueError(msg)
    parts = np.array([[1.0, sum(rows), sum(row * row for row in rows)] for rows in map(shape.rows, measured)])
    seconds = np.array(list(measured.values()))
    found = np.linalg.lstsq(parts / seconds[:, None], np.ones(len(seconds)), rcond=None)[0]
    errors = np.abs(parts @ found / seconds - 1.0)
    fixed, per_token, per_pair = map(float, found)
    return CostModel(fixed, per_token, per_pair, float(errors.max()))


def plan(model: CostModel, shape: Shape, lengths: Sequence[int], resident: int) -> list[dict[str, Any]]:
    """Return, for each length in tokens, the throughput of a core and what ``RATE`` checks a second need.

    ``resident`` is the memory of one process in bytes; one process per core is counted.
    """
    entries = []
    for tokens in lengths:
        seconds = model.seconds(tokens, shape)
        cores = math.ceil(RATE * seconds / BUSY)
        entries.append(
            {
                "tokens": tokens,
                "ms": 1e3 * seconds,
                "per_core_s": 1.0 / seconds,
                "cores": cores,
                "gib": cores * resident / 2**30,
            }
        )
    return entries
