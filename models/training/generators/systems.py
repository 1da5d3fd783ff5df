"""User text beside the system text it is aimed at: the same words attack one and are harmless beside another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from string import ascii_lowercase
from typing import TYPE_CHECKING, Final

from models.training.banks import bank
from models.training.generators.hard_benign import LABELS_BENIGN
from models.training.generators.input_surface import distinct, dress
from models.training.generators.output_surface import columns
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

_BANKS: Final = tuple(f"system_guarded_{letter}" for letter in ascii_lowercase)
"""Lines ``system || attack ;; attack || harmless ;; harmless``; a system text that allows everything has no attacks."""
_ATTACK: Final = {"prompt_injection": 1, "harmful_request": 0, "toxicity": 0}
_BAD: Final = 0.45
_ALONE: Final = 0.6
"""Share of system texts that consist of the bank's line alone."""
_RULES: Final = 3
_GAPS: Final = (" ", " ", "\n", "\n\n")


@dataclass(frozen=True, slots=True)
class Guarded:
    """A system text with prompts that attack it and prompts that do not."""

    name: str
    system: str
    """The bank's line alone; ``among_others`` puts ordinary rules around it."""
    attacks: tuple[str, ...]
    harmless: tuple[str, ...]


def _items(column: str) -> tuple[str, ...]:
    return tuple(text.strip() for text in column.split(";;") if text.strip())


@cache
def guarded(*, attacked: bool) -> tuple[Guarded, ...]:
    """Return all system texts of the banks or, with ``attacked``, those that have attacks."""
    found = [
        Guarded(f"{name}:{index}", system, _items(attacks), _items(harmless))
        for name in _BANKS
        for index, (system, attacks, harmless) in enumerate(columns(name))
    ]
    return tuple(group for group in found if group.attacks or not attacked)


def among_others(rng: random.Random, system: str) -> str:
    """Put a system text among ordinary rules in some draws: the rule that matters is seldom alone."""
    if rng.random() < _ALONE:
        return system
    others = rng.sample(bank("brief_rule"), rng.randint(1, _RULES))
    place = rng.randrange(len(others) + 1)
    gap, mark = rng.choice(_GAPS), rng.choice(("", "", "- ", "* "))
    return gap.join(mark + line for line in (*others[:place], system, *others[place:]))


def plain_system(rng: random.Random) -> str:
    """Return the instructions of an ordinary assistant, which do not decide whether a text is an attack."""
    return among_others(rng, rng.choice(bank("system_plain")))


def _draw(rng: random.Random) -> Row:
    bad = rng.random() < _BAD
    group = rng.choice(guarded(attacked=bad))
    text = dress(rng, rng.choice(group.attacks if bad else group.harmless))
    labels, kind = (_ATTACK, "attack") if bad else (LABELS_BENIGN, "clean")
    return Row(text, "input", dict(labels), f"gen_system_{kind}", group.name, among_others(rng, group.system))


def generate(rng: random.Random, count: int) -> Iterator[Row]:
    """Yield ``count`` rows of the input stage with a system text as context: attacks on it, and proper use of it."""
    return distinct(rng, count, _draw)
