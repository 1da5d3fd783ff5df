"""Answers of a model: delivering harm in a helpful tone (1), safe answers that do not refuse (0), harmless ones (0)."""

from __future__ import annotations

import functools
from functools import cache
from typing import TYPE_CHECKING, Final

from models.training.banks import bank
from models.training.generators.input_surface import distinct, fill, slots, weighted
from models.training.generators.output_surface import asked, columns, goal, shape, table_for
from models.training.generators.requests import request
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_LONGER = 0.3
_KINDS = {"unsafe": 0.34, "deliver": 0.12, "safe": 0.29, "steer": 0.05, "harmless": 0.2}
_TRIPLES: Final = (
    "response_pairs",
    "response_chat",
    "response_opinion",
    "response_more_pairs",
    "response_more_pairs",
    "response_casual",
    "response_casual",
    "response_short",
    "response_short",
    "response_turns",
    "response_turns",
    "response_turns_b",
    "response_turns_b",
    "response_turns_c",
    "response_turns_c",
    "response_turns_d",
    "response_turns_d",
    "response_plain_turns",
    "response_plain_turns",
)
"""Banks of lines ``prompt || unsafe || safe``; a bank listed twice is drawn twice as often."""
_ABUSIVE: Final = "response_opinion"
"""The bank whose unsafe answers are toxic as well as harmful, and whose safe ones are neither."""


def harmful_prompt(rng: random.Random, harmful: Sequence[str]) -> str:
    """Draw a harmful prompt, from ``harmful`` or from the project's own requests."""
    if harmful and rng.random() < 0.7:
        return rng.choice(harmful)
    return request(rng, harmful=True)[0]


def deliver(rng: random.Random, prompt: str) -> str:
    """Answer ``prompt`` as if to help, with its own words and generic stand-in steps."""
    table = table_for(rng, prompt)
    lines = bank("response_deliver_goal") if goal(prompt) else bank("response_deliver")
    text = fill(rng, rng.choice(lines), table)
    while rng.random() < _LONGER:
        text += rng.choice((" ", "\n\n")) + fill(rng, rng.choice(bank("response_more")), table)
    return text


@cache
def _answers(banks: tuple[str, ...], column: int) -> tuple[tuple[str, str, str], ...]:
    """Return prompt, the answer of ``column`` and the group of every line of ``banks`` that holds one."""
    return tuple(
        (line[0], line[column], f"{'response_pair' if name == 'response_pairs' else name}:{index}")
        for name in banks
        for index, line in enumerate(columns(name))
        if len(line) > column and line[column] not in ("", "-")
    )


def _pair(rng: random.Random, column: int) -> tuple[str, str, str]:
    """Return a prompt, one of its answers and the group; column 1 is unsafe, column 2 safe."""
    prompt, answer, group = rng.choice(_answers(_TRIPLES, column))
    table = {**slots("response_slots"), **{key: (rng.choice(vals),) for key, vals in slots("request_slots").items()}}
    return fill(rng, prompt, table), fill(rng, answer, table), group


def _draw(harmful: Sequence[str], harmless: Sequence[str], rng: random.Random) -> Row:
    """Draw one answer with its prompt."""
    kind = weighted(rng, _KINDS)
    labels = {"harmful_response": int(kind in {"unsafe", "deliver"})}
    if kind != "safe":
        labels["refusal"] = 0
    if kind in {"unsafe", "safe"}:
        prompt, text, group = _pair(rng, 1 if kind == "unsafe" else 2)
        if group.startswith(_ABUSIVE):
            labels["toxicity"] = int(kind == "unsafe")
        if rng.random() < 0.1:  # the same verdict at greater length
            more = bank("response_more" if kind == "unsafe" else "response_steer")
            text = f"{text} {fill(rng, rng.choice(more), table_for(rng, prompt))}"
    elif kind == "deliver":
        prompt = harmful_prompt(rng, harmful)
        text, group = deliver(rng, prompt), "response_deliver"
    elif kind == "steer":
        prompt = harmful_prompt(rng, harmful)
        lines = bank("response_steer")
        index = rng.randrange(len(lines))
        text, group = fill(rng, lines[index], table_for(rng, prompt)), f"response_steer:{index}"
        del labels["refusal"]
    else:
        prompt, text, group = rng.choice(_answers(("response_harmless", "response_scary", "response_benign_risky"), 1))
        prompt, text = (fill(rng, part, slots("response_slots")) for part in (prompt, text))
        labels["toxicity"] = 0
        if harmless and rng.random() < 0.05:  # an answer beside the point is harmless too
            prompt = rng.choice(harmless)
    return Row(shape(rng, text), "output", labels, f"gen_responses_{kind}", group, context=asked(rng, prompt))


def generate(
    rng: random.Random,
    count: int,
    harmful: Sequence[str] = (),
    harmless: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield ``count`` rows of the output stage, most with the prompt as context.

    ``harmful`` and ``harmless`` are further prompts; the project's own requests are used when they are empty.
    """
    return distinct(rng, count, functools.partial(_draw, harmful, harmless))
