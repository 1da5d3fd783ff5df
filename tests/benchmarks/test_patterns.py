"""The benchmark of the screens that work by rule: what it counts, and that its page holds no text."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from benchmarks.patterns import counted, page

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, object]] = [
    {"role": "user", "text": "Write to dana.meyer@harbourmail.net and tom@harbourmail.net."},
    {"role": "user", "text": "The password is orchid-Dune16!"},
    {"role": "response", "text": "Nothing to see here."},
    {"role": "user", "text": "The password is tin9Roof41x", "attack": 1},
    {"role": "user", "text": "ring +49 30 7712 8450", "harm": 1},
]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def test_harmless_rows_are_counted_once_each_by_label_and_pattern(tmp_path: Path) -> None:
    found = counted(write(tmp_path / "mails.jsonl.gz", ROWS), None)
    assert found is not None
    assert (found["set"], found["rows"], found["hits"]) == ("mails", 3, {"secret": 1, "personal_data": 1})
    assert found["names"] == {"secret": {"assigned-password": 1}, "personal_data": {"email-address": 1}}
    assert counted(write(tmp_path / "attacks.jsonl.gz", ROWS[3:]), None) is None


def test_the_page_gives_rates_and_names_and_no_text(tmp_path: Path) -> None:
    one = {"part": "calib", **(counted(write(tmp_path / "mails.jsonl.gz", ROWS), None) or {})}
    text = page({"date": "2026-01-01", "share": {"check_ms": 10.0, "secret": 0.01}, "sets": [one]})
    assert "| `calib/mails` | 3 | 333.3 | 333.3 |" in text
    assert "| `secret` | 1.00 |" in text
    assert "email-address 1" in text
    assert "orchid" not in text
