"""Harmless text that users paste: pages, mails, code and essays, whole or cut anywhere, with a request or bare.

A long text is read in windows, and most windows of a pasted text hold no request at all: this must not make them look
like an attack.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from models.training.banks import bank, passages
from models.training.generators.doc_slots import fill
from models.training.generators.hard_benign import LABELS_BENIGN
from models.training.generators.input_surface import distinct, weighted
from models.training.rows import Row

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

_KINDS: Final = {"pasted": 0.34, "web": 0.2, "mail": 0.08, "tool": 0.08, "carrier": 0.2, "foreign": 0.1}
_BANKS: Final = {
    "pasted": "benign_pasted",
    "web": "doc_web_clean",
    "mail": "doc_mail_real",
    "tool": "doc_tool_clean",
}
_MOST: Final = 1600
"""Characters of a pasted text, about one and a half windows."""
_LEAST: Final = 120
_CUT: Final = 0.4
"""Share of texts that start in mid-sentence, as a window does."""
_BARE: Final = 0.4
"""Share of texts without a request."""


def _piece(rng: random.Random, kind: str, carriers: Sequence[str]) -> tuple[str, int]:
    """Draw a text and its place among those of its kind."""
    if kind == "foreign":
        texts: Sequence[str] = bank("benign_foreign")
    elif kind == "carrier" and carriers:
        texts = carriers
    else:
        texts = passages(_BANKS.get(kind, "benign_pasted"))
    index = rng.randrange(len(texts))
    return fill(rng, texts[index]), index


def _draw(carriers: Sequence[str], rng: random.Random) -> Row:
    kind = weighted(rng, _KINDS)
    text, index = _piece(rng, kind, carriers)
    while len(text) < _MOST and rng.random() < 0.3:  # share of texts put together
        text += rng.choice(("\n\n", "\n", "\n---\n")) + _piece(rng, kind, carriers)[0]
    if rng.random() < _CUT and len(text) > 2 * _LEAST:
        text = text[rng.randrange(len(text) - _LEAST) :]
    text = text[: rng.randrange(_LEAST, _MOST)]
    if rng.random() >= _BARE:
        ask, gap = rng.choice(bank("paste_ask")), rng.choice(("\n\n", "\n", " ", "\n\n---\n"))
        text = f"{ask}{gap}{text}" if rng.random() < 0.6 else f"{text}{gap}{ask}"  # share of heads
    return Row(text, "input", dict(LABELS_BENIGN), f"gen_pasted_{kind}", f"pasted_{kind}:{index}")


def generate(rng: random.Random, count: int, carriers: Sequence[str] = ()) -> Iterator[Row]:
    """Yield ``count`` rows of the input stage, all four labels 0; ``carriers`` are further harmless texts."""
    return distinct(rng, count, functools.partial(_draw, carriers))
