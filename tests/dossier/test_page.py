"""The dossier's page in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardsdk.dossier import as_html
from tests.rendering import CONTRAST, render

if TYPE_CHECKING:
    from pathlib import Path

    from tests.dossier.conftest import House


def test_the_page_stands_alone_and_can_be_read(house: House, tmp_path: Path) -> None:
    path = tmp_path / "dossier.html"
    path.write_text(as_html(house.document(incidents=house.incidents(), alerts=house.alerts())), encoding="utf-8")
    rows = "document.querySelectorAll('table tbody tr').length"
    seen = render(path, tmp_path / "dossier.png", probes={"contrast": CONTRAST, "rows": rows})
    assert (seen.console, seen.requests) == ([], [])
    assert seen.width <= seen.window
    assert seen.probes["contrast"][0] >= 4.5
    assert seen.probes["rows"] > 52  # a row for every entry of every framework, and those of the artefacts
