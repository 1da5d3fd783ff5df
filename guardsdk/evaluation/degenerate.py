"""Whether an answer is no answer at all: empty, noise, a loop, or the prompt given back. Pure; in any language."""

from __future__ import annotations

import unicodedata
import zlib
from typing import Final

_LOOP_CHARS: Final = 300
"""A shorter text may well say one thing twice."""
_LOOP_RATIO: Final = 0.12
"""Compressed bytes to bytes (zlib, level 9). Prose and code stay above 0.3; forty copies of one sentence are below 0.1,
and so are rows of a table or a list of records, which differ in a name or a number each."""
_RUN_CHARS: Final = 64
"""What a row of a list and the next one differ in is in every run of so many characters that goes over it."""
_LOOP_RUNS: Final = 0.25
"""Different runs to all: a loop has as many as its round has characters, so a quarter after four rounds. Fifty records
with a name each are above 0.8, long ones with nothing but a number that counts up above 0.4."""
_RUNS_OVER: Final = 2**16
"""Characters at the end in which runs are counted: what is in memory stays small."""
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
    return len(zlib.compress(content, 9)) < _LOOP_RATIO * len(content) and _says_the_same(text[-_RUNS_OVER:])


def _says_the_same(text: str) -> bool:
    starts = range(len(text) - _RUN_CHARS + 1)
    return len({text[at : at + _RUN_CHARS] for at in starts}) < _LOOP_RUNS * len(starts)


def _words(text: str) -> list[str]:
    return text.casefold().split()
