"""What all tests of words in unexpected types have: an insult, a guard that stops it, and who delivers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk import Guard, Policy, Principle, Stage, guarded
from guardsdk.errors import Blocked, InputTypeError
from guardsdk.extract import ResponseText
from tests.tiny import write_model

if TYPE_CHECKING:
    from pathlib import Path

H = "What an insult this is."


def guard_of(folder: Path) -> Guard:
    """Return a guard that blocks "insult" in an answer, with a model written to ``folder``."""
    labels = {Stage.INPUT: "prompt_injection", Stage.OUTPUT: "toxicity"}
    principles = tuple(
        Principle(id=stage.value, text="t", label=label, stages=(stage,), threshold=0.5)
        for stage, label in labels.items()
    )
    policy = Policy(name="words", version="1", principles=principles)
    return Guard(policy, models=write_model(folder), providers="cpu", observers=())


def read_of(value: object, *, data: bool = True) -> str:
    """Return all that is read of an answer."""
    response = ResponseText(data=data)
    response.add(value)
    return "\n".join(response.texts())


def streamed(*chunks: object) -> list[str]:
    response = ResponseText()
    for chunk in chunks:
        response.add(chunk)
    return response.texts()


def blocks(guard: Guard, value: object) -> None:
    """Assert that ``value`` is delivered neither as an answer nor as a chunk."""

    @guarded(guard=guard)
    def ask(prompt: str) -> object:
        return value if prompt else None

    with pytest.raises((Blocked, InputTypeError)):
        ask("A note, please.")
    with pytest.raises((Blocked, InputTypeError)):
        list(guard.stream([value], prompt="A note, please."))
