"""Learns a lesson from examples: fits a head, tests it on held-out examples, and arms it only if they support it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.engine.heads import ALIKE, FAR
from guardsdk.errors import TeachingError
from guardsdk.intervals import needed, wilson
from guardsdk.registry.manifest import Calibration
from guardsdk.teaching.advice import advice, confusing, refusals
from guardsdk.teaching.lesson import Estimate, Lesson, halved, packed
from guardsdk.teaching.logistic import Problem, fit, platt, without
from guardsdk.teaching.space import Space

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from guardsdk.intervals import Share
    from guardsdk.teaching.bank import Bank
    from guardsdk.verdict import Action, Stage

    Array = NDArray[np.float64]
    Vectors = NDArray[np.float32]

RIDGE: Final = 0.01
"""For features of typical length 1; chosen on topics of training data, which some of our figures share."""
FPR: Final = 0.01
"""Default share of ordinary text that may be flagged."""
ALLOWED: Final = 0.5
"""The most weight of allowed examples within everything allowed; chosen like the ridge."""
SHARE_OF_ALLOWED: Final = 0.05
"""Share of texts like the allowed examples, which are near misses and hard on purpose, that may be flagged."""
_FEWEST_FOR_SPREAD: Final = 5
"""Allowed examples from which on their spread is used to predict further ones."""
SAME: Final = 0.8
"""Cosine of features from which on two examples are near-duplicates: neither may be tested by a head that saw the
other. Not of embeddings, as an encoder trained on attacks finds most harmless questions alike."""
KEPT: Final = 64
"""The most violating examples, counted per stage, that later texts are compared with."""
_NEAR: Final = 0.02
"""Share of ordinary text that is compared with the examples; the rest is far from all of them."""
_CHANCES: Final = 640
"""The most ordinary texts that violating examples may be closer to than to each other: as many user texts as the
packaged bank has. A larger background has more texts that are close by chance, and some on the very subject."""
_RATES: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
_FOLDS: Final = 20
"""Parts of the bank that are held out in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Embeddings [S, N, H] of N examples of each kind, at S stages."""

    violates: Vectors
    allowed: Vectors
    parts: Vectors | None = None
    """[P, H]: the windows and views that a check reads one by one, for examples that have more than one part."""
    owners: NDArray[np.intp] | None = None
    """[P]: the index of each part's example among the rows of ``violates`` followed by those of ``allowed``."""


