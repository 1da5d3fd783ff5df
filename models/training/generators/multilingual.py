"""Harmless passages in many languages, so that a language or script is never the signal.

The encoder reads other languages badly; what it must learn about them is that they are not an attack.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.training.banks import bank
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

_CLEAN = {
    "input": {"prompt_injection": 0, "jailbreak": 0, "harmful_request": 0, "toxicity": 0},
    "tool": {"prompt_injection": 0},
    "output": {"harmful_response": 0, "refusal": 0, "toxicity": 0},
}
_JOINS = (" ", " ", " ", "\n", "\n\n", "\n- ", " | ")
_LENGTHS = (1, 2, 3, 4, 6, 8, 12, 18, 25)
_UNSPACED = {"zh", "ja", "th"}
_ASKED = 0.6
"""Share of answers that have a prompt as context."""
_LISTED = 0.4
"""Share of answers that are numbered lists, as chat models write them in any language."""


def generate(rng: random.Random, count: int, sentences: Mapping[str, Sequence[str]] | None = None) -> Iterator[Row]:
    """Yield ``count`` passages of 1 to 25 sentences of one language, over all three stages, every label 0.

    ``sentences`` maps a language to harmless sentences; without it the project's own multilingual lines are used.
    """
    given = dict(sentences) if sentences else {"own": bank("benign_multilingual")}
    languages = sorted(given)
    for _ in range(count):
        language = rng.choice(languages)
        stage = rng.choices(("input", "tool", "output"), (0.4, 0.3, 0.3))[0]
        picked = rng.choices(given[language], k=rng.choice(_LENGTHS))
        join = rng.choice(_JOINS)
        text = ("" if join == " " and language in _UNSPACED else join).join(picked)
        asked = None
        if stage == "output":
            if rng.random() < _LISTED:
                first, *rest = picked
                text = "\n".join([first, *(f"{number}. {each}" for number, each in enumerate(rest, 1))])
            if rng.random() < _ASKED:
                asked = rng.choice(given[language])
        source, group = f"gen_multilingual_{stage}", f"multilingual/{language}"
        yield Row(text, stage, _CLEAN[stage], source, group, asked, tags=(language,))
