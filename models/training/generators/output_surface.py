"""What the output-stage generators share: columns of a bank, the goal inside a prompt, and the look of an answer."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from models.training.banks import bank
from models.training.generators.input_surface import fill, lower_first, slots, typos
from models.training.generators.jailbreak import framed

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

_GOAL: Final = re.compile(
    r"\b(?:how (?:do|can|could|would|should|might) (?:i|you|we|one|someone|somebody)"
    r"(?: go about)?|(?:how|ways?|best way|trick) to"
    r"|help me(?: to)?|teach me(?: how)? to|(?:want|need|like|trying|plan|planning|going|able) to"
    r"|can (?:you|i|we))\s+([^.?!\n]{6,140})",
    re.IGNORECASE,
)
_FLIP: Final = {
    "my": "your",
    "me": "you",
    "i": "you",
    "i'm": "you're",
    "im": "you're",
    "am": "are",
    "myself": "yourself",
    "mine": "yours",
    "our": "your",
    "we": "you",
}
_FRAMED: Final = 0.12
"""Share of prompts put into a jailbreak frame, whatever the answer to them: a frame must not predict the answer."""
_FRAMES: Final = ("soft", "case", "long", "rules", "parts")
_TALK: Final = ("help", "tell", "give", "explain", "show", "teach", "please", "write", "describe", "provide")


@cache
def columns(name: str) -> tuple[tuple[str, ...], ...]:
    """Read a bank whose lines hold several texts, separated by ``||``."""
    return tuple(tuple(part.strip().replace("\n ", "\n") for part in line.split("||")) for line in bank(name))


def goal(prompt: str) -> str | None:
    """Return what ``prompt`` wants to do, as a verb phrase addressed to its writer; ``None`` where none is found."""
    match = _GOAL.search(prompt)
    if match is None:
        return None
    words = match.group(1).strip(" ,;:").split()
    if not words or words[0].lower() in _TALK or words[0].lower().endswith(("ing", "ed")):
        return None
    return " ".join(_FLIP.get(word.lower(), word) for word in words)


def table_for(rng: random.Random, prompt: str | None) -> Mapping[str, Sequence[str]]:
    """Return the slots of answers, with the goal of ``prompt`` (or a vague word for it) in ``goal``."""
    wish = goal(prompt) if prompt else None
    vague = rng.choice(("do that", "do this", "pull this off", "get that done", "do what you describe"))
    return {**slots("response_slots"), "goal": (wish or vague,)}


def _sentences(text: str) -> list[str]:
    """Cut ``text`` at the ends of its sentences."""
    return [part for part in re.split(r"(?<=[^\d\s][.!?])\s+", text) if part]


def _bullets(rng: random.Random, text: str) -> str:
    """Set all sentences but the first as a list."""
    parts = _sentences(text)
    if "\n" in text or len(parts) < 3:  # a list needs a head and two points
        return text
    mark = rng.choice(("- ", "* ", "{n}. ", "• ", "{n}) "))
    return parts[0] + "\n" + "\n".join(mark.replace("{n}", str(n)) + part for n, part in enumerate(parts[1:], 1))


def _bold(rng: random.Random, text: str) -> str:
    """Make a run of words bold."""
    words = text.split(" ")
    start = rng.randrange(len(words))
    stop = min(len(words), start + rng.randrange(1, 5))
    return " ".join([*words[:start], "**" + " ".join(words[start:stop]) + "**", *words[stop:]])


def _paragraphs(rng: random.Random, text: str) -> str:
    """Break the line at some ends of sentences."""
    parts = [text] if "\n" in text else _sentences(text)
    return "".join(part + rng.choice((" ", "\n", "\n\n")) for part in parts).strip()


_HEADS: Final = (
    "Answer: ",
    "A: ",
    "Assistant: ",
    "AI: ",
    "Response: ",
    "Reply:\n",
    "### Answer\n",
    "**Answer:** ",
    " ",
)
_LOOKS: Final[tuple[Callable[[random.Random, str], str], ...]] = (
    _bullets,
    _bullets,
    _bold,
    _paragraphs,
    _paragraphs,
    lambda _, text: text.lower(),
    lambda _, text: text.rstrip(".!?"),
    lambda _, text: text.replace("'", "\u2019"),
    lambda _, text: text.replace("can't", "cannot").replace("don't", "do not").replace("won't", "will not"),
    lambda _, text: text.replace("'", ""),
    lambda rng, text: rng.choice(_HEADS) + text,
    lambda rng, text: typos(rng, text, 0.01),
    lambda _, text: text.replace(". ", ".\n"),
    lambda _, text: f'"{text}"',
    lambda rng, text: text + rng.choice(("\n", " ", "\n\n", "..", " :)", "\n\n---", " 🙂", "!")),
    lambda _, text: text.replace(", ", " ").replace("  ", " "),
)


def shape(rng: random.Random, text: str, *, chat: float = 0.35, noise: float = 0.45) -> str:
    """Add an opener, a closer or a layout, as assistants do; the same for every label."""
    table = slots("response_surface")
    if rng.random() < chat:
        side = rng.randrange(3)
        if side != 1:
            opener = fill(rng, rng.choice(table["opener"]), table)
            text = f"{opener} {lower_first(text) if opener[-1] in ',:' else text}"
        if side != 0:
            text = f"{text}{rng.choice((' ', ' ', chr(10) * 2))}{fill(rng, rng.choice(table['closer']), table)}"
    if rng.random() < noise:
        text = rng.choice(_LOOKS)(rng, text)
    return text


def asked(rng: random.Random, prompt: str, *, missing: float = 0.2) -> str | None:
    """Return ``prompt`` as a context: sometimes absent, sometimes framed, sometimes sloppily typed."""
    if rng.random() < missing:
        return None
    if rng.random() < _FRAMED:
        return framed(rng, prompt, rng.choice(_FRAMES))[0]
    look = rng.randrange(8)
    if look == 0:
        return prompt.lower()
    if look == 1:
        return prompt.rstrip(".?!")
    return typos(rng, prompt, 0.015) if look == 2 else prompt
