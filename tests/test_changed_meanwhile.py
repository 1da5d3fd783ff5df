"""Answers that somebody changes while they are checked: what comes out is what was checked, or nothing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from guardsdk.decorator import guarded
from guardsdk.errors import InputError
from guardsdk.verdict import Stage, Verdict
from tests.acting import ActingGuard, principle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Note(BaseModel):
    text: str


def completion(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}


def say(answer: dict[str, Any], text: str) -> None:
    answer["choices"][0]["message"]["content"] = text


ANSWERS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "completion": (lambda: completion("fine"), lambda one: say(one, "sk-1")),
    "message": (lambda: AIMessage("fine"), lambda one: setattr(one, "content", "sk-1")),
    "data": (lambda: {"notes": [Note(text="fine")]}, lambda one: setattr(one["notes"][0], "text", "sk-1")),
    "list": (lambda: ["fine"], lambda one: one.append("sk-1")),
    "longer by a call": (
        lambda: SimpleNamespace(role="assistant", content="fine", tool_calls=[]),
        lambda one: one.tool_calls.append({"id": "1", "function": {"name": "f", "arguments": '{"to": "sk-1"}'}}),
    ),
}


class Meanwhile(ActingGuard):
    """Lets ``change`` happen once an answer was read, and before it is given out."""

    def __init__(self, action: str, change: Callable[[], None]) -> None:
        super().__init__(principle(action, Stage.OUTPUT))
        self._change = change

    def check_many(self, texts: Iterable[str], **options: Any) -> list[Verdict]:
        verdicts = super().check_many(texts, **options)
        if options["stage"] is Stage.OUTPUT:
            self._change()
        return verdicts


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_an_answer_that_is_changed_while_it_is_checked_does_not_come_out(name: str, *, awaited: bool) -> None:
    made, change = ANSWERS[name]
    answer = made()
    with Meanwhile("block", lambda: change(answer)) as guard:

        @guarded(guard=guard)
        def ask(prompt: str) -> object:
            del prompt
            return answer

        @guarded(guard=guard)
        async def aask(prompt: str) -> object:
            del prompt
            return answer

        with pytest.raises(InputError, match="the response was changed while it was checked"):
            asyncio.run(aask("hello")) if awaited else ask("hello")


def test_what_is_beside_a_redacted_part_is_not_changed_unseen_either() -> None:
    """The copy that goes out shares with the answer whatever was not redacted."""
    answer = {"first": ["sk-1"], "second": ["fine"]}
    added = iter([(), ("sk-2",)])  # while the copy is checked
    with Meanwhile("redact", lambda: answer["second"].extend(next(added))) as guard:

        @guarded(guard=guard)
        def ask(prompt: str) -> object:
            del prompt
            return answer

        with pytest.raises(InputError, match="the response was changed"):
            ask("hello")


def test_an_answer_that_stays_as_it_is_comes_out() -> None:
    answers: list[Any] = [made() for made, _ in ANSWERS.values()]
    with Meanwhile("block", lambda: None) as guard:

        @guarded(guard=guard)
        def ask(prompt: str) -> object:
            return answers[int(prompt)]

        assert all(ask(str(place)) is answer for place, answer in enumerate(answers))


def test_an_extractor_is_asked_once() -> None:
    asked: list[object] = []

    def extract(answer: object) -> str:
        asked.append(answer)
        return f"answer {len(asked)}"

    with Meanwhile("block", lambda: None) as guard:

        @guarded(guard=guard, extract_response=extract)
        def ask(prompt: str) -> object:
            return {"echo": prompt}

        assert ask("hello") == {"echo": "hello"}
    assert asked == [{"echo": "hello"}]
