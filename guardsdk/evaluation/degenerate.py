"""Detects degenerate answers: empty, noise, a loop, or an echo of the prompt. Pure; for any language."""

from __future__ import annotations

import unicodedata
import zlib
from typing import Final

_LOOP_CHARS: Final = 300
"""A shorter text may legitimately repeat itself."""
_LOOP_RATIO: Final = 0.12
"""Compressed bytes to bytes (zlib, level 9). Prose and code stay above 0.3; forty copies of one sentence are below 0.1,
and so are table rows or records that differ in a name or a number each."""
_RUN_CHARS: Final = 64
"""Window length for the next test: a difference between two rows is in every window that covers it."""
_LOOP_RUNS: Final = 0.25
"""Share of distinct windows: a loop has as many as its period has characters, so a quarter after four rounds. Fifty
records with a name each are above 0.8, long ones with only a counting number above 0.4."""
_RUNS_OVER: Final = 2**16
"""The number of final characters in which windows are counted, to limit memory."""
_TAIL_CHARS: Final = 1200
"""The end is tested separately, to catch an answer that begins well and ends in a loop."""
_NOISE_SHARE: Final = 0.3
"""Above this share of control and replacement characters, a text counts as badly decoded or otherwise broken."""
_ECHO_CHARS: Final = 20
"""A shorter prompt may be the right answer."""


def degenerate(prompt: str, answer: str) -> str | None:
    """Return what is wrong with ``answer`` in one word, or ``None`` if it is a real answer.

    ``empty`` (no letter, digit or symbol), ``noise``, ``loop`` or ``echo``.
    """
    if not any(unicodedata.category(char)[0] in "LNS" for char in answer):
        return "empty"
    odd = sum(char == "\ufffd" or (char not in "\n\r\t" and unicodedata.category(char)[0] == "C") for char in answer)
    # Joiners and the like, which many scripts use, have category Cf; a few are fine.
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
