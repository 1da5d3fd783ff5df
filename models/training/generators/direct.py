"""Direct prompt injection from users: override, hijack, prompt and secret extraction, with look-alike negatives."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from models.training.banks import bank
from models.training.generators.hard_benign import LABELS_BENIGN, benign_line
from models.training.generators.input_surface import (
    distinct,
    dress,
    fill,
    lower_first,
    slots,
    upper_first,
    weighted,
)
from models.training.generators.output_surface import columns
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_KINDS = {
    "override": 0.17,
    "extract": 0.1,
    "secret": 0.05,
    "foreign": 0.1,
    "game": 0.12,
    "ploy": 0.11,
    "tongue": 0.05,
    "pair": 0.14,
    "twin": 0.16,
    "more": 0.2,
    "natural": 0.3,
}
"""Banks of one kind; ``more`` and ``natural`` have lines ``attack || harmless twin``."""
_HARMLESS = frozenset({"pair", "twin"})
_PAIRED = frozenset({"more", "natural"})
_STACKED = 0.3
"""Share of carriers that are several ordinary requests in a row, so that an attack may come late in a long text."""
_TASKS = ("tell me a story", "write a haiku", "count to ten", "give me a recipe for soup", "list five rivers")
_CARRIERS = (
    "office",
    "security",
    "homonym",
    "roleplay",
    "everyday",
    "templates",
    "long",
    "multilingual",
    "trigger",
    "dense",
)
_ATTACK = {"prompt_injection": 1, "harmful_request": 0, "toxicity": 0}


def _short(rng: random.Random, limit: int) -> str:
    """Return a harmless request of at most ``limit`` characters."""
    while True:
        text, _ = benign_line(rng, rng.choice(("office", "homonym", "everyday", "templates")))
        if len(text) <= limit and "\n" not in text:
            return text


def embed(rng: random.Random, text: str) -> str:
    """Put ``text`` before, after or inside ordinary content; used for attacks and for their harmless twins."""
    many = rng.randint(2, 5) if rng.random() < _STACKED else 1
    glue = rng.choice((" ", "\n", "\n\n"))
    carrier = glue.join(benign_line(rng, rng.choice(_CARRIERS))[0] for _ in range(many))
    joint = rng.choice(("\n\n", "\n", " ", " ... ", "\n---\n", "\n\n\n", " Also, ", " Wait. ", "\nPS: "))
    where = rng.randrange(4)
    if where == 0:
        return text + joint + carrier
    if where == 1 and ". " in carrier:
        sentences = carrier.split(". ")
        cut = rng.randrange(1, len(sentences))
        return ". ".join(sentences[:cut]) + ". " + text + " " + ". ".join(sentences[cut:])
    return carrier + joint + text


def _draw(tasks: Sequence[str], rng: random.Random) -> Row:
    """Draw one row; ``tasks`` are further harmless tasks an attacker may switch to."""
    kind = weighted(rng, _KINDS)
    lines = bank(f"direct_{kind}")
    index = rng.randrange(len(lines))
    task = rng.choice(tasks or _TASKS).strip().rstrip(".!") if rng.random() < 0.7 else _short(rng, 90)
    table = {
        **slots("direct_slots"),
        "task": (lower_first(task),),
        "task_u": (upper_first(task),),
        "benign": (_short(rng, 160),),
    }
    line, harmless = lines[index], kind in _HARMLESS
    if kind in _PAIRED:
        sides = columns(f"direct_{kind}")[index]
        harmless = rng.random() < 0.45  # share of twins
        line = sides[harmless]
    text = fill(rng, line, table).replace("..", ".").replace("?.", "?").replace("!.", "!")
    if rng.random() < 0.3:
        text = embed(rng, text)
    text = dress(rng, text, chat=0.25, noise=0.4)
    labels = dict(LABELS_BENIGN) if harmless else dict(_ATTACK)
    source = f"gen_direct_{kind}_twin" if harmless and kind in _PAIRED else f"gen_direct_{kind}"
    return Row(text, "input", labels, source, f"direct_{kind}:{index}")


def generate(rng: random.Random, count: int, tasks: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` rows of the input stage: direct injections (label 1) and harmless twins (label 0).

    ``tasks`` are harmless imperative tasks that hijacks may ask for; a short built-in list is used when it is empty.
    """
    return distinct(rng, count, functools.partial(_draw, tasks))
