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


def passages(text: str, most: int) -> list[tuple[int, int]]:
    """Return the ranges of runs of sentences of at most ``most`` characters, in order.

    A longer sentence stands alone; one of more than twice ``most`` characters is cut. Together the ranges cover all of
    ``text`` except white space between them.
    """
    found: list[tuple[int, int]] = []
    for start, end in _sentences(text, most):
        if found and end - found[-1][0] <= most:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def _sentences(text: str, most: int) -> Iterator[tuple[int, int]]:
    for match in _SENTENCE().finditer(text):
        start, end = match.span()
        while end - start > _LONGEST * most:
            space = text.rfind(" ", start + 1, start + most)
            cut = space if space > 0 else start + most
            yield start, cut
            start = cut + text.startswith(" ", cut, end)
        yield start, end
