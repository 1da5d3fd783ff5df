"""Whether an answer is no answer at all: empty, noise, a loop, or the prompt given back. Pure; in any language."""

from __future__ import annotations

import unicodedata
import zlib
from typing import Final

_LOOP_CHARS: Final = 300
"""A shorter text may well say one thing twice."""
_LOOP_RATIO: Final = 0.12
"""Compressed bytes to bytes (zlib, level 9). Prose and code stay above 0.3, even tables and lists above 0.15; forty
copies of one sentence are below 0.1."""
_TAIL_CHARS: Final = 1200
"""An answer that begins well and ends in a loop is caught by its end."""
_NOISE_SHARE: Final = 0.3
"""Above this share of control and replacement characters a text is taken for broken decoding or the like."""
_ECHO_CHARS: Final = 20
"""A prompt that short may be the right answer."""


def degenerate(prompt: str, answer: str) -> str | None:
    """Return in one word what is wrong with ``answer``, or None where it is an answer.

    ``empty`` (no letter, digit or symbol), ``noise``, ``loop`` or ``echo``.
    """
    if not any(unicodedata.category(char)[0] in "LNS" for char in answer):
        return "empty"
    odd = sum(char == "\ufffd" or (char not in "\n\r\t" and unicodedata.category(char)[0] == "C") for char in answer)
    # Joiners and the like belong to many scripts: they are of category Cf, and a few are fine.
    if odd > _NOISE_SHARE * len(answer):
        return "noise"
    if _loops(answer) or _loops(answer[-_TAIL_CHARS:]):
        return "loop"
    if len(prompt) > _ECHO_CHARS and _words(answer) == _words(prompt):
        return "echo"
    return None


def _loops(text: str) -> bool:
    if len(text) < _LOOP_CHARS:
        return False
    content = text.encode("utf-8", "replace")
    return len(zlib.compress(content, 9)) < _LOOP_RATIO * len(content)


def _words(text: str) -> list[str]:
    return text.casefold().split()
