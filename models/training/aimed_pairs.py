"""Prompts beside instructions, to learn from and to be judged by.

Each group of the banks draws on its own, so that a further bank changes nothing of what is drawn for the others.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from guardsdk.text.windows import share_ranges
from models.training.dataset import CONTEXT_TOKENS, MAX_TOKENS, SEP, opening
from models.training.generators.input_surface import dress
from models.training.generators.systems import among_others, guarded, plain_system
from models.training.pools import pools
from models.training.prepare import tokenizer
from models.training.rows import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.training.dataset import Prepared
    from models.training.generators.systems import Guarded

    Row = tuple[NDArray[np.int32], NDArray[np.int32]]
    """Ids and token types of a pair, [1, T] each."""

LABEL: Final = "prompt_injection"
"""What the reading has a say in, on the input stage."""
SHARES: Final = 4
"""Most rows that long instructions are read in: every further one costs as much as the first."""
_HELD_OUT = 0.2
"""Share of the groups, each a system text with what was written for it, that is not learnt from."""
_DRESSED, _PLAIN = 0.7, 0.5
"""Shares of the groups whose texts are dressed up, and that bring an ordinary prompt beside an ordinary system text."""
_LONGEST_PAIR = 180
"""Tokens of a pair that is learnt from: what is longer takes much of the time and is little of the text."""
_LONGEST_PROMPT = 120
"""Tokens of an ordinary prompt."""
_PLAIN_SHARE = 1 / 3
"""Share of the benign prompts of ``calib/`` that stand beside ordinary system texts, not those that guard something."""
_TOKENIZER = tokenizer()


@dataclass(frozen=True, slots=True)
class Pair:
    """A prompt beside instructions."""

    system: list[int]
    text: list[int]
    """Both as tokens."""
    attack: bool

    def rows(self) -> list[Row]:
        """Return a row for each share of the instructions, as the engine lays them out; the text's first window."""
        shares = share_ranges(len(self.system), CONTEXT_TOKENS, SHARES)
        return [self._row(self.system[first:end]) for first, end in shares]

    def _row(self, system: list[int]) -> Row:
        head = opening("input", np.array(system, np.int32))
        text = [*self.text[: MAX_TOKENS - len(head) - 1], SEP]
        kinds = [0] * len(head) + [1] * len(text)
        return np.array([[*head, *text]], np.int32), np.array([kinds], np.int32)


def parted(seed: int) -> tuple[list[Guarded], list[Guarded]]:
    """Return the groups to learn from and those held out; a line and the one after it, often twins, stay together."""
    kept: tuple[list[Guarded], list[Guarded]] = [], []
    for group in guarded(attacked=False):
        bank, _, index = group.name.partition(":")
        kept[random.Random(f"{seed} {bank} {int(index) // 2}").random() < _HELD_OUT].append(group)
    return kept


def own(group: Guarded, rng: random.Random, *, dressed: bool = False) -> Iterator[Pair]:
    """Yield what was written for ``group``, each text beside its instructions among others."""
    for attack, texts in ((True, group.attacks), (False, group.harmless)):
        for text in texts:
            shown = dress(rng, text) if dressed else text
            yield Pair(_tokens(among_others(rng, group.system)), _tokens(shown), attack)


def learnt(groups: Sequence[Guarded], prepared: Prepared, seed: str) -> list[Pair]:
    """Return what one epoch learns from: attacks, proper use, prompts for other instructions, and ordinary prompts."""
    short = np.diff(prepared.starts) < _LONGEST_PROMPT
    ordinary = np.flatnonzero((prepared.stage == STAGES.index("input")) & (prepared.labels < 1).all(1) & short)
    alike: dict[str, list[Guarded]] = {}
    for group in groups:
        alike.setdefault(bank_of(group), []).extend([group] if group.harmless else [])
    made: list[Pair] = []
    for group in groups:
        rng = random.Random(f"{seed} {group.name}")
        made += own(group, rng, dressed=rng.random() < _DRESSED)
        foreign = _tokens(rng.choice(rng.choice(alike[bank_of(group)]).harmless))
        prompts = [prepared.row(int(rng.choice(ordinary)))[0].tolist() for _ in range(2)]
        made += [Pair(_tokens(among_others(rng, group.system)), text, attack=False) for text in (foreign, prompts[0])]
        if rng.random() < _PLAIN:
            made.append(Pair(_tokens(plain_system(rng)), prompts[1], attack=False))
    return [pair for pair in made if sum(ids.size for ids, _ in pair.rows()) <= _LONGEST_PAIR]


def benign(data: Path, groups: Sequence[Guarded], seed: int) -> Iterator[list[Pair]]:
    """Yield the benign prompts of ``calib/``, pool by pool, beside instructions of ``groups`` or ordinary ones."""
    for pool in pools(data, seed, system_texts=True):
        if pool.stage != "input" or pool.label is not None or LABEL not in (pool.negative_of or (LABEL,)):
            continue
        rng = random.Random(f"{seed} {pool.source}")
        pairs = []
        for text, system in pool.texts:
            plain = plain_system(rng) if rng.random() < _PLAIN_SHARE else among_others(rng, rng.choice(groups).system)
            pairs.append(Pair(_tokens(system or plain), _tokens(text), attack=False))
        yield pairs


def bank_of(group: Guarded) -> str:
    """Return the bank that ``group`` is in, which has a theme of its own."""
    return group.name.partition(":")[0]


def _tokens(text: str) -> list[int]:
    ids: list[int] = _TOKENIZER.encode(text, add_special_tokens=False).ids
    return ids
