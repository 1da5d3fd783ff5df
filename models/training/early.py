"""From early and late logits to early-exit bounds: the early part of the calibrate step, on arrays.

The engine clears a window, and spares it the upper layers, where the early logit of every label of its stage is below a
bound. Windows on which the late heads would let a label fire must hardly ever be cleared; how many harmless windows are
cleared follows from that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from guardsdk.registry.manifest import EarlyLabel
from models.training.rows import columns_of

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.training.pools import Pool

MISSED, MISSED_FLAGS = 0.003, 0.01
"""Share of the windows on which a label rightly fires that may be cleared, averaged over sources: for labels that
block, and for labels that only flag."""
_LEVELS = (0.05, 0.03, 0.02, 0.015, 0.01, 0.007, 0.005, 0.003, 0.002, 0.001, 0.0)
"""Shares of such windows that a label's own bound may let through, tried in turn: the bounds of other labels stop most
of these."""
NOTHING = -1e9
"""A bound that no logit is below: nothing is cleared."""
_HEADROOM = 0.5
"""Log-odds by which the late logit estimated for a cleared window stays below the label's threshold."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Early and late logits of the windows of one pool of texts."""

    early: NDArray[np.float32]
    """[W, L]"""
    late: NDArray[np.float32]
    """[W, L]"""
    owner: NDArray[np.int64]
    """[W]: the text each window is of, ascending."""
    label: str | None
    """The label the texts are positives of."""

    @classmethod
    def join(cls, both: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], label: str | None) -> Windows:
        """Concatenate the early and late logits of several texts, [windows, L] each."""
        early, late = (np.concatenate([pair[side] for pair in both]) for side in (0, 1))
        return cls(early, late, np.repeat(np.arange(len(both)), [len(pair[0]) for pair in both]), label)

    def highest(self, column: int) -> NDArray[np.float64]:
        """Return the highest late logit of each text, [N]."""
        starts = np.searchsorted(self.owner, np.arange(self.owner[-1] + 1))
        return np.maximum.reduceat(self.late[:, column].astype(np.float64), starts)


def bounds(
    pools: Sequence[Windows],
    columns: Mapping[str, int],
    thresholds: Mapping[str, float],
    flags: Container[str] = (),
) -> dict[str, EarlyLabel]:
    """Set the early-exit lines and bounds of one stage's labels, given with their logit columns, from its pools.

    ``thresholds`` are the lowest late logits at which the labels fire. The widest bounds are taken with which no more
    than ``MISSED`` of the windows of any label are cleared, or ``MISSED_FLAGS`` for labels in ``flags``; that share is
    the mean over the label's sources, each cleared by bounds set without it where there are several.
    """
    names = list(columns)
    fired = {
        label: [
            pool.early[pool.late[:, column] >= thresholds[label]][:, list(columns.values())]
            for pool in pools
            if pool.label == label
        ]
        for label, column in columns.items()
    }
    fired = {label: [source for source in sources if len(source)] for label, sources in fired.items()}
    most = np.array([MISSED_FLAGS if label in flags else MISSED for label in names])
    below = np.array([])
    for level in _LEVELS:
        below = np.array([_quantile([one[:, at] for one in fired[label]], level) for at, label in enumerate(names)])
        missed = [_missed(fired[label], at, below, level) for at, label in enumerate(names)]
        if (np.array(missed) <= most).all():
            break
    return {
        label: _entry(pools, column, thresholds[label], float(bound))
        for (label, column), bound in zip(columns.items(), below, strict=True)
    }


def _missed(sources: Sequence[NDArray[np.float32]], own: int, below: NDArray[np.float64], level: float) -> float:
    """Return the share of the windows of ``sources``, [n, labels] each, that are cleared, averaged over sources.

    For each source the bound of ``own``, the column of the label that fires on them, is set from the other sources
    only, as it will have to hold for sources not seen here; that of a single source from itself, as there is no other.
    """
    shares = []
    for at, source in enumerate(sources):
        others = [one[:, own] for one in (*sources[:at], *sources[at + 1 :])] or [source[:, own]]
        without = below.copy()
        without[own] = _quantile(others, level)
        shares.append(float((source < without).all(axis=1).mean()))
    return float(np.mean(shares)) if shares else 0.0


