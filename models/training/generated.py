"""Amounts of text from each of our own generators in a training set, and the material they compose with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from models.training.generators import (
    briefs,
    contrast,
    direct,
    encodings,
    hard,
    hard_benign,
    indirect,
    jailbreak,
    messages,
    multilingual,
    pasted,
    placed,
    refusals,
    requests,
    responses,
    talk,
    whole,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator

    from models.training.rows import Row

_PROMPT = range(12, 400)
"""Lengths, in characters, of texts that may serve as a payload, a task or a prompt."""
_CARRIER = range(80, 3000)
"""Lengths, in characters, of texts that may serve as a document an instruction is put into."""


@dataclass(frozen=True, slots=True)
class Material:
    """Texts of ``train/`` that generators compose with; all empty where there is no data folder."""

    harmful: tuple[str, ...] = ()
    """Plain harmful requests."""
    harmless: tuple[str, ...] = ()
    """Harmless prompts."""
    tasks: tuple[str, ...] = ()
    """Harmless instructions that ask for a piece of work, which become attacks inside a document."""
    carriers: tuple[str, ...] = ()
    """Prose, code and structured text that an instruction can be hidden in."""
    sentences: dict[str, list[str]] = field(default_factory=dict)
    """Harmless sentences by language."""

    @classmethod
    def collect(cls, rows: Iterable[Row]) -> Self:
        """Sort the rows of the sources by what they can serve as."""
        harmful, harmless, tasks, carriers = [], [], [], []
        sentences: dict[str, list[str]] = {}
        for row in rows:
            size = len(row.text)
            if row.source == _SENTENCES:
                sentences.setdefault(row.tags[0], []).append(row.text)
            if row.stage == "tool" and not row.labels["prompt_injection"] and size in _CARRIER:
                carriers.append(row.text)
            elif row.stage == "input" and size in _PROMPT:
                if row.labels.get("harmful_request") and not row.labels.get("jailbreak"):
                    harmful.append(row.text)
                elif row.source in _TASKS:
                    tasks.append(row.text)
                    harmless.append(row.text)
                elif row.source in _HARMLESS:
                    harmless.append(row.text)
        return cls(tuple(harmful), tuple(harmless), tuple(tasks), tuple(carriers), sentences)


_SENTENCES = "tatoeba_laser"
_TASKS = frozenset({"dolly_subset", "code_alpaca_2k", "gpteacher"})
_HARMLESS = frozenset({"certified_safe_prompts", "bfcl", "gsm8k", "clinc150"})

COUNTS = {
    "hard_benign": 34_000,
    "pasted": 14_000,
    "direct": 24_000,
    "jailbreak": 22_000,
    "encodings": 4_000,
    "indirect": 32_000,
    "mails": 12_000,
    "pages": 11_000,
    "user_side": 8_000,
    "refusals": 15_000,
    "responses": 52_000,
    "contrast": 26_000,
    "talk": 30_000,
    "requests": 32_000,
    "multilingual": 6_000,
    "briefs": 7_000,
    "messages": 1_900,
    "hard": 60_000,
    "long": 9_000,
    "code": 6_000,
    "record": 5_000,
    "post": 5_000,
}
"""Rows drawn from each generator for a full training set."""


def generate_all(rng: random.Random, material: Material, scale: float = 1.0) -> Iterator[Row]:
    """Yield the rows of every generator in turn, ``scale`` times the full amounts but at least 20 of each."""
    counts = {name: max(20, round(count * scale)) for name, count in COUNTS.items()}
    pair = {"harmful": material.harmful, "harmless": material.harmless}
    yield from hard_benign.generate(rng, counts["hard_benign"])
    yield from pasted.generate(rng, counts["pasted"], carriers=material.carriers)
    yield from direct.generate(rng, counts["direct"], tasks=material.tasks)
    yield from jailbreak.generate(rng, counts["jailbreak"], **pair)
    yield from encodings.generate(rng, counts["encodings"], **pair)
    yield from indirect.generate(rng, counts["indirect"], carriers=material.carriers, tasks=material.tasks)
    yield from whole.generate_mails(rng, counts["mails"], tasks=material.tasks)
    yield from whole.generate_pages(rng, counts["pages"], tasks=material.tasks)
    yield from indirect.generate_user_side(rng, counts["user_side"], tasks=material.tasks)
    yield from refusals.generate(rng, counts["refusals"], **pair)
    yield from responses.generate(rng, counts["responses"], **pair)
    yield from contrast.generate(rng, counts["contrast"])
    yield from talk.generate(rng, counts["talk"], **pair)
    yield from requests.generate(rng, counts["requests"])
    yield from briefs.generate(rng, counts["briefs"], tasks=material.tasks)
    yield from multilingual.generate(rng, counts["multilingual"], material.sentences)
    yield from messages.generate(rng, counts["messages"], tasks=material.tasks)
    yield from hard.generate(rng, counts["hard"])
    yield from whole.generate_long(rng, counts["long"], tasks=material.tasks)
    for name in ("code", "record", "post"):
        yield from placed.generate(rng, counts[name], name, tasks=material.tasks)
