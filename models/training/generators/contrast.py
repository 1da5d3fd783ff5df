"""Toxic language and its functional contrasts: nearly the same words, with and without the abuse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from models.training.generators.input_surface import distinct, dress, fill, slots, typos, weighted
from models.training.generators.output_surface import columns
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

_ASKED = "moderation_ask"
_KINDS = {
    "group": 0.17,
    "hate": 0.27,
    "person": 0.09,
    "abuse": 0.1,
    "profane": 0.08,
    "moderation": 0.24,
    "talk": 0.18,
    "emoji": 0.16,
    "speech": 0.18,
    _ASKED: 0.07,
}
_LEET = str.maketrans({"a": "4", "e": "3", "i": "1", "o": "0", "s": "5"})
_ODD_SPELLING = 0.12
_INPUT = 0.6


def _joined(rng: random.Random, text: str) -> str:
    """Drop some of the spaces."""
    return "".join("" if char == " " and rng.random() < 0.4 else char for char in text)


def _spaced(rng: random.Random, text: str) -> str:
    """Put a blank between the letters of one or two words."""
    words = text.split(" ")
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(len(words))
        words[at] = " ".join(words[at])
    return " ".join(words)


def _leet(rng: random.Random, text: str) -> str:
    """Write some words with digits for letters."""
    return " ".join(word.translate(_LEET) if rng.random() < 0.4 else word for word in text.split(" "))


def _swapped(rng: random.Random, text: str) -> str:
    """Swap, double and drop letters."""
    return typos(rng, text, 0.05)


def _stressed(rng: random.Random, text: str) -> str:
    """Shout one word or stretch its vowel."""
    words = text.split(" ")
    at = rng.randrange(len(words))
    words[at] = words[at].upper() if rng.random() < 0.5 else re.sub(r"([aeou])", r"\1\1\1", words[at], count=1)
    return " ".join(words)


_SPELLINGS = (_joined, _spaced, _leet, _swapped, _swapped, _stressed)


def _line(rng: random.Random, kind: str, *, toxic: bool) -> tuple[str, str]:
    """Fill the toxic or a harmless side of a line of ``kind``; all slots of a line share one group of people."""
    lines = columns(f"contrast_{kind}")
    while True:
        index = rng.randrange(len(lines))
        texts = [t for t in (lines[index][:1] if toxic else lines[index][1:]) if t and t != "-"]
        if texts:
            break
    plural, single, adjective = rng.choice(columns("contrast_groups"))
    table = {**slots("contrast_slots"), "group": (plural,), "one": (single,), "adj": (adjective,)}
    text = fill(rng, rng.choice(texts), table)
    return text[:1].upper() + text[1:], f"contrast_{kind}:{index}"


def _draw(rng: random.Random) -> Row:
    """Draw one text."""
    toxic = rng.random() < 0.47
    kind = weighted(rng, _KINDS)
    text, group = _line(rng, kind, toxic=toxic)
    roll = rng.random()
    if roll < _ODD_SPELLING:
        text = rng.choice(_SPELLINGS)(rng, text)
    elif roll < 0.4:
        around = slots("contrast_around")
        before = rng.random() < 0.5
        text = f"{rng.choice(around['before'])} {text}" if before else f"{text} {rng.choice(around['after'])}"
    elif roll < 0.48:  # a harmless sentence beside it changes nothing
        more, _ = _line(rng, kind, toxic=False)
        text = f"{more} {text}" if rng.random() < 0.5 else f"{text} {more}"
    text = dress(rng, text, chat=0.05, noise=0.35)
    stage = "input" if kind == _ASKED or rng.random() < _INPUT else "output"
    labels = {"toxicity": int(toxic)}
    # Abuse asks for nothing, so on the input stage it is known to be no request for harm. A prompt that asks for abuse
    # may or may not be one, so that label is left unknown.
    if stage == "input" and not (toxic and kind == _ASKED):
        labels["harmful_request"] = 0
    if stage == "output" and not toxic:
        labels["harmful_response"] = 0
    return Row(text, stage, labels, f"gen_contrast_{kind}{'_output' if stage == 'output' else ''}", group)


def generate(rng: random.Random, count: int) -> Iterator[Row]:
    """Yield ``count`` rows, mostly prompts, labelled for toxicity; most of the prompts also as no request for harm."""
    return distinct(rng, count, _draw)
