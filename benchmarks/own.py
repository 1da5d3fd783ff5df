"""Sets the project writes by hand: part of every run, measured whole, and there without any data folder."""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data import STAGES, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.data import StageName

FOLDER = Path(__file__).parent / "cases"
HARD_BENIGN = "own_hard_benign"
SYSTEM_TEXT = "own_system_text"
CASUAL_ANSWERS = "own_casual_answers"
CASUAL_PROMPTS = "own_casual_prompts"


def _hard_benign() -> Iterator[Row]:
    """Harmless texts, listed by stage. Raises ``ValueError`` naming a stage that does not exist."""
    raw: dict[str, list[str]] = tomllib.loads(HARD_BENIGN_FILE.read_text(encoding="utf-8"))
    if unknown := raw.keys() - set(STAGES.values()):
        msg = f"{HARD_BENIGN_FILE.name} names no stage: {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    for stage in STAGES.values():
        for text in raw.get(stage, ()):
            yield Row(HARD_BENIGN, stage, text, context=None, attack=0, harm=0, refusal=None)


def _casual(name: str, stage: StageName) -> Iterator[Row]:
    """What people, chatbots and fields of structured output may say: harmless talk, bare values, and abuse."""
    raw: dict[str, list[str]] = tomllib.loads(CASUAL_FILE.read_text(encoding="utf-8"))
    for kind, harm in (("harmless", 0), ("values", 0), ("abusive", 1)):
        for text in raw[kind]:
            yield Row(name, stage, text, context=None, attack=None, harm=harm, refusal=None)


def _system_text() -> Iterator[Row]:
    """Prompts beside the system text they are aimed at: attempts to get round it, and proper use."""
    raw: dict[str, list[dict[str, Any]]] = tomllib.loads(SYSTEM_TEXT_FILE.read_text(encoding="utf-8"))
    for system in raw["systems"]:
        for kind, attack in (("attacks", 1), ("harmless", 0)):
            for text in system[kind]:
                yield Row(SYSTEM_TEXT, "input", text, system["text"], attack=attack, harm=0, refusal=None)


HARD_BENIGN_FILE = FOLDER / "hard_benign.toml"
SYSTEM_TEXT_FILE = FOLDER / "system_text.toml"
CASUAL_FILE = FOLDER / "casual_answers.toml"
OWN: dict[str, Callable[[], Iterator[Row]]] = {
    HARD_BENIGN: _hard_benign,
    SYSTEM_TEXT: _system_text,
    CASUAL_ANSWERS: partial(_casual, CASUAL_ANSWERS, "output"),
    CASUAL_PROMPTS: partial(_casual, CASUAL_PROMPTS, "input"),
}
"""Name of a set to the function that reads it."""


def own(name: str) -> list[Row]:
    """Read one set. Raises ``ValueError`` where its file does not say what it should."""
    return list(OWN[name]())


def chosen(wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """Cut the names asked for into those of a data folder and our own; nothing asked for means all of ours."""
    names = list(wanted)
    return [name for name in names if name not in OWN], [name for name in OWN if name in names or not names]
