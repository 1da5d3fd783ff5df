"""HTML files in a real Chromium without a screen: what it shows, and what it complains of.

The browser comes with the wheel ``PyQt6-WebEngine`` and runs in a process of its own, ``tests/chromium.py``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTRAST = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (c) => c.map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return rgb(colour);
    }
    return [255, 255, 255];
  };
  let worst = [21, ''];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || ['title', 'desc', 'style'].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const pair = [light(rgb(node.tagName === 'text' ? style.fill : style.color)), light(ground(node))];
    const ratio = (Math.max(...pair) + .05) / (Math.min(...pair) + .05);
    if (ratio < worst[0]) worst = [ratio, node.tagName + ' ' + node.textContent.slice(0, 40)];
  }
  return worst;
})()"""
"""JavaScript for ``probes``: the lowest contrast of text to its background (WCAG 2.2, 1.4.3) and where it is."""
_BROWSER = Path(__file__).with_name("chromium.py")
_LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Rendering:
    """What the browser made of a page."""

    picture: Path
    """The whole page as PNG."""
    pdf: Path
    """The page as it would be printed on A4."""
    console: list[str]
    """What it complained of."""
    requests: list[str]
    """What it tried to load beside the page; all of it was refused."""
    width: int
    """Of the content, in CSS pixels; greater than the window where the page has to be scrolled sideways."""
    window: int
    height: int
    dark: bool
    """Whether the page was told that the reader prefers a dark one."""
    probes: Mapping[str, Any]
    """What the expressions of ``probes`` gave."""


def render(
    page: Path, out: Path, *, width: int = 1100, dark: bool = False, probes: Mapping[str, str] | None = None
) -> Rendering:
    """Open the file ``page`` in Chromium in a window ``width`` CSS pixels wide, and keep its picture beside ``out``.

    Args:
        page: An HTML or SVG file.
        out: The PNG to write; the PDF gets the same name.
        width: Of the window, in CSS pixels.
        dark: Whether the reader prefers dark pages.
        probes: Names to JavaScript expressions that are evaluated in the page.

    Skips the test where the browser is not installed, which only systems without a wheel of it may do.
    """
    if importlib.util.find_spec("PyQt6") is None or importlib.util.find_spec("PyQt6.QtWebEngineWidgets") is None:
        pytest.skip("no Chromium: pip install PyQt6-WebEngine (part of the extra 'test' where it has a wheel)")
    task = {
        "page": str(page.resolve()),
        "out": str(out.resolve()),
        "width": width,
        "dark": dark,
        "probes": dict(probes or {}),
    }
    flags = "--no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars"
    flags += " --blink-settings=preferredColorScheme=" + ("0" if dark else "1")
    environment = dict(os.environ) | {
        "QT_QPA_PLATFORM": "offscreen",
        "QT_QUICK_BACKEND": "software",
        "QTWEBENGINE_DISABLE_SANDBOX": "1",
        "QTWEBENGINE_CHROMIUM_FLAGS": flags,
        "QT_LOGGING_RULES": "*=false",
    }
    done = subprocess.run(
        [sys.executable, str(_BROWSER), json.dumps(task)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return Rendering(picture=out, pdf=out.with_suffix(".pdf"), **found)
