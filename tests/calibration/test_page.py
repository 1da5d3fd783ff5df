"""The page of a tuning, in a browser: nothing is cut off, and every dot lies on its line."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from guardsdk.calibration.choosing import tune
from guardsdk.calibration.overlay import Source
from guardsdk.calibration.report import as_page
from guardsdk.verdict import ArtifactRef, Stage
from tests.calibration.test_tuning import drawn, sampled
from tests.rendering import CONTRAST, render

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = Source(
    made=date(2026, 11, 26),
    stage=Stage.INPUT,
    base="default",
    policy=ArtifactRef(name="default", version="1", digest="0" * 64),
    model=ArtifactRef(name="model", version="1", digest="1" * 64),
    benign_sha256="2" * 64,
    violating_sha256="3" * 64,
)
CUT_OFF = """[...document.querySelectorAll('.card *, .card, table')]
  .filter((node) => node.scrollWidth > node.parentElement.clientWidth + 1).length"""


def page(path: Path) -> Path:
    rng = np.random.default_rng(0)
    benign, violating = sampled(drawn(rng, 1700)), sampled(drawn(rng, 160, 2.0))
    tuning = tune(benign, violating, 0.005, 0.95)
    path.write_text(as_page(tuning, SOURCE, benign, violating, meanings={}), encoding="utf-8")
    return path


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_off_and_all_can_be_read(tmp_path: Path, dark: bool) -> None:
    probes = {"cut": CUT_OFF, "contrast": CONTRAST, "dots": "document.querySelectorAll('circle.mark').length"}
    seen = render(page(tmp_path / "page.html"), tmp_path / "page.png", dark=dark, probes=probes)
    assert seen.console == seen.requests == []
    assert seen.width <= seen.window
    assert seen.probes["cut"] == 0
    assert seen.probes["contrast"][0] >= 4.5
    assert seen.probes["dots"] == 4  # before and after, of both principles


def test_the_dot_of_the_new_line_lies_on_the_curve(tmp_path: Path) -> None:
    text = page(tmp_path / "page.html").read_text(encoding="utf-8")
    after = [
        part.partition(">")[0] for part in text.split("<circle ")[1:] if "after</title>" in part.partition("/circle")[0]
    ]
    assert len(after) == 2
    for dot in after:
        x, y = (float(dot.partition(f'{name}="')[2].partition('"')[0]) for name in ("cx", "cy"))
        assert f"{x:g} {y:g}" in text or f"{x:g},{y:g}" in text
