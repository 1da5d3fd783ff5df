"""Slot filling and surface noise shared by the input-stage generators (the same for positives and negatives)."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from models.training.banks import bank

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from models.training.rows import Row

SLOT = re.compile(r"\{([a-z_]+)\}")
_RETRIES = 25
_NEIGHBOURS = {"a": "s", "e": "r", "i": "o", "o": "p", "n": "m", "t": "r", "s": "d", "r": "t", "l": "k", "u": "y"}


@cache
def slots(name: str) -> dict[str, tuple[str, ...]]:
    """Read a bank of ``slot = value | value`` lines; lines of one slot add up."""
    table: dict[str, tuple[str, ...]] = {}
    for line in bank(name):
        key, _, values = line.partition("=")
        table[key.strip()] = table.get(key.strip(), ()) + tuple(v.strip() for v in values.split("|") if v.strip())
    return table


def fill(rng: random.Random, template: str, table: Mapping[str, Sequence[str]]) -> str:
    """Replace every ``{slot}`` found in ``table`` by a random value, three levels deep; other braces stay."""

    def pick(match: re.Match[str]) -> str:
        """Choose a value for one slot."""
        key = match.group(1)
        if key == "num":
            return str(rng.choice((rng.randint(2, 12), rng.randint(10, 99), rng.randint(100, 9999))))
        return rng.choice(table[key]) if key in table else match.group(0)

    for _ in range(3):
        template = SLOT.sub(pick, template)
    return template


def lower_first(text: str) -> str:
    """Lower the first letter, unless the first word is an acronym or the pronoun ``I``."""
    if len(text) > 1 and text[0].isupper() and text[1].islower():
        return text[0].lower() + text[1:]
    return text


def upper_first(text: str) -> str:
    """Capitalize the first letter."""
    return text[:1].upper() + text[1:]


def typos(rng: random.Random, text: str, rate: float) -> str:
    """Drop, double, swap or mistype letters, each with a probability of about ``rate``."""
    out: list[str] = []
    i = 0
    while i < len(text):
        char = text[i]
        if char.isalpha() and rng.random() < rate:
            kind = rng.choice(("swap", "double", "mistype", "drop"))
            if kind == "swap" and i + 1 < len(text) and text[i + 1].isalpha():
                out.append(text[i + 1] + char)
                i += 2
                continue
            if kind == "double":
                out.append(char * 2)
            elif kind == "mistype":
                out.append(_NEIGHBOURS.get(char, char))
            elif kind == "swap":  # nothing to swap with
                out.append(char)
        else:
            out.append(char)
        i += 1
    return "".join(out)


def _relayout(rng: random.Random, text: str) -> str:
    """Put line breaks or double spaces between sentences."""
    return text.replace(". ", rng.choice((".\n", ".  ", ".\n\n")))


def _quote(rng: random.Random, text: str) -> str:
    """Put the text in quotes or in a markdown quotation."""
    return rng.choice((f'"{text}"', f"> {text}", f"'{text}'"))


def _mark(rng: random.Random, text: str) -> str:
    """Put a list or field marker in front."""
    return rng.choice(_MARKS) + text


def _trail(rng: random.Random, text: str) -> str:
    """Add stray characters to the end."""
    return text + rng.choice(_TRAILS)


_MARKS = ("- ", "1. ", "* ", "Q: ", "User: ", "Task: ", "### ", "[request] ", "**Prompt:** ", "msg: ")
_TRAILS = ("..", "!!", " :)", "??", "\n", " ...", "  ", "\n\n--\nsent from my phone", " !", "\n\n")
_LAYOUTS: tuple[Callable[[random.Random, str], str], ...] = (
    lambda _, text: text.lower(),
    lambda _, text: text.lower().replace("'", ""),
    lambda _, text: text.rstrip(".!?"),
    lambda _, text: lower_first(text.rstrip(".")),
    lambda _, text: text.replace(",", "").replace("'", ""),
    lambda _, text: text.upper() if len(text) < _SHOUT else text,
    lambda rng, text: typos(rng, text, 0.012),
    lambda rng, text: typos(rng, text.lower(), 0.03) if len(text) < _SHOUT else text,
    _relayout,
    _quote,
    _mark,
    _trail,
)
_SHOUT = 160


def dress(rng: random.Random, text: str, *, chat: float = 0.3, noise: float = 0.3) -> str:
    """Add a greeting or a closing remark (English text only) and some noise of layout and spelling."""
    if text.isascii() and rng.random() < chat:
        table = slots("surface_slots")
        side = rng.randrange(3)
        if side != 1:
            opener = rng.choice(table["opener"])
            text = f"{opener} {lower_first(text) if opener[-1] in ',:' else text}"
        if side != 0:
            text = f"{text}{rng.choice((' ', ' ', chr(10), chr(10) * 2))}{rng.choice(table['closer'])}"
    if rng.random() < noise:
        text = rng.choice(_LAYOUTS)(rng, text)
    return text


def distinct(rng: random.Random, count: int, draw: Callable[[random.Random], Row]) -> Iterator[Row]:
    """Draw ``count`` rows, redrawing a text seen before up to ``_RETRIES`` times; after that it is repeated."""
    seen: set[str] = set()
    for _ in range(count):
        row = draw(rng)
        for _ in range(_RETRIES):
            if row.text not in seen:
                break
            row = draw(rng)
        seen.add(row.text)
        yield row


def weighted(rng: random.Random, table: Mapping[str, float]) -> str:
    """Choose a key of ``table`` by its weight."""
    return rng.choices(tuple(table), weights=tuple(table.values()))[0]
