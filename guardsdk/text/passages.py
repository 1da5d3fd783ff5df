"""Splits a text into short passages: a request stands out less when other text surrounds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardsdk.text.lazy import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

_SENTENCE = lazy_pattern(
    "\\S[^\\n]*?(?:[.!?;\u2026\u061f\u0964][\"')\\]\u00bb\u201d\u2019]*(?=\\s|\\Z)|[\u3002\uff01\uff1f\uff1b]|(?=\\n)|\\Z)"
)
"""A sentence in any of the scripts that have lexicons, or a line that ends without a stop."""
_LONGEST = 2
"""How many times the length of a passage a sentence may have; a longer one is cut, between words if possible."""


def passages(text: str, most: int, least: int = 0) -> list[tuple[int, int]]:
    """Return the ranges of runs of sentences of at most ``most`` characters, in order.

    A longer sentence stands alone; one of more than twice as many characters is cut. Together the ranges cover all of
    ``text`` except white space between them. A run of fewer than ``least`` characters goes on, however long the next
    sentence is, and the last one is joined with the one before.
    """
    found: list[tuple[int, int]] = []
    for start, end in _sentences(text, max(most, least)):
        if found and (end - found[-1][0] <= most or _size(found[-1]) < least):
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    if len(found) > 1 and _size(found[-1]) < least:
        (start, _), (_, end) = found[-2:]
        found[-2:] = [(start, end)]
    return found


def _size(span: tuple[int, int]) -> int:
    return span[1] - span[0]


def _sentences(text: str, most: int) -> Iterator[tuple[int, int]]:
    for match in _SENTENCE().finditer(text):
        start, end = match.span()
        while end - start > _LONGEST * most:
            space = text.rfind(" ", start + 1, start + most)
            cut = space if space > 0 else start + most
            yield start, cut
            start = cut + text.startswith(" ", cut, end)
        yield start, end
