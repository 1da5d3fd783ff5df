"""The page quotes what the benchmark measured."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.pages import filled
from benchmarks.telemetry import BASE, RESULTS, table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "telemetry.md"


def test_the_page_quotes_the_measured_figures_as_they_are() -> None:
    found = json.loads((ROOT / RESULTS).read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, "costs", table(found)) == page
    assert filled(page.replace(" ms |", " s |"), "costs", table(found)) == page


def test_the_table_has_a_row_for_everyone_who_is_told() -> None:
    one = {"told": "SDK", "p50_ms": 5.0, "ratio": 1.04, "ratio_quartiles": [1.02, 1.05], "record_us": 200.4}
    rows = table({"checks": [{"told": BASE, "p50_ms": 4.8}, one | {"record_share": 0.0417}]}).splitlines()[2:]
    assert rows == [
        "| none | 4.80 ms |  |  |  |",
        "| SDK | 5.00 ms | 1.040 (1.020 to 1.050) | 200 µs | 4.17% |",
    ]