def learn(
    name: str, examples: Examples, bank: Bank, *, text: str, stages: tuple[Stage, ...], action: Action, fpr: float
) -> Lesson:
    """Teach one screen with two components, see ``engine.heads.Head``. The lesson says whether it is armed.

    Violating examples together weigh as much as everything allowed, that is, allowed examples and bank, which share
    that weight according to ``ALLOWED``. An example is scored by a head that saw neither it nor its near-duplicates,
    the bank by heads that did not see the part in question. The head is fitted on whole examples and tested as in a
    check: by the highest score of their windows and views. The threshold is the lowest at which at most ``fpr`` of the
    bank is flagged, and at most ``SHARE_OF_ALLOWED`` of texts like the allowed examples.

    Raises ``TeachingError`` if there is nothing to learn from, or the bank is too small for ``fpr``.
    """
    if not examples.violates.shape[1]:
        msg = f"{name}: at least one violating example is needed"
        raise TeachingError(msg)
    benign = bank.on(stages)
    if len(benign) * fpr < 1.0:
        msg = (
            f"{name}: a false-positive rate of {fpr:g} cannot be shown on a bank of {len(benign)} texts: ask for 1 in "
            f"{len(benign)} or more, or give a larger background"
        )
        raise TeachingError(msg)
    space = Space(list(bank.vectors.values()), benign)
    width = benign.shape[1]
    rows = [examples.violates.reshape(-1, width), examples.allowed.reshape(-1, width), benign]
    wholes, owners = sum(map(len, rows)), np.zeros(0, dtype=np.intp)
    if examples.parts is not None and examples.owners is not None:
        rows, owners = [*rows, examples.parts], examples.owners
    features = space.features(np.concatenate(rows))
    violates, allowed = examples.violates.shape[1], examples.allowed.shape[1]
    first = len(stages) * violates
    seen = features[:violates], features[first : first + allowed]  # at the first stage
    held = _Held.of(seen, len(benign), len(stages), owners)
    problem = Problem(features, held.targets, held.weights, RIDGE)
    solution = fit(problem)
    kept = _spread(first, KEPT)
    known = lengthless(features[kept])
    scores, closest = np.empty(len(features)), features @ known.T
    for group, found in zip(held.groups, without(problem, solution, held.groups), strict=True):
        scores[group] = found
        closest[np.ix_(group, np.isin(kept, group))] = -1.0  # nor may it see itself among the examples
    others = features[wholes - len(benign) : wholes][: len(bank.vectors[stages[0]])]
    hanging = _hanging(seen[0], closest[:violates], others[_spread(len(others), _CHANCES)])
    gate = float(np.quantile(scores[wholes - len(benign) : wholes], 1.0 - _NEAR))
    scores += np.where(scores >= gate, ALIKE * np.maximum(closest.max(axis=1) - FAR, 0.0), 0.0)
    np.maximum.at(scores, owners, scores[wholes:])
    scores = scores[:wholes]
    slope, intercept = platt(scores, held.targets[:wholes], held.weights[:wholes])
    calibration = Calibration(slope=max(slope, 1e-6), intercept=intercept)
    chances = 1.0 / (1.0 + np.exp(-np.clip(calibration.slope * scores + intercept, -500.0, 500.0)))
    # An example counts once, at the stage that is hardest for it.
    caught, flagged, ordinary = held.split(chances)
    threshold = max(_above(ordinary, fpr), _above_like(flagged, SHARE_OF_ALLOWED))
    weights, bias = space.back(solution[None, :-1])[0], float(solution[-1])
    same, same_allowed = held.alike
    recall = _share(caught >= threshold, same)
    wrong = confusing(caught, flagged, threshold)
    return Lesson(
        name=name,
        text=text,
        stages=stages,
        action=action,
        encoder=bank.encoder,
        bank=bank.digest,
        weights=packed(weights),
        ordinary=halved(np.concatenate([space.ordinary.mean[None], space.ordinary.directions])),
        scale=space.ordinary.scale,
        examples=halved(space.back(known)),
        gate=gate - bias,
        intercept=bias,
        calibration=calibration,
        threshold=threshold,
        thresholds_by_fpr={f"{rate:g}": _above(ordinary, rate) for rate in _RATES if needed(rate) <= len(benign)},
        fpr=fpr,
        recall=Estimate.of(recall),
        flagged_allowed=Estimate.of(_share(flagged >= threshold, same_allowed)),
        flagged_benign=Estimate.of(wilson(int((ordinary >= threshold).sum()), len(ordinary))),
        confusing=wrong,
        advice=advice(recall, len(flagged), wrong, *map(lengthless, seen), alike=same, torn=held.torn),
        refusals=refusals(recall, effective(same), len(flagged), hanging),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """The rows of a fit: S stages of violating examples, S of allowed ones, the bank, then parts, with zero weight."""

    targets: Array
    weights: Array
    groups: list[NDArray[np.intp]]
    """Rows that are held out together; every row is in exactly one group."""
    stages: int
    violates: int
    allowed: int
    alike: tuple[list[list[int]], list[list[int]]]
    """Indices of violating and of allowed examples, grouped by near-duplicates."""
    torn: list[tuple[int, int]]
    """A violating and an allowed example of each group that has both."""

    @classmethod
    def of(cls, seen: tuple[Array, Array], benign: int, stages: int, owners: NDArray[np.intp]) -> _Held:
        violates, allowed = map(len, seen)
        positive, negative = stages * violates, stages * allowed + benign
        targets = np.concatenate([np.ones(positive), np.zeros(negative + len(owners))])
        # Each side's total weight is its number of examples: more examples, more trust in them. Allowed examples say
        # most about where the threshold is: each weighs half as much as a violating one, at most half of their side in
        # total.
        near = ALLOWED * violates * min(1.0, allowed / violates)
        weights = np.concatenate(
            [
                np.full(positive, 1.0 / stages),
                np.full(stages * allowed, near / max(stages * allowed, 1)),
                np.full(benign, (violates - near) / benign),
                np.zeros(len(owners)),
            ]
        )
        alike = clusters(np.concatenate(seen))
        groups = []
        for cluster in alike:
            own = [
                at * violates + one if one < violates else positive + at * allowed + one - violates
                for one in cluster
                for at in range(stages)
            ]
            parts = positive + negative + np.flatnonzero(np.isin(owners, own))
            groups.append(np.concatenate([np.array(own, dtype=np.intp), parts]))
        start = positive + stages * allowed
        places = np.arange(start, start + benign)
        groups += [places[fold::_FOLDS] for fold in range(min(_FOLDS, benign))]
        kinds = (
            [one for cluster in alike if (one := [place for place in cluster if place < violates])],
            [one for cluster in alike if (one := [place - violates for place in cluster if place >= violates])],
        )
        torn = [(one[0], one[-1] - violates) for one in alike if one[0] < violates <= one[-1]]
        return cls(targets, weights, groups, stages, violates, allowed, kinds, torn)

    def split(self, values: Array) -> tuple[Array, Array, Array]:
        """Split ``values`` of the rows into those of violating examples, allowed examples and the bank."""
        positive = self.stages * self.violates
        start = positive + self.stages * self.allowed
        caught = values[:positive].reshape(self.stages, self.violates).min(axis=0)
        flagged = values[positive:start].reshape(self.stages, self.allowed).max(axis=0)
        return caught, flagged, values[start:]


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """Return the indices of all ``count`` rows, or of ``most`` evenly spaced ones."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def clusters(features: Array) -> list[list[int]]:
    """Return the indices of ``features`` [N, H], grouped by links of cosine ``SAME`` or more, in order."""
    directions = lengthless(features)
    close = directions @ directions.T >= SAME
    left = set(range(len(features)))
    found: list[list[int]] = []
    for start in range(len(features)):
        if start not in left:
            continue
        cluster, new = {start}, [start]
        while new:
            linked = {int(one) for one in np.flatnonzero(close[new.pop()])} - cluster
            cluster |= linked
            new += linked
        left -= cluster
        found.append(sorted(cluster))
    return found


def effective(alike: list[list[int]]) -> float:
    """Return the effective number of independent examples among N, given groups of near-duplicates (Kish 1965).

    N if no two are alike, 1 if all are, 0 if there are none.
    """
    sizes = list(map(len, alike))
    return sum(sizes) ** 2 / sum(size * size for size in sizes) if sizes else 0.0


def _share(hits: NDArray[np.bool_], alike: list[list[int]]) -> Share:
    """Return the share of ``hits`` [N], with the interval for the effective number of examples."""
    found, total = int(hits.sum()), len(hits)
    weight = effective(alike) / max(total, 1)
    return replace(wilson(found * weight, total * weight), hits=found, total=total)


def _hanging(violates: Array, fellows: Array, ordinary: Array) -> float:
    """Return how much closer violating examples are to each other than to ordinary text, on average: -2 to 2.

    For features ``violates`` [N, H] and ``ordinary`` [B, H]: the cosine to the closest other example, minus that to the
    closest ordinary text. ``fellows`` [N, K] are the products with the kept examples, -1 for those to be ignored.

    There are hundreds of ordinary texts that may be close by chance, and few examples, so texts without a common
    subject score well below 0, whatever their style. Recall says less than this, as a style of writing that the bank
    lacks is enough for a head to separate them.
    """
    lengths = np.maximum(np.linalg.norm(violates, axis=1), 1e-12)
    among = np.maximum(fellows.max(axis=1) / lengths, -1.0)
    return float((among - (lengthless(violates) @ lengthless(ordinary).T).max(axis=1)).mean())


def lengthless(features: Array) -> Array:
    """Return ``features`` [N, H] as unit vectors."""
    result: Array = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return result


def _above(scores: Array, rate: float) -> float:
    """Return the lowest threshold that at most ``rate`` of ``scores`` [N] reach."""
    if not len(scores):
        return 0.0
    highest_out = np.sort(scores)[::-1][int(len(scores) * rate)]
    return min(1.0, float(np.nextafter(highest_out, 2.0)))


def _above_like(chances: Array, rate: float) -> float:
    """Return the threshold that about ``rate`` of texts like those of ``chances`` [M] will reach.

    Twenty examples have no highest hundredth, but their log-odds have a mean and a spread. The threshold is the
    quantile of a normal distribution, slightly higher as both are estimated from few. With too few examples for that,
    it lies above all of them.
    """
    if len(chances) < _FEWEST_FOR_SPREAD:
        return _above(chances, 0.0)
    inside = np.clip(chances, 1e-12, 1.0 - 1e-12)
    odds = np.log(inside / (1.0 - inside))
    spread = float(odds.std(ddof=1)) * (1.0 + 1.0 / len(odds)) ** 0.5
    line = float(odds.mean()) + NormalDist().inv_cdf(1.0 - rate) * spread
    return 1.0 / (1.0 + math.exp(-line))
