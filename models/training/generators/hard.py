"""Texts that a shipped model got wrong when they were written: attacks it missed, harmless ones it (nearly) blocked.

Their writers had the model at hand (1.9.0, 1.10.0, 1.11.0, then 1.13.0) and searched for its errors. A run learns them
by their labels and holds its predictions on other text (``--learn gen_hard``); ``--learn gen_hardnew`` does so for the
newest of them alone, those that were written with the latest model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from models.training.banks import newest
from models.training.generators.input_surface import distinct, dress
from models.training.generators.output_surface import asked, columns
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class _Kind:
    """Stage and labels of the two sides of a bank, with lines ``bad || harmless || ...``.

    Lines of the output stage begin with the prompt. Either side may be missing (``-``).
    """

    stage: str
    bad: dict[str, int]
    harmless: dict[str, int]


_ORDER: Final = _Kind("tool", {"prompt_injection": 1}, {"prompt_injection": 0})
_KINDS: Final = {
    # Only the labels that a pair is about are set: those never in doubt would move the model for nothing.
    "injection": _Kind("input", {"prompt_injection": 1}, {"prompt_injection": 0, "jailbreak": 0}),
    "frame": _Kind("input", {"jailbreak": 1, "harmful_request": 1}, {"jailbreak": 0, "harmful_request": 0}),
    "request": _Kind("input", {"harmful_request": 1}, {"harmful_request": 0, "toxicity": 0}),
    "harmless": _Kind("input", {}, {"jailbreak": 0, "harmful_request": 0, "toxicity": 0}),
    "foreign": _Kind("input", {"prompt_injection": 1}, {"prompt_injection": 0, "jailbreak": 0, "harmful_request": 0}),
    "role": _Kind("input", {"jailbreak": 1}, {"prompt_injection": 0, "jailbreak": 0, "harmful_request": 0}),
    "toxic": _Kind("input", {"toxicity": 1}, {"toxicity": 0}),
    "order_mail": _ORDER,
    "order_page": _ORDER,
    "answer": _Kind("output", {"harmful_response": 1}, {"harmful_response": 0, "toxicity": 0}),
}
REPEATS: Final = {
    f"{name}_{kind}": times
    for name in ("gen_hard", "gen_hardnew")
    for kind, times in {"order_mail": 5, "order_page": 5, "answer": 3, "toxic_output": 3}.items()
}
"""Times an epoch repeats the rows of a kind; prompts are not repeated, as their surface is varied instead."""
_WITHOUT_PROMPT: Final = 0.15
_SAID: Final = 0.3
"""Share of the toxic texts, and of their harmless twins, that become rows of the output stage."""


@cache
def _sides(*, bad: bool) -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """Return kind, line number and texts of one side of every line that has it."""
    found = []
    for kind, what in _KINDS.items():
        first = 1 if what.stage == "output" else 0
        for index, line in enumerate(columns(f"hard_{kind}")):
            side = line[first : first + 1] if bad else line[first + 1 :]
            if texts := tuple(text for text in side if text != "-"):
                found.append((kind, index, texts))
    return tuple(found)


def _draw(rng: random.Random) -> Row:
    """Draw one text."""
    bad = rng.random() < 0.5
    kind, index, texts = rng.choice(_sides(bad=bad))
    what, text, context = _KINDS[kind], rng.choice(texts), None
    said = kind == "toxic" and rng.random() < _SAID
    if what.stage == "input" and not said:  # an answer is read as written: nobody types it
        text = dress(rng, text, chat=0.08, noise=0.3)
    elif what.stage == "output":
        context = asked(rng, columns(f"hard_{kind}")[index][0], missing=_WITHOUT_PROMPT)
    labels = dict(what.bad if bad else what.harmless)
    source, group = f"gen_hard{'new' * (index >= newest(f'hard_{kind}'))}_{kind}", f"hard_{kind}:{index}"
    if said:
        return Row(text, "output", labels if bad else labels | {"harmful_response": 0}, f"{source}_output", group)
    return Row(text, what.stage, labels, source, group, context=context)


def generate(rng: random.Random, count: int) -> Iterator[Row]:
    """Yield ``count`` rows of all stages, half of them harmless."""
    return distinct(rng, count, _draw)
