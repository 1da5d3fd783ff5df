"""The browser of ``tests/rendering.py``, run as a script: opens a page, measures it, takes its picture, prints it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from PyQt6.QtCore import QTimer, QUrl
from PyQt6.QtWebEngineCore import (
    QWebEnginePage,
    QWebEngineSettings,
    QWebEngineUrlRequestInfo,
    QWebEngineUrlRequestInterceptor,
)
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

_MEASURES = """(() => ({
  width: document.documentElement.scrollWidth,
  window: document.documentElement.clientWidth,
  height: document.documentElement.scrollHeight,
  dark: matchMedia('(prefers-color-scheme: dark)').matches,
}))()"""
_SIGN = "#fe01dc"
_PUT = f"""(() => {{
  const sign = document.body.appendChild(document.createElement('i'));
  sign.id = 'chromium-sign';
  Object.assign(sign.style, {{position: 'absolute', left: 0, top: '%dpx', width: '4px', height: '4px',
    marginTop: '-4px', background: '{_SIGN}'}});
}})()"""
_TAKE_AWAY = "document.getElementById('chromium-sign').remove()"
_TALLEST = 12000
_SETTLED_MS = 300
_AGAIN_MS = 100
_SCROLLBAR = 20


class _Gate(QWebEngineUrlRequestInterceptor):
    """Lets the page itself through and nothing else."""

    def __init__(self, page: QUrl) -> None:
        super().__init__()
        self._page = page
        self.refused: list[str] = []

    def interceptRequest(self, info: QWebEngineUrlRequestInfo) -> None:  # noqa: N802  Qt's name
        if info.requestUrl() != self._page:
            self.refused.append(info.requestUrl().toString())
            info.block(True)  # noqa: FBT003  Qt's signature


class _Page(QWebEnginePage):
    """Keeps what the page says on its console."""

    def __init__(self, view: QWebEngineView) -> None:
        super().__init__(view)
        self.said: list[str] = []

    def javaScriptConsoleMessage(  # noqa: N802  Qt's name
        self,
        level: QWebEnginePage.JavaScriptConsoleMessageLevel,
        message: str | None,
        lineNumber: int,  # noqa: N803  as above
        sourceID: str | None,  # noqa: N803  as above
    ) -> None:
        self.said.append(f"{level.name}: {message} ({sourceID}:{lineNumber})")


class _Visit:
    """One page from opening to the answer on standard output; each step calls the next."""

    def __init__(self, task: dict[str, Any]) -> None:
        self._task = task
        self._picture = Path(task["out"])
        self._waiting: list[tuple[str, str]] = list(task["probes"].items())
        self._found: dict[str, Any] = {"probes": {}}
        self._height = 0
        self._view = QWebEngineView()
        self._page = _Page(self._view)
        address = QUrl.fromLocalFile(task["page"])
        self._gate = _Gate(address)
        profile = self._page.profile()
        if profile is not None:
            profile.setUrlRequestInterceptor(self._gate)
        settings = self._page.settings()
        if settings is not None:  # or the browser itself would refuse in silence what a page asks of the network
            settings.setAttribute(QWebEngineSettings.WebAttribute.LocalContentCanAccessRemoteUrls, True)  # noqa: FBT003  Qt takes no name
        self._view.setPage(self._page)
        self._view.resize(task["width"], 800)
        self._page.pdfPrintingFinished.connect(self._tell)
        self._view.loadFinished.connect(self._loaded)
        self._view.load(address)
        self._view.show()

    def _loaded(self, succeeded: bool) -> None:
        if not succeeded:
            sys.stderr.write("the page did not load\n")
            sys.stderr.flush()
            os._exit(1)
        QTimer.singleShot(_SETTLED_MS, lambda: self._page.runJavaScript(_MEASURES, self._measured))

    def _measured(self, measures: dict[str, Any]) -> None:
        self._found |= measures
        self._probe()

    def _probe(self) -> None:
        if not self._waiting:
            self._height = min(int(self._found["height"]), _TALLEST)
            self._view.resize(self._task["width"], self._height + _SCROLLBAR)
            self._sign(put=True)
            return
        name, source = self._waiting.pop(0)

        def keep(value: object) -> None:
            self._found["probes"][name] = value
            self._probe()

        self._page.runJavaScript(source, keep)

    def _sign(self, *, put: bool) -> None:
        """Put a sign at the very end of the page, or take it away, and wait until the picture shows that."""
        self._page.runJavaScript(_PUT % self._height if put else _TAKE_AWAY, lambda _: self._look(put=put))

    def _look(self, *, put: bool) -> None:
        seen = self._view.grab().toImage()
        if (seen.pixelColor(1, self._height - 2).name() == _SIGN) is not put:
            QTimer.singleShot(_AGAIN_MS, lambda: self._look(put=put))
        elif put:
            self._sign(put=False)
        else:
            seen.save(str(self._picture))
            self._page.printToPdf(str(self._picture.with_suffix(".pdf")))

    def _tell(self) -> None:
        answer = self._found | {"console": self._page.said, "requests": self._gate.refused}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        os._exit(0)  # Qt's own way out waits for the browser's processes


if __name__ == "__main__":
    application = QApplication(sys.argv[:1])
    visit = _Visit(json.loads(sys.argv[1]))
    application.exec()
