"""Refusals in old and new styles, refusals that deliver after all, and answers that merely sound like refusals."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from models.training.banks import bank
from models.training.generators.hard_benign import benign_line
from models.training.generators.input_surface import distinct, fill, slots, weighted
from models.training.generators.output_surface import asked, columns, shape, table_for
from models.training.generators.requests import request
from models.training.generators.responses import deliver, harmful_prompt
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_KINDS = {
    "plain": 0.22,
    "modern": 0.12,
    "over": 0.07,
    "own": 0.09,
    "partly": 0.08,
    "deliver": 0.06,
    "turned": 0.15,
    "alike": 0.21,
    "comply": 0.15,
    "answered": 0.17,
}
_REFUSED = {"refusal": 1, "harmful_response": 0, "toxicity": 0}
_COMPLIED = {"refusal": 0, "harmful_response": 0, "toxicity": 0}
_DOES = {"alike", "comply", "answered"}
"""Kinds of answers that do what was asked, though some sound as if they did not."""
_LONG = 0.12
_BENIGN = ("office", "security", "homonym", "roleplay", "everyday", "templates")


_BANKS = {
    "own": ("refusal_own", 1),
    "turned": ("refusal_turns", 1),
    "alike": ("refusal_alike", 1),
    "comply": ("response_plain", 1),
    "answered": ("refusal_turns", 2),
}
"""Kinds taken from a bank as they are: its name, and the column of the answer."""


def _harmless_prompt(rng: random.Random, harmless: Sequence[str]) -> str:
    """Draw a harmless prompt, often one that sounds alarming."""
    if harmless and rng.random() < 0.4:
        return rng.choice(harmless)
    if rng.random() < 0.5:
        return request(rng, harmful=False)[0]
    return benign_line(rng, rng.choice(_BENIGN))[0]


def refuse(rng: random.Random, prompt: str | None) -> tuple[str, str]:
    """Compose a refusal of ``prompt``: a core, often with a lead before it and reasons or offers after it."""
    table = {**table_for(rng, prompt), **slots("refusal_slots")}
    cores = bank("refusal_core")
    index = rng.randrange(len(cores))
    parts = [cores[index]]
    if rng.random() < 0.22:
        parts.insert(0, rng.choice(bank("refusal_lead")))
    if rng.random() < 0.4:
        parts.append(rng.choice(bank("refusal_reason")))
    if rng.random() < 0.35:
        parts.append(rng.choice(bank("refusal_offer")))
    if rng.random() < _LONG:
        parts[1:1] = rng.sample(bank("refusal_lead"), rng.randrange(1, 3))
        parts += rng.sample(bank("refusal_reason"), rng.randrange(1, 4))
        parts += rng.sample(bank("refusal_offer"), rng.randrange(1, 4))
    return fill(rng, " ".join(parts), table), f"refusal_core:{index}"


def _own(rng: random.Random, name: str, column: int) -> tuple[str, str, str]:
    """Return a prompt, the answer in ``column`` beside it and the group from a bank."""
    rows = columns(name)
    index = rng.randrange(len(rows))
    prompt, text = rows[index][0], rows[index][column]
    return fill(rng, prompt, slots("response_slots")), fill(rng, text, slots("response_slots")), f"{name}:{index}"


def _answer(kind: str, harmful: Sequence[str], harmless: Sequence[str], rng: random.Random) -> tuple[str, str, str]:
    """Return a prompt, its answer of ``kind`` and the group."""
    if kind in _BANKS:
        return _own(rng, *_BANKS[kind])
    if kind == "over":
        prompt = _harmless_prompt(rng, harmless)
        return prompt, *refuse(rng, prompt)
    if kind in {"partly", "modern"}:
        rows = columns(f"refusal_{kind}")
        index = rng.randrange(len(rows))
        prompt = (
            harmful_prompt(rng, harmful)
            if rows[index][0] == "-"
            else fill(rng, rows[index][0], slots("response_slots"))
        )
        text = fill(rng, rows[index][1], {**table_for(rng, prompt), **slots("refusal_slots")})
        return prompt, text, f"refusal_{kind}:{index}"
    prompt = harmful_prompt(rng, harmful)
    if kind == "plain":
        return prompt, *refuse(rng, prompt)
    lines = bank("refusal_disclaimer")
    index = rng.randrange(len(lines))
    lead = fill(rng, lines[index], {**table_for(rng, prompt), **slots("refusal_slots")})
    return prompt, f"{lead}{rng.choice((' ', chr(10) * 2))}{deliver(rng, prompt)}", f"refusal_disclaimer:{index}"


def _draw(harmful: Sequence[str], harmless: Sequence[str], rng: random.Random) -> Row:
    """Draw one answer with its prompt."""
    kind = weighted(rng, _KINDS)
    prompt, text, group = _answer(kind, harmful, harmless, rng)
    if kind == "deliver":
        labels = {"refusal": 1, "harmful_response": 1}
    else:
        labels = dict(_COMPLIED if kind in _DOES else _REFUSED)
    return Row(shape(rng, text), "output", labels, f"gen_refusals_{kind}", group, context=asked(rng, prompt))


def generate(
    rng: random.Random,
    count: int,
    harmful: Sequence[str] = (),
    harmless: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield ``count`` rows of the output stage: refusals (1) and answers that comply (0), most with their prompt.

    ``harmful`` and ``harmless`` are further prompts; the project's own ones are used when they are empty.
    """
    return distinct(rng, count, functools.partial(_draw, harmful, harmless))
