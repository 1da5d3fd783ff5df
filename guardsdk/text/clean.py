"""Cleans text so that any tokenizer accepts it, with every character at its original position."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from guardsdk.limits import UNLIMITED
from guardsdk.text.lazy import lazy_pattern

if TYPE_CHECKING:
    from guardsdk.limits import Limits

_UNUSABLE = re.compile("[\x00\ud800-\udfff]")
_DIGITS = frozenset("0123456789")
SHORTEST_RUN = 32
"""Characters of the shortest unreadable run: an MD5 digest in hexadecimal."""
_LEFT_OUT = lazy_pattern("[\x0b\x0c\x1c-\x1f\x85]")
"""White space that tokenizers take for control characters."""
_COLOUR = lazy_pattern(
    r"(?:(?:\x1b|\\{1,8}(?:x1[bB]|033|e|u001[bB]))\[|\x9b)(?=[0-9;?mHJK])\??(?:[0-9]{0,4}[;:]){0,12}[0-9]{0,4}[A-Za-z]|\x1b[()][0-9A-Z]"
)
"""A control sequence of a terminal (ECMA-48), such as a colour, raw or as escaped in strings of code and JSON."""


def exact(text: str) -> str:
    """Return the characters of ``text`` as a plain ``str``; the methods of a subclass are bypassed.

    Raises ``TypeError`` for an object that only poses as a string.
    """
    return text if type(text) is str else str.__str__(text)


def clean(text: str) -> str:
    """Return ``text`` with NUL and lone surrogates replaced by U+FFFD, at the same length.

    A surrogate cannot be encoded as UTF-8, and NUL ends a string in some runtimes. White space that tokenizers drop,
    such as a form feed between pages, becomes a space, as the words on both sides would otherwise be read as one. So do
    terminal colour codes, whose last letter would be read as part of the next word. Characters are replaced one for
    one, so positions do not change. A text that needs no cleaning is returned as the same object.
    """
    if "\\" in text or "\x1b" in text or "\x9b" in text:
        text = _COLOUR().sub(_blank, text)
    if text.isprintable():  # none of the characters replaced below is
        return text
    return _UNUSABLE.sub("\ufffd", _LEFT_OUT().sub(" ", text))


def legible(text: str, limits: Limits = UNLIMITED) -> str:
    """Return ``text`` cleaned and without unreadable runs; see ``guardsdk.text.opaque``, which few texts need.

    Once ``limits`` have passed, further unreadable runs are kept.
    """
    text = clean(text)
    if _DIGITS.isdisjoint(text) and max(map(len, text.split()), default=0) < SHORTEST_RUN:
        return text
    from guardsdk.text.opaque import without_opaque  # noqa: PLC0415  compiling its patterns costs a first verdict milliseconds

    return without_opaque(text, limits)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
