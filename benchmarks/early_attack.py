"""An attacker who knows the model completely and adapts to its early exit: do the bounds open a hole?

Every text is an attack that the whole model blocks. A hill climb with a fixed budget of model evaluations makes small
changes, and is told how far the text is from being cleared by the lower layers, and from passing the whole model.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from tqdm import tqdm

from benchmarks.data import load
from benchmarks.filler import filler
from benchmarks.scoring import outcome
from benchmarks.stats import share_of
from guardsdk.engine.classifier import Request
from guardsdk.evaluation.statistics import Paired, mcnemar, paired_difference
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from benchmarks.data import Row
    from guardsdk import Guard
    from guardsdk.engine.classifier import Classifier
    from guardsdk.parts.info import RuleInfo

    Margins = Callable[[str], tuple[float, float]]
    """Text to its early and its full margin: below 0 it is cleared early, or passes the whole model."""

Goal = Literal["hole", "whole", "either"]
GOALS: Final[Mapping[Goal, str]] = {
    "hole": "cleared early, though the whole model still blocks it",
    "whole": "passes the whole model, early exit off",
    "either": "passes with early exit on, one way or the other",
}
LONGEST: Final = 1200
"""Characters of the longest attack: a longer one costs many windows per look, and none of them hides it."""
_PATIENCE: Final = 8
"""Looks without progress after which two changes are made at once."""


def _at_word(change: Callable[[random.Random, str], str]) -> Callable[[random.Random, str], str]:
    """Return a move that changes one word of a text."""

    def move(rng: random.Random, text: str) -> str:
        words = text.split(" ")
        at = rng.randrange(len(words))
        words[at] = change(rng, words[at])
        return " ".join(word for word in words if word)

    return move


def _typo(rng: random.Random, word: str) -> str:
    at = rng.randrange(max(1, len(word) - 1))
    return word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]


def _swapped(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    at = rng.randrange(max(1, len(words) - 1))
    words[at : at + 2] = words[at : at + 2][::-1]
    return " ".join(words)


def _harmless(rng: random.Random) -> str:
    """Return one or many harmless sentences, up to a window's worth, in which an attack is a small part."""
    return filler(rng.choice([40, 40, 200, 800]), rng.randrange(10_000))


MOVES: Final[tuple[Callable[[random.Random, str], str], ...]] = (
    lambda rng, text: _harmless(rng) + text,
    lambda rng, text: f"{text} {_harmless(rng)}".strip(),
    _at_word(lambda _, __: ""),
    _at_word(_typo),
    _at_word(lambda rng, word: word + rng.choice(",.;:!?-")),
    _at_word(lambda rng, word: rng.choice([word.upper(), word.lower(), word.title(), word.swapcase()])),
    _at_word(lambda rng, word: f"\n{word}" if rng.random() < 1 / 2 else f'"{word}"'),
    _swapped,
    lambda rng, text: rng.choice([text.lower(), text.upper(), text.title()]),
)
"""Harmless sentences before or after, words dropped, swapped, misspelt, set in another case or punctuated."""


def search(text: str, margins: Margins, goal: Goal, budget: int, seed: str) -> str | None:
    """Change ``text`` until ``goal`` is reached; return ``None`` if ``budget`` looks at the model were not enough.

    A change is kept unless it leads away from the goal. On the way to a hole the whole model must keep blocking.
    """
    rng = random.Random(seed)
    best, distance, idle = text, math.inf, 0
    for look in range(budget):
        tried = text if look == 0 else best
        for _ in range(0 if look == 0 else 1 + (idle >= _PATIENCE)):
            tried = rng.choice(MOVES)(rng, tried) or tried
        early, full = margins(tried)
        if goal == "hole" and full < 0.0:
            idle += 1
            continue
        found = {"hole": early, "whole": full, "either": min(early, full)}[goal]
        if found < 0.0:
            return tried
        idle = 0 if found < distance else idle + 1
        if found <= distance:
            best, distance = tried, found
    return None


