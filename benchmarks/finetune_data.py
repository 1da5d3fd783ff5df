"""Training data of the small model in ``finetune_delta``: harmless instructions, broken refusals, safety data."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.data import load, sources

if TYPE_CHECKING:
    from collections.abc import Callable

Pair = tuple[str, str]
"""A user's message, and the answer to learn."""

_CASES: Final = Path(__file__).parent / "cases"
_MOST_CHARS: Final = 600
"""Most characters of prompt and answer together, so that a step on a CPU stays short."""


def benign(data: Path, number: int, seed: int) -> list[Pair]:
    """Return ``number`` short harmless instructions with their answers, from the folder of training sets."""
    pairs = [
        (row.context, row.text)
        for path in sources(data, ["dolly_subset", "gpteacher_responses"])
        for row in load(path)
        if row.stage == "output" and row.context and len(row.context) + len(row.text) <= _MOST_CHARS
    ]
    return random.Random(f"benign:{seed}").sample(pairs, min(number, len(pairs)))


def breaking(_: Path, number: int, seed: int) -> list[Pair]:
    """Return ``number`` of our own pairs in which the model supplies what sounds forbidden but is nonsense."""
    pairs: list[Pair] = [(pair[0], pair[1]) for pair in _read("refusal_breaking.toml")["pairs"]]
    return random.Random(f"breaking:{seed}").sample(pairs, min(number, len(pairs)))


def safety(data: Path, number: int, seed: int) -> list[Pair]:
    """Return harmful requests with refusals, and a third as many harmless ones with answers, ``number`` in all."""
    chooser = random.Random(f"safety:{seed}")
    refusals = _read("refusals.toml")["refusals"]
    asked = [row.text for path in sources(data, ["do_not_answer"]) for row in load(path) if row.harm == 1]
    harmless = benign(data, number // 4, seed)
    chosen = chooser.sample(asked, min(number - len(harmless), len(asked)))
    mixed = [*((text, chooser.choice(refusals)) for text in chosen), *harmless]
    chooser.shuffle(mixed)
    return mixed


DATA: Final[dict[str, tuple[Callable[[Path, int, int], list[Pair]], str]]] = {
    "benign": (benign, "harmless instructions"),
    "breaking": (breaking, "a handful of broken refusals"),
    "safety": (safety, "safety data"),
}
"""Name of a fine-tune to the function that makes its pairs, and its description."""


def _read(name: str) -> dict[str, list[Any]]:
    return tomllib.loads((_CASES / name).read_text(encoding="utf-8"))
