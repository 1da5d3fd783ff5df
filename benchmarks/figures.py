"""Turns outcomes into figures: plain dictionaries that the JSON file, the tables and the README all use."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.data import COLUMNS, SLICES, TOXIC_SETS, groups, members
from benchmarks.scoring import PEER_SCORE
from benchmarks.stats import auprc, auroc, binary, resampled, weighted_share
from guardsdk.intervals import wilson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from benchmarks.data import Column, Group, Row, StageName
    from benchmarks.scoring import Measured, Outcome

Figures = dict[str, Any]

RELEVANT: dict[tuple[StageName, Column], tuple[str, ...]] = {
    ("input", "attack"): ("prompt_injection", "jailbreak"),
    ("tool", "attack"): ("prompt_injection",),
    ("input", "harm"): ("harmful_request",),
    ("output", "harm"): ("harmful_response",),
    ("output", "refusal"): ("refusal",),
}
"""Stage and label column to the scores that rank it, the highest of them where there are several."""
_SMALLEST_SLICE = 20


def is_peer(measured: Measured) -> bool:
    """Whether these outcomes have the peer's single score instead of labelled ones."""
    return any(PEER_SCORE in found.scores for found in measured.outcomes.values())


def _decided(found: Outcome, group: Group, *, peer: bool) -> bool | None:
    """Whether a system reacted in the way a group measures; None where it has no such reaction."""
    if group.label != "refusal":
        return found.blocked
    return None if peer else "refusal" in found.fired


def _rates(group: Group, systems: Sequence[Measured]) -> dict[str, Any]:
    rates: dict[str, Any] = {}
    weights = [row.weight for row in group.rows]
    for measured in systems:
        outcomes = [measured.outcomes[row.key] for row in group.rows]
        decisions = [_decided(found, group, peer=is_peer(measured)) for found in outcomes]
        if None in decisions:
            rates[measured.system] = None
            continue
        interval = weighted_share([bool(decided) for decided in decisions], weights)
        rates[measured.system] = {
            "count": sum(map(bool, decisions)),
            "rate": interval.rate,
            "low": interval.low,
            "high": interval.high,
            "unchecked": sum(not found.checked for found in outcomes),
        }
    return rates


def whole(rows: Iterable[Row]) -> int:
    """How many rows of the whole set these stand for."""
    return round(math.fsum(row.weight for row in rows))


def _measure_name(group: Group) -> str:
    if group.label == "refusal":
        return "recall (flag)" if group.positive else "false flags"
    return {True: "recall", False: "false blocks", None: "blocked, no label"}[group.positive]


def rates(rows: Sequence[Row], systems: Sequence[Measured]) -> list[Figures]:
    """Recall, false-block rate or blocked share of every group of one set, with Wilson intervals.

    In each figure, ``rows`` were measured and stand for ``of`` rows of the set; rates are weighted, ``count`` is not.
    """
    return [
        {
            "set": group.source,
            "split": group.split,
            "stage": group.stage,
            "label": group.label,
            "measure": _measure_name(group),
            "rows": len(group.rows),
            "of": whole(group.rows),
            "systems": _rates(group, systems),
        }
        for group in groups(rows)
    ]


def _ranked(rows: Sequence[Row], names: Sequence[str], measured: Measured) -> list[float]:
    """One score for each row: the highest of ``names``, or the peer's."""
    wanted = (PEER_SCORE,) if is_peer(measured) else names
    scores = (measured.outcomes[row.key].scores for row in rows)
    return [max((found[name] for name in wanted if name in found), default=math.nan) for found in scores]


def _areas(truth: Sequence[bool], scores: Sequence[float], weights: Sequence[float]) -> dict[str, float]:
    """Both areas, each with a bootstrap interval."""
    labels, values, heavy = np.asarray(truth), np.asarray(scores), np.asarray(weights)
    found: dict[str, float] = {}
    measures: dict[str, Callable[..., float]] = {"auroc": auroc, "auprc": auprc}
    for name, area in measures.items():

        def again(drawn: Sequence[int], area: Callable[..., float] = area) -> float:
            return area(labels[drawn], values[drawn], heavy[drawn])

        found[name] = area(labels, values, heavy)
        found[f"{name}_low"], found[f"{name}_high"] = resampled(again, len(truth))
    return found


def _f1_interval(truth: Sequence[bool], decided: Sequence[bool], weights: Sequence[float]) -> tuple[float, float]:
    def f1(drawn: Sequence[int]) -> float:
        return binary([truth[i] for i in drawn], [decided[i] for i in drawn], [weights[i] for i in drawn]).f1

    return resampled(f1, len(truth))


