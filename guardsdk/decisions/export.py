"""Exports decisions as a table in a CSV file, one row each."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

WORDS: Final = ("time", "stage", "action", "would_action", "status", "principle", "actor")
WORDS_BEHIND: Final = ("tier", "error", "trace_id", "span_id")
NUMBERS: Final = ("coverage", "duration_s")
WHOLE: Final = ("seq", "length")
TRUTHS: Final = ("allowed", "cached", "stopped_early")
LISTS: Final = ("findings", "reasons", "layers")
MAPS: Final = ("scores", "thresholds", "margins")
REFS: Final = ("model", "policy")
PARTS: Final = ("name", "version", "digest")

COLUMNS: Final = (
    *WHOLE,
    *WORDS,
    *WORDS_BEHIND,
    *NUMBERS,
    *TRUTHS,
    *LISTS,
    *MAPS,
    *(f"{ref}_{part}" for ref in REFS for part in PARTS),
)
"""Columns of the table. Those in ``LISTS`` and ``MAPS`` contain JSON, as their length varies."""
OPENING: Final = ",".join((*WHOLE, *WORDS[:3], ""))
"""The beginning of every exported CSV table."""


def row_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row of one record."""
    row = {name: record.get(name) for name in (*WHOLE, *WORDS, *WORDS_BEHIND, *NUMBERS, *TRUTHS, *LISTS, *MAPS)}
    for ref in REFS:
        known = record.get(ref) or {}  # a later version may add fields
        row |= {f"{ref}_{part}": known.get(part) for part in PARTS}
    return row


def to_csv(records: Iterable[Mapping[str, Any]], stream: TextIO) -> int:
    """Write ``records`` to ``stream`` (RFC 4180) after a header row; return their number."""
    writer = csv.DictWriter(stream, COLUMNS, restval="")
    writer.writeheader()
    rows = 0
    for record in records:
        row = row_of(record)
        for name in (*LISTS, *MAPS):
            row[name] = json.dumps(row[name], separators=(",", ":"))
        writer.writerow(row)
        rows += 1
    return rows
