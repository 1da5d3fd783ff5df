"""Ordinary user prompts that look alarming: trigger words, security talk, homonyms, role-play, long system prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.training.banks import bank
from models.training.generators.input_surface import distinct, dress, fill, slots, weighted
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

_KINDS = {
    "trigger": 0.19,
    "dense": 0.08,
    "office": 0.1,
    "security": 0.08,
    "admin": 0.08,
    "homonym": 0.1,
    "roleplay": 0.09,
    "everyday": 0.08,
    "general": 0.3,
    "multilingual": 0.06,
    "foreign": 0.1,
    "long": 0.09,
    "templates": 0.08,
    "mixed": 0.08,
}
_MIXABLE = ("office", "security", "homonym", "roleplay", "everyday", "trigger", "general")
_JOINS = ("\n\n", "\n", " ", " Also: ", "\n\nAnd another one: ", "\n---\n", " And then: ", "\n2) ")
_DOUBLE = 0.4
LABELS_BENIGN = {"prompt_injection": 0, "jailbreak": 0, "harmful_request": 0, "toxicity": 0}


def benign_line(rng: random.Random, kind: str) -> tuple[str, str]:
    """Return one harmless text of ``kind`` without surface noise, and its group."""
    lines = bank(f"benign_{kind}")
    index = rng.randrange(len(lines))
    return fill(rng, lines[index], slots("benign_slots")).strip(), f"benign_{kind}:{index}"


def _draw(rng: random.Random) -> Row:
    """Draw one harmless prompt."""
    kind = weighted(rng, _KINDS)
    if kind == "mixed":
        text, group = benign_line(rng, rng.choice(_MIXABLE))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            more, _ = benign_line(rng, rng.choice(_MIXABLE))
            text += rng.choice(_JOINS) + more
    else:
        text, group = benign_line(rng, kind)
        if kind in {"multilingual", "foreign"} and rng.random() < _DOUBLE:
            more, _ = benign_line(rng, rng.choice(("multilingual", "foreign", *_MIXABLE)))
            text += rng.choice(_JOINS[:3]) + more
    text = dress(rng, text, chat=0.35, noise=0.35)
    return Row(text, "input", dict(LABELS_BENIGN), f"gen_benign_{kind}", group)


def generate(rng: random.Random, count: int) -> Iterator[Row]:
    """Yield ``count`` harmless prompts of the input stage; all four input labels are 0."""
    return distinct(rng, count, _draw)