@dataclass(frozen=True, slots=True)
class Inside:
    """What an attacker sees who has the model: its logits, its bounds and the thresholds of the policy."""

    classifier: Classifier
    rules: Sequence[RuleInfo]

    def margins(self, row: Row) -> Margins:
        """Return a function from a text in place of that of ``row`` to its margins, those of its worst window."""
        stage = Stage(row.stage)
        manifest = self.classifier.model.manifest
        columns = {label.name: at for at, label in enumerate(manifest.labels)}
        bounds = {} if manifest.early_exit is None else manifest.early_exit.stages.get(stage, {})
        read = [
            (columns[rule.label], manifest.labels[columns[rule.label]].stages[stage].calibration, logit(rule.threshold))
            for rule in self.rules
            if rule.stage is stage and rule.label in columns and not rule.action.passes
        ]

        def margins(text: str) -> tuple[float, float]:
            early, full = self.classifier.both([Request(text, stage, row.beside)])[0]
            cleared = max(
                (
                    max(float(window[columns[name]]) - one.clear_below for name, one in bounds.items())
                    for window in early
                )
                if bounds
                else (math.inf,)
            )
            passed = max(
                float(window[column]) * line.slope + line.intercept - least
                for window in full
                for column, line, least in read
            )
            return cleared, passed

        return margins


def logit(probability: float) -> float:
    """Log-odds of ``probability``, infinite at 0 and 1."""
    if not 0.0 < probability < 1.0:
        return math.inf if probability else -math.inf
    return math.log(probability / (1.0 - probability))


def blocked(guard: Guard, row: Row, text: str) -> tuple[bool, str | None]:
    """Return whether ``guard`` blocks ``text`` in place of that of ``row``, and which tier answered."""
    verdict = guard.check(text, stage=row.stage, context=row.beside)
    return outcome(verdict).blocked, verdict.tier


def attacks(folder: Path, whole: Guard, inside: Inside, wanted: int, seed: int) -> list[Row]:
    """Draw attacks and harmful texts that ``whole`` blocks by its model, from every set of ``folder`` in turn."""
    rng = random.Random(seed)
    pools = [
        [row for row in load(path) if 1 in {row.attack, row.harm} and 0 < len(row.text.strip()) <= LONGEST]
        for path in sorted(folder.glob("*.jsonl.gz"))
    ]
    pools = [pool for pool in pools if pool]
    for pool in pools:
        rng.shuffle(pool)
    found: dict[str, Row] = {}
    while any(pools) and len(found) < wanted:
        for pool in pools:
            if pool and len(found) < wanted:
                row = pool.pop()
                if blocked(whole, row, row.text)[0] and inside.margins(row)(row.text)[1] >= 0.0:
                    found[row.key] = row
    return list(found.values())


def attacked(
    guards: tuple[Guard, Guard], inside: Inside, rows: Sequence[Row], *, budget: int, seed: int
) -> dict[str, Any]:
    """Search for all goals from every row, and count the texts that the guards, with early exit first, confirm."""
    reached: dict[Goal, list[bool]] = {goal: [] for goal in GOALS}
    for at, row in enumerate(tqdm(rows, desc="attacks")):
        margins = inside.margins(row)
        for goal, found in reached.items():
            text = search(row.text, margins, goal, budget, f"{seed} {at}")
            found.append(text is not None and _holds(goal, text, row, guards))
    ways = list(zip(reached["whole"], reached["either"], strict=True))
    pairs = Paired(lost=ways.count((True, False)), gained=ways.count((False, True)), total=len(ways))
    difference = paired_difference(pairs)
    return {
        "texts": len(rows),
        "budget": budget,
        "reached": {goal: share_of(sum(found), len(rows)) for goal, found in reached.items()},
        "more": {"value": difference.value, "low": difference.low, "high": difference.high, "p": mcnemar(pairs)},
    }


def _holds(goal: Goal, text: str, row: Row, guards: tuple[Guard, Guard]) -> bool:
    """Whether the guards confirm what was found inside the model; they also look at what a text hides."""
    guard, whole = guards
    if goal == "whole":
        return not blocked(whole, row, text)[0]
    stopped, tier = blocked(guard, row, text)
    return not stopped and (goal == "either" or (tier == "early" and blocked(whole, row, text)[0]))
