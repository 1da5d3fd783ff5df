"""Tokens for emoji: unused rows of the vocabulary that start as the words in the emoji's Unicode name.

The base model's vocabulary has no emoji, so they all were one unknown token, and what they say in place of words was
lost. Each gets one of the unused rows; its vector is the mean of the vectors of the words in its name. Word vectors are
not trained here, so this is all that the layers above get to know of an emoji. ``python -m models.training.emoji``
writes the tokens into the tokenizer; run again, it changes nothing.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Final

import torch

from models.training.prepare import TOKENIZER, tokenizer
from models.training.rows import STAGE_TOKENS

if TYPE_CHECKING:
    from torch import Tensor

BLOCKS: Final = (
    ("\U0001f600", "\U0001f64f"),  # faces
    ("\U0001f90c", "\U0001f9ff"),  # faces, hands, people, animals, food
    ("\U0001f400", "\U0001f4bf"),  # animals, bodies, people, clothes, hearts
    ("\U0001f525", "\U0001f52b"),  # fire, tools, knife, gun
    ("\U0001f300", "\U0001f3d3"),  # weather, plants, food, feasts, sport
    ("\U0001f3f3", "\U0001f3ff"),  # flags, skin tones
)
"""Ranges of the Unicode blocks of emoji, both ends included."""
SINGLE: Final = (
    "☀☁☂☃☎☑☔☕☘☝☠☢☣☮☯☹☺♀♂♨♻♿⚒⚓⚔⚖⚙⚠⚡⚧⚪⚫⚰⚱⚽⚾⛄⛈⛏⛓⛔⛪⛳⛺✂✅✈✉✊✋✌✍✏✔✖✨❄❌❓❗❣❤"
    "📈📉📚📝📞📢📣📦📰📱📷📸📹📺🔑🔒🔔🔞🔴🔵🖐🖕🖤🗑🗡🗣🗿"
    "🚀🚁🚂🚌🚑🚒🚓🚔🚗🚛🚜🚢🚨🚩🚫🚬🚭🚮🚲🚶🚽🚿🛀🛌🛑🛒🛡"
    "🟢🟡🟠🟣🟤🩸🪓🪒🪖🪙🪝🪤🪦🪱🪳🪴🫀🫁🫂🫠🫡🫢🫣🫤🫥🫦🫰🫵🫶"
)
"""Other common emoji, from blocks that are mostly signs."""
_SILENT: Final = frozenset({"with", "of", "and", "the", "for", "face", "sign", "symbol", "heavy"})
"""Words of a name that say nothing about what is shown, or that too many names share."""
_FREE: Final = "[unused{}]"


def emoji() -> list[str]:
    """Return every emoji that gets a token, most informative blocks first."""
    found = [chr(code) for first, last in BLOCKS for code in range(ord(first), ord(last) + 1)]
    return [one for one in dict.fromkeys([*found, *SINGLE]) if unicodedata.category(one)[0] == "S"]


def with_emoji(vocabulary: dict[str, int]) -> dict[str, int]:
    """Return ``vocabulary`` with each emoji it lacks in an unused row; raises ``RuntimeError`` where rows run out."""
    lacking = [one for one in emoji() if one not in vocabulary]
    names = {_FREE.format(number) for number in range(len(vocabulary))} & vocabulary.keys()
    rows = sorted(vocabulary[name] for name in names)
    free = [row for row in rows if row > max(STAGE_TOKENS.values())]
    if len(free) < len(lacking):
        msg = f"{len(lacking)} emoji lack a word and the vocabulary has {len(free)} unused rows: leave some out"
        raise RuntimeError(msg)
    taken = dict(zip(free, lacking, strict=False))
    return {taken.get(row, word): row for word, row in vocabulary.items()}


def name_emoji(words: Tensor) -> None:
    """Set each emoji's row of ``words`` [V, H] in place to the mean vector of its name's words, at their mean length.

    Rows of other tokens stay as they are, so that doing it again changes nothing.
    """
    coder = tokenizer()
    shown = {row: _said(one) for one in emoji() if (row := coder.token_to_id(one)) is not None}
    with torch.no_grad():
        for row, name in shown.items():
            parts = [at for at in coder.encode(name, add_special_tokens=False).ids if at not in shown]
            vectors = words[parts]
            mean = vectors.mean(0)
            words[row] = mean * (vectors.norm(dim=1).mean() / mean.norm().clamp(min=1e-6))


def _said(one: str) -> str:
    """Return the words of an emoji's name that say what it shows."""
    name = unicodedata.name(one).lower().split()
    if name[:2] == ["emoji", "modifier"]:
        return "skin"  # the rest is the number of a medical scale
    return " ".join([word for word in name if word not in _SILENT] or name)


def main() -> None:
    """Write the emoji into the tokenizer that ships."""
    stored = json.loads(TOKENIZER.read_text(encoding="utf-8"))
    stored["model"]["vocab"] = with_emoji(stored["model"]["vocab"])
    TOKENIZER.write_text(json.dumps(stored, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    main()
