"""Writes figures to JSON files, to whole pages, and to the marked parts of pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def filled(page: str, name: str, body: str) -> str:
    """Return ``page`` with one marked part replaced. Raises ``ValueError`` where a marker is missing or doubled."""
    begin, end = f"<!-- {name}:begin -->\n", f"<!-- {name}:end -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        msg = f"the page must hold {begin.strip()} and {end} once each"
        raise ValueError(msg)
    before, _, rest = page.partition(begin)
    return before + begin + "\n" + body + "\n" + end + rest.partition(end)[2]


def fill_in(path: Path | None, name: str, body: str) -> None:
    """Replace one marked part of the page at ``path``, unless it is ``None``. Raises as ``filled``."""
    if path is not None:
        path.write_text(filled(path.read_text(encoding="utf-8"), name, body), encoding="utf-8")


def save(path: Path | None, text: str) -> None:
    """Write ``text`` to ``path``, making the folders above it, unless ``path`` is ``None``."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def save_json(path: Path | None, figures: object) -> None:
    """Write ``figures`` as JSON to ``path``, as ``save`` does with text."""
    save(path, json.dumps(figures, indent=1) + "\n")
