"""Tables and text for Markdown, in which third-party text must not become structure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from guardsdk.render.markup import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&]|(?<!\w)-|-(?!\w))")
"""Special characters. A hyphen inside a word stays: it starts no list, and escaped dates and ids are hard to read."""


def plain(text: str) -> str:
    """Return ``text`` on one line, displayed literally: nothing in it becomes a link, a tag or a heading."""
    return _SPECIAL.sub(r"\\\1", " ".join(visible(text).split()))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are already Markdown.

    Raises ``ValueError`` if a row is not as long as the header.
    """
    rules = ["---"] * len(header)
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            msg = f"row {number} of the table has {len(row)} cells, its header {len(header)}"
            raise ValueError(msg)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rules, *rows)) + "\n"
