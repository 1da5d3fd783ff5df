"""Policies whose thresholds make the outcome certain, whatever the model thinks of a text."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from guardsdk.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PRINCIPLE = """
[[principle]]
id = "{name}"
text = "Certain."
label = "{label}"
stages = [{stages}]
threshold = {threshold}
action = "{action}"
"""


class Runner:
    """Runs ``main`` in this process and keeps what it wrote."""

    def __init__(self, model: Path, capsys: pytest.CaptureFixture[str], stdin: Callable[[bytes], None]) -> None:
        self._model = model
        self._capsys = capsys
        self._stdin = stdin
        self.out = self.err = ""

    def __call__(self, *arguments: str | Path, stdin: bytes = b"") -> int:
        """Return the exit status of a command; it runs on the CPU with the model under test."""
        self._stdin(stdin)
        own = ["--providers", "cpu"]
        if "--model" not in arguments:
            own += ["--model", str(self._model)]
        return self.alone(*arguments, *own)

    def alone(self, *arguments: str | Path) -> int:
        """Return the exit status of a command that needs no guard, or is given all its options."""
        status = main([*map(str, arguments)])
        self.out, self.err = self._capsys.readouterr()
        return status


@pytest.fixture
def run(model_directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    def feed(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))

    return Runner(model_directory, capsys, feed)


def _policy(path: Path, *principles: str, opening: str = "") -> Path:
    path.write_text(f'name = "{path.stem}"\nversion = "1"\n{opening}' + "".join(principles), encoding="utf-8")
    return path


def _both(name: str, threshold: float, action: str) -> tuple[str, str]:
    asked = PRINCIPLE.format(
        name=f"{name}-asked", label="prompt_injection", stages='"input", "tool"', threshold=threshold, action=action
    )
    answered = PRINCIPLE.format(
        name=f"{name}-answered", label="harmful_response", stages='"output"', threshold=threshold, action=action
    )
    return asked, answered


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    """A policy that blocks every text."""
    return _policy(tmp_path / "blocks.toml", *_both("all", 0.0, "block"))


@pytest.fixture
def allows(tmp_path: Path) -> Path:
    """A policy that lets every text pass."""
    return _policy(tmp_path / "allows.toml", *_both("none", 1.0, "block"))


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    """A policy that flags every text."""
    return _policy(tmp_path / "flags.toml", *_both("seen", 0.0, "flag"))


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    """A policy that lets pass what could not be checked."""
    return _policy(tmp_path / "lenient.toml", *_both("none", 1.0, "block"), opening='on_error = "allow"\n')