def _quantile(sources: Sequence[NDArray[np.float32]], level: float) -> float:
    """Return the score that a share ``level`` lies below, sources weighing the same; ``NOTHING`` without sources."""
    if not sources:
        return NOTHING
    scores = np.concatenate(sources).astype(np.float64)
    weights = np.concatenate([np.full(len(one), 1.0 / (len(one) * len(sources))) for one in sources])
    order = np.argsort(scores, kind="stable")
    passed = np.cumsum(weights[order])
    return float(scores[order][min(int(np.searchsorted(passed, level, side="right")), len(scores) - 1)])


def _entry(pools: Sequence[Windows], column: int, threshold: float, below: float) -> EarlyLabel:
    """Fit the line from early to late logits on windows below the bound, where it is used; the identity on too few.

    The bound is lowered where the line would come within ``_HEADROOM`` of ``threshold`` below it.
    """
    early = np.concatenate([pool.early[:, column] for pool in pools]).astype(np.float64)
    late = np.concatenate([pool.late[:, column] for pool in pools]).astype(np.float64)
    near = (early < below) & (early > _UNREAD)
    slope, intercept = 1.0, 0.0
    if near.sum() > _FEW:
        slope = max(float(np.polyfit(early[near], late[near], 1)[0]), _FLAT)
        intercept = float(np.mean(late[near] - slope * early[near]))
    highest = (threshold - _HEADROOM - intercept) / slope
    return EarlyLabel(slope=slope, intercept=intercept, clear_below=min(below, highest))


_UNREAD = -39.0
"""Text that the engine counts as unread has logits below this."""
_FEW = 50
"""A line is fitted only to more windows than this."""
_FLAT = 1e-3
"""Smallest slope: a lower early logit must never give a higher estimate of the late one."""


def cleared(windows: Windows, columns: Mapping[str, int], found: Mapping[str, EarlyLabel]) -> NDArray[np.bool_]:
    """Return which windows [W] the engine would clear."""
    below = [windows.early[:, column] < found[label].clear_below for label, column in columns.items()]
    passed: NDArray[np.bool_] = np.all(below, axis=0)
    return passed


def as_read(
    windows: Windows, columns: Mapping[str, int], found: Mapping[str, EarlyLabel]
) -> dict[str, NDArray[np.float64]]:
    """Return label to log-odds [N] as the engine reads them with early exit on: the highest over a text's windows."""
    through = cleared(windows, columns, found)
    read = {}
    for label, column in columns.items():
        line = found[label].slope * windows.early[:, column] + found[label].intercept
        mixed = np.where(through, line, windows.late[:, column])
        read[label] = Windows(windows.early, mixed[:, None], windows.owner, windows.label).highest(0)
    return read


def keep(path: Path, known: Sequence[Pool], windows: Sequence[Windows]) -> None:
    """Store the logits, so that everything derived from them can be recomputed without running the model."""
    arrays: dict[str, NDArray[Any]] = {}
    for pool, seen in zip(known, windows, strict=True):
        name = f"{pool.stage}|{pool.label}|{pool.source}"
        arrays |= {f"{name}|early": seen.early, f"{name}|late": seen.late, f"{name}|owner": seen.owner}
    np.savez(path, allow_pickle=False, **arrays)


def share_cleared(
    exits: Mapping[str, Mapping[str, EarlyLabel]], known: Sequence[Pool], windows: Sequence[Windows]
) -> list[dict[str, Any]]:
    """Return per pool the share of its windows that early exit clears."""
    return [
        {
            "source": pool.source,
            "stage": pool.stage,
            "positives_of": pool.label,
            "windows": len(seen.owner),
            "cleared": float(cleared(seen, columns_of(pool.stage), exits[pool.stage]).mean()),
        }
        for pool, seen in zip(known, windows, strict=True)
    ]
