"""Plain harmful requests of every hazard kind, each with harmless twins that use the same nouns and verbs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from models.training.generators.input_surface import distinct, dress, fill, lower_first, slots
from models.training.generators.output_surface import columns
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

_PLAIN = {"prompt_injection": 0, "jailbreak": 0}
_PAIRS: Final = (
    "request_pairs",
    "request_terse",
    "request_hazards",
    "request_veiled",
    "request_foreign",
    "request_alike",
    "request_alike",
    "request_natural",
    "request_natural",
)
"""Banks of lines ``harmful || harmless || ...``; a side may be ``-``; a bank listed twice is drawn twice as often."""
_FOREIGN: Final = "request_foreign"
"""The bank whose requests get no English lead-ins or tails."""
_SIDES: Final = ("abuse", "harmful", "twin")
"""Names of the sides of a line of ``contrast_request``."""


@cache
def _sides(*, harmful: bool) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return the wordings of one side of every line, with the group of the line."""
    found = []
    for name in _PAIRS:
        prefix = "request_pair" if name == "request_pairs" else name
        for index, line in enumerate(columns(name)):
            texts = tuple(text for text in (line[:1] if harmful else line[1:]) if text and text != "-")
            if texts:
                found.append((texts, f"{prefix}:{index}"))
    if not harmful:
        found += [((text,), f"request_scary:{index}") for index, (text,) in enumerate(columns("request_scary"))]
    return tuple(found)


def _carry(rng: random.Random, text: str) -> str:
    """Add to some requests a lead-in or a tail that says nothing about their purpose."""
    table = slots("request_carriers")
    roll = rng.random()
    if roll < 0.16:
        lead = rng.choice(table["lead"])
        return f"{lead} {lower_first(text) if lead[-1] not in '.!?' else text}"
    if roll < 0.3:
        return f"{text} {rng.choice(table['tail'])}"
    return text


def request(rng: random.Random, *, harmful: bool) -> tuple[str, str]:
    """Return one request without surface noise, and its group."""
    if rng.random() < 0.15:  # short frames filled with acts, harmful or not
        frames = columns("request_frames")
        index = rng.randrange(len(frames))
        table = slots("request_acts")
        key = "bad" if harmful else "good"
        acts = {"act": table[f"{key}_act"], "acting": table[f"{key}_acting"], "item": table[f"{key}_item"]}
        text = fill(rng, frames[index][0], {**slots("request_slots"), **acts})
        return text[:1].upper() + text[1:], f"request_frame:{index}"
    texts, group = rng.choice(_sides(harmful=harmful))
    return fill(rng, rng.choice(texts), slots("request_slots")), group


def _contrast(rng: random.Random) -> Row:
    """Draw abuse that asks for nothing, a harmful request about the same thing, or a harmless one."""
    lines = columns("contrast_request")
    index, side = rng.randrange(len(lines)), rng.randrange(3)
    plural, single, adjective = rng.choice(columns("contrast_groups"))
    table = {**slots("contrast_slots"), "group": (plural,), "one": (single,), "adj": (adjective,)}
    text = dress(rng, fill(rng, lines[index][side], table), chat=0.15, noise=0.4)
    labels = {**_PLAIN, "harmful_request": int(side == 1)}
    if side != 1:
        labels["toxicity"] = int(side == 0)
    return Row(text, "input", labels, f"gen_requests_{_SIDES[side]}", f"contrast_request:{index}")


def _draw(rng: random.Random) -> Row:
    """Draw one request."""
    if rng.random() < 0.2:  # share of lines that contrast abuse with requests
        return _contrast(rng)
    harmful = rng.random() < 0.48
    text, group = request(rng, harmful=harmful)
    if not group.startswith(_FOREIGN):
        text = _carry(rng, text)
    text = dress(rng, text, chat=0.2, noise=0.4)
    labels = {**_PLAIN, "harmful_request": int(harmful)}
    return Row(text, "input", labels, "gen_requests_harmful" if harmful else "gen_requests_twin", group)


def generate(rng: random.Random, count: int) -> Iterator[Row]:
    """Yield ``count`` rows of the input stage: unframed harmful requests (1), harmless twins and mere abuse (0)."""
    return distinct(rng, count, _draw)
