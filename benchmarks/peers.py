"""Run the peer guardrail in its own virtual environment and talk to it over a pipe, one JSON line each way.

Imported, this is the client. Executed by the peer's interpreter (``python peers.py``), it is the server, so it imports
only the standard library at the top and measures time inside, without the pipe.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

DISTRIBUTION = "stackone-defender"
COMMAND = 'pip install "stackone-defender[onnx]==0.9.4"'
"""How the measured peer was installed."""
HOW = (
    "`create_prompt_defense(block_high_risk=True)`, as its quick start does, everything else default; each text is one "
    "tool result given to `defend_tool_result`, and `allowed` decides"
)
TOOL_NAME = "get_content"
"""A tool name with no special meaning to the peer; a bare string is scanned whole by both of its tiers."""


class PeerError(ChildProcessError):
    """The peer's process cannot be started or ended before it answered."""


@dataclass(frozen=True, slots=True)
class PeerResult:
    """What the peer made of one text."""

    blocked: bool
    score: float | None
    """Its classifier's calibrated score; None where it skipped the classifier."""
    seconds: float
    checked: bool
    """False where the peer raised an error or had to go without its classifier."""


class Peer:
    """A running peer; a context manager that ends the process. Not thread-safe."""

    def __init__(self, python: str | Path) -> None:
        """Start ``python``, an interpreter with the peer installed. Raises ``PeerError`` where that fails."""
        try:
            self._process = subprocess.Popen(
                [str(python), "-I", str(Path(__file__).resolve())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
        except OSError as error:
            msg = f"cannot start {python}: {error}"
            raise PeerError(msg) from error
        self.info: dict[str, Any] = self._ask({"op": "info"})

    def __enter__(self) -> Self:
        """Return the running peer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _ask(self, question: dict[str, object]) -> Any:
        if self._process.stdin is None or self._process.stdout is None:
            msg = "the peer's pipes are not open"
            raise PeerError(msg)
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            msg = f"the peer ended (exit status {self._process.wait(timeout=30)}); is it installed? {COMMAND}"
            raise PeerError(msg)
        return json.loads(line)

    def check(self, texts: Sequence[str]) -> list[PeerResult]:
        """Check every text through the peer's whole pipeline, in order."""
        return [PeerResult(**result) for result in self._ask({"op": "check", "texts": list(texts)})]

    def time(self, texts: Sequence[str]) -> list[float]:
        """Seconds of one check for each text, measured in the peer's process."""
        return [result.seconds for result in self.check(texts)]

    def rss_bytes(self) -> int:
        """Resident memory of the peer's process now."""
        return int(self._ask({"op": "rss"})["rss_bytes"])


def resident_bytes() -> int:
    """Resident set size of this process in bytes; the peak instead of the present where the system has no ``/proc``."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the peer prints must not end up among the answers
    from importlib.metadata import version

    from stackone_defender import create_prompt_defense, get_default_model_path

    defense = create_prompt_defense(block_high_risk=True, require_tier2=True)
    defense.warmup_tier2()

    def check(text: str) -> dict[str, object]:
        start = time.perf_counter()
        try:
            result = defense.defend_tool_result(text, TOOL_NAME)
        except Exception:  # noqa: BLE001  a crash of the peer is a result: it did not check this text
            return {"blocked": False, "score": None, "seconds": time.perf_counter() - start, "checked": False}
        return {
            "blocked": not result.allowed,
            "score": result.tier2_score,
            "seconds": time.perf_counter() - start,
            "checked": result.tier2_available is not False,
        }

    def info() -> dict[str, object]:
        model = Path(get_default_model_path())
        digest = hashlib.sha256()
        for file in sorted(path for path in model.iterdir() if path.is_file()):
            digest.update(file.name.encode() + file.read_bytes())
        names = (DISTRIBUTION, "onnxruntime", "tokenizers", "numpy")
        versions = {name: version(name) for name in names}
        return {"digest": digest.hexdigest(), "versions": versions, "python": sys.version.split()[0]}

    for line in sys.stdin:
        question = json.loads(line)
        if question["op"] == "info":
            answer: object = info()
        elif question["op"] == "rss":
            answer = {"rss_bytes": resident_bytes()}
        else:
            answer = [check(text) for text in question["texts"]]
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
