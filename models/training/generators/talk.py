"""Harmless everyday language as prompts and answers: small talk, comments, mention of groups, names, words and values.

A guard reads more on the output stage than assistants' answers: a chatbot says it hates Mondays, an extraction gives a
first name, a tool argument is one word.
"""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Final

from models.training.banks import bank
from models.training.generators.input_surface import distinct, dress, fill, upper_first, weighted
from models.training.generators.output_surface import asked, columns
from models.training.rows import Row
from models.training.sources import CLEAN_INPUT, CLEAN_OUTPUT

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

_KINDS: Final = {"daily": 0.26, "online": 0.24, "groups": 0.22, "names": 0.09, "words": 0.12, "values": 0.07}
_ANSWER: Final = 0.75
_SECOND: Final = 0.2
"""Share of sentences to which a second one is added."""
_BESIDE: Final = {"names": 0.5, "words": 0.5, "values": 0.5, "daily": 0.35, "online": 0.2, "groups": 0.3}
"""Share of answers of each kind that have a prompt as context."""
_HARMFUL_PROMPT: Final = 0.15
"""Chance that the candidates for a sentence's prompt are harmful ones: an answer unrelated to its prompt delivers no
harm."""
_FAMILY: Final = "|"
"""Marks the family names among the names."""
_MAY_DECLINE: Final = re.compile(r"\b(?:sorry|can.?t|cannot|won.?t|unable|not able|no way)\b", re.IGNORECASE)
"""Words of declining: whether such a text is a refusal is left unknown."""
_QUESTIONS: Final = (
    "Who wrote this?",
    "What is the customer's name?",
    "Extract the value and return nothing else.",
    "Answer with one word.",
    "which one?",
    "Return JSON only.",
    "What is the status?",
    "Translate this word.",
    "Pick one from the list.",
    "name three",
    "What should I call it?",
    "Fill in the field.",
    "Classify the text below.",
    "Who should I ask?",
)
_KEYS: Final = (
    "name",
    "value",
    "answer",
    "label",
    "category",
    "city",
    "query",
    "author",
    "title",
    "user",
    "status",
    "to",
)


def _listed(rng: random.Random, items: Sequence[str]) -> str:
    """Lay several words out as a list."""
    form = rng.randrange(4)
    if form == 0:
        return ", ".join(items)
    if form == 1:
        return "\n".join(f"- {item}" for item in items)
    if form == 2:
        return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
    return json.dumps(items, ensure_ascii=False)


def _keyed(rng: random.Random, item: str) -> str:
    """Give one word as the value of a key."""
    key = rng.choice(_KEYS)
    return rng.choice((json.dumps({key: item}, ensure_ascii=False), f"{key}: {item}", f"{key.capitalize()}: {item}"))


def _bare(rng: random.Random, item: str) -> str:
    """Write one word by itself."""
    return rng.choice((item, item, item, item.lower(), upper_first(item), f"{item}.", f"{item}!", f'"{item}"'))


def _worded(rng: random.Random, draw: Callable[[], str]) -> str:
    """Write words from ``draw`` as an answer: one alone, one as a value, or a list of a few."""
    roll = rng.random()
    if roll < 0.62:
        return _bare(rng, draw())
    if roll < 0.77:
        return _keyed(rng, draw())
    return _listed(rng, [draw() for _ in range(rng.randint(2, 5))])


def _name(rng: random.Random) -> str:
    """Draw a given name, a whole name or, least often, a family name."""
    names = bank("talk_names")
    given = [name for name in names if not name.startswith(_FAMILY)]
    family = [name.removeprefix(_FAMILY).strip() for name in names if name.startswith(_FAMILY)]
    roll = rng.random()
    if roll < 0.55:
        return rng.choice(given)
    return rng.choice(family) if roll < 0.65 else f"{rng.choice(given)} {rng.choice(family)}"


def _sentence(rng: random.Random, kind: str) -> tuple[str, str]:
    """Draw a line of ``kind`` and its group; all slots of a line share one group of people."""
    lines = bank(f"talk_{kind}")
    index = rng.randrange(len(lines))
    plural, single, adjective = rng.choice(columns("contrast_groups"))
    text = fill(rng, lines[index], {"group": (plural,), "one": (single,), "adj": (adjective,)})
    return upper_first(text) if "{" in lines[index] else text, f"talk_{kind}:{index}"


def _text(rng: random.Random, kind: str) -> tuple[str, str]:
    """Draw a text of ``kind`` and its group."""
    if kind in {"names", "words"}:
        words = bank("talk_words")
        draw = functools.partial(_name, rng) if kind == "names" else functools.partial(rng.choice, words)
        text = _worded(rng, draw)
        return text, f"talk_{kind}:{text.casefold()[:12]}"
    text, group = _sentence(rng, kind)
    if kind != "values":
        if rng.random() < _SECOND:
            text = f"{text}{rng.choice((' ', ' ', chr(10)))}{_sentence(rng, kind)[0]}"
        text = dress(rng, text, chat=0.05, noise=0.3)
    return text, group


def _draw(harmful: Sequence[str], harmless: Sequence[str], rng: random.Random) -> Row:
    """Draw one text."""
    kind = weighted(rng, _KINDS)
    text, group = _text(rng, kind)
    if rng.random() >= _ANSWER:
        return Row(text, "input", dict(CLEAN_INPUT), f"gen_talk_{kind}_input", group)
    context = None
    if rng.random() < _BESIDE[kind]:
        plain = kind in {"names", "words", "values"}
        prompts = harmful if harmful and not plain and rng.random() < _HARMFUL_PROMPT else harmless
        context = asked(rng, rng.choice(prompts if prompts and rng.random() < 0.6 else _QUESTIONS), missing=0.0)
    labels = dict(CLEAN_OUTPUT)
    if _MAY_DECLINE.search(text):
        del labels["refusal"]
    return Row(text, "output", labels, f"gen_talk_{kind}", group, context=context)


def generate(
    rng: random.Random,
    count: int,
    harmful: Sequence[str] = (),
    harmless: Sequence[str] = (),
) -> Iterator[Row]:
    """Yield ``count`` rows, mostly answers, all harmless; ``harmful`` and ``harmless`` are prompts beside them."""
    return distinct(rng, count, functools.partial(_draw, harmful, harmless))