def ranking(rows: Sequence[Row], systems: Sequence[Measured]) -> list[Figures]:
    """AUROC and AUPRC of the relevant score, for every label of one set that has both classes; rows are weighted."""
    found: list[Figures] = []
    for stage in dict.fromkeys(row.stage for row in rows):
        at_stage = [row for row in rows if row.stage == stage]
        for column in COLUMNS:
            positive, negative = (members(at_stage, column, positive=value) for value in (True, False))
            if not positive or not negative:
                continue
            picked = [at_stage[index] for index in (*positive, *negative)]
            truth = [True] * len(positive) + [False] * len(negative)
            weights = [row.weight for row in picked]
            choices = [RELEVANT[stage, column]] if (stage, column) in RELEVANT else []
            if column == "harm" and picked[0].source in TOXIC_SETS:
                # Harm means both kinds in these sets; each head is shown alone and together with the other.
                choices += [("toxicity",), ("harmful_request", "toxicity")]
            for names in choices:
                areas: dict[str, Any] = {}
                for measured in systems:
                    scores = _ranked(picked, names, measured)
                    unusable = any(map(math.isnan, scores)) or (column == "refusal" and is_peer(measured))
                    areas[measured.system] = None if unusable else _areas(truth, scores, weights)
                found.append(
                    {
                        "set": picked[0].source,
                        "stage": stage,
                        "label": column,
                        "score": " or ".join(names),
                        "positives": len(positive),
                        "negatives": len(negative),
                        "systems": areas,
                    }
                )
    return found


def _decision(column: str, found: Outcome) -> bool:
    return found.blocked if column == "block" else column in found.fired


def flags(rows: Sequence[Row], measured: Measured) -> list[Figures]:
    """Accuracy and F1 of the toxicity flag, the refusal flag and the block of harmful responses, where labelled.

    All of them depend on the share of positives, so rows are weighted to the class balance of the whole set.
    """
    found: list[Figures] = []
    source = rows[0].source
    wanted: list[tuple[StageName, Column, str]] = [("output", "refusal", "refusal"), ("output", "harm", "block")]
    if source in TOXIC_SETS:
        wanted.append(("input", "harm", "toxicity"))
    for stage, column, decision in wanted:
        picked = [row for row in rows if row.stage == stage and row.label(column) is not None]
        if not picked:
            continue
        truth = [row.label(column) == 1 for row in picked]
        weights = [row.weight for row in picked]
        decided = [_decision(decision, measured.outcomes[row.key]) for row in picked]
        counted = binary(truth, decided, weights)
        f1_low, f1_high = _f1_interval(truth, decided, weights)
        right = weighted_share([one == other for one, other in zip(truth, decided, strict=True)], weights)
        found.append(
            {
                "set": source,
                "stage": stage,
                "label": column,
                "decision": "blocked" if decision == "block" else f"{decision} fired",
                "rows": len(picked),
                "of": whole(picked),
                "accuracy": right.rate,
                "low": right.low,
                "high": right.high,
                "precision": counted.precision,
                "recall": counted.recall,
                "f1": counted.f1,
                "f1_low": f1_low,
                "f1_high": f1_high,
            }
        )
    return found


def _slice_kind(row: Row) -> str | None:
    """Pool rows by what a block of them means; refusal rows and rows without labels are in no pool."""
    if row.attack == 1:
        return "attack, recall"
    if row.harm == 1:
        return "harm, recall"
    return "benign, false blocks" if 0 in {row.attack, row.harm} else None


def slices(rows: Iterable[Row], systems: Sequence[Measured], *, per_set: bool) -> list[Figures]:
    """Blocked share by language, length, attack family and format, pooled over all sets or for each set.

    Rows are not weighted here: the pool of all sets would otherwise consist mostly of its largest set.
    """
    pools: dict[tuple[str, str, str, str, str], list[Row]] = {}
    for row in rows:
        kind = _slice_kind(row)
        if kind is None:
            continue
        for name, cut in SLICES.items():
            if name == "attack family" and row.attack != 1:
                continue
            key = (row.source if per_set else "all", name, cut(row), row.stage, kind)
            pools.setdefault(key, []).append(row)
    found: list[Figures] = []
    for (source, name, value, stage, kind), pool in sorted(pools.items()):
        if len(pool) < _SMALLEST_SLICE:
            continue
        systems_found: dict[str, Any] = {}
        for measured in systems:
            interval = wilson(sum(measured.outcomes[row.key].blocked for row in pool), len(pool))
            systems_found[measured.system] = {"rate": interval.rate, "low": interval.low, "high": interval.high}
        found.append(
            {
                "set": source,
                "slice": name,
                "value": value,
                "stage": stage,
                "measure": kind,
                "rows": len(pool),
                "systems": systems_found,
            }
        )
    return found


def agreement(rows: Sequence[Row], first: Measured, second: Measured) -> Figures:
    """How often two models decide alike on one set: the block itself, and every principle's firing."""
    keys = sorted({row.key for row in rows})
    pairs = [(first.outcomes[key], second.outcomes[key]) for key in keys]
    same_block = wilson(sum(a.blocked == b.blocked for a, b in pairs), len(pairs))
    same_fired = wilson(sum(a.fired == b.fired for a, b in pairs), len(pairs))
    gaps = [abs(a.scores[label] - b.scores[label]) for a, b in pairs for label in a.scores.keys() & b.scores.keys()]
    return {
        "set": rows[0].source,
        "rows": len(pairs),
        "block": {"rate": same_block.rate, "low": same_block.low, "high": same_block.high},
        "principles": {"rate": same_fired.rate, "low": same_fired.low, "high": same_fired.high},
        "mean_score_gap": sum(gaps) / len(gaps) if gaps else math.nan,
        "largest_score_gap": max(gaps, default=math.nan),
    }
