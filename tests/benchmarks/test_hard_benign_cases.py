"""The hard benign set is large, has both stages, and shares nothing with what the model was trained on."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_SHINGLE = 6
_WANTED = 340


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _shingles(text: str) -> set[tuple[str, ...]]:
    """Return the runs of six words of ``text``."""
    words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
    return {tuple(words[start : start + _SHINGLE]) for start in range(len(words) - _SHINGLE + 1)}


@pytest.fixture(scope="module")
def cases() -> dict[str, list[str]]:
    text = (_ROOT / "benchmarks" / "cases" / "hard_benign.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@pytest.fixture(scope="module")
def banks() -> list[str]:
    lines = []
    for path in sorted((_ROOT / "models" / "training" / "banks").glob("*.txt")):
        lines += path.read_text(encoding="utf-8").replace("\\n", "\n").splitlines()
    return [line for line in lines if line.strip()]


def test_the_set_is_large_and_names_its_stages(cases: dict[str, list[str]]) -> None:
    lines = [line for stage in cases.values() for line in stage]
    assert set(cases) == {"input", "tool"}
    assert len(lines) >= _WANTED
    assert len({_letters(line) for line in lines}) == len(lines)


def test_no_case_is_training_text(cases: dict[str, list[str]], banks: list[str]) -> None:
    """No case has the letters of a bank line, nor half of its runs of six words in the banks."""
    letters = {_letters(line) for line in banks}
    known = {shingle for line in banks for shingle in _shingles(line)}
    near = []
    for line in (line for stage in cases.values() for line in stage):
        own = _shingles(line)
        if _letters(line) in letters or (own and 2 * len(own & known) >= len(own)):
            near.append(line)
    assert not near
