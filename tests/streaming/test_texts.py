"""Streams of many texts: a chunk looks at those it adds to, however many there are."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Action, Stage, Status, Verdict
from guardsdk.streaming import Pace
from guardsdk.streaming.held import NOTHING, Held, Rules
from guardsdk.vault import Markers
from tests.streaming.screens import policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

ALLOWED = Verdict(allowed=True, action=Action.ALLOW, status=Status.COMPLETE, stage=Stage.OUTPUT)


def lines_run(step: Callable[[], object]) -> int:
    """Return how many lines of Python ``step`` runs, each round of a loop counted."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        del frame, arg
        count += event == "line"
        return trace

    before = sys.gettrace()
    gc.collect()
    gc.disable()  # what is collected in between may run lines of its own
    sys.settrace(trace)
    try:
        step()
    finally:
        sys.settrace(before)
        gc.enable()
    return count


def call(number: int) -> dict[str, object]:
    said = {"index": number, "function": {"name": "f", "arguments": '{"a": "some words"}'}}
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"tool_calls": [said]}}]}


def choice(number: int) -> dict[str, object]:
    return {"object": "chat.completion.chunk", "choices": [{"index": number, "delta": {"content": "some words"}}]}


def held_after(chunks: int, chunk: Callable[[int], object]) -> tuple[Held, int]:
    """Return a stream that ``chunks`` were taken in of, and the work of the last."""
    held = Held(Rules(policy=policy(), markers=Markers(), pace=Pace()))

    def take(number: int) -> None:
        held.take(chunk(number))
        assert held.due() == []

    for number in range(chunks - 1):
        take(number)
    return held, lines_run(lambda: take(chunks - 1))


@pytest.mark.parametrize("chunk", [call, choice])
def test_a_chunk_of_a_text_of_its_own_is_no_more_work_after_many_texts(chunk: Callable[[int], object]) -> None:
    assert held_after(200, chunk)[1] <= held_after(20, chunk)[1]


def test_many_texts_that_end_at_once_go_on_in_time_that_grows_as_they_do() -> None:
    def ending(chunks: int) -> int:
        held, _ = held_after(chunks, choice)
        held.finish()
        pairs = [(window, ALLOWED) for window in held.due()]
        return lines_run(lambda: held.advance(pairs))

    assert ending(200) <= 10 * ending(20) * 1.1


def sentence(number: int) -> dict[str, object]:
    said = {"content": f"Sentence {number:04} of an answer that goes on behind its calls. And so on. "}
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": said}]}


def nothing_said(number: int) -> dict[str, object]:
    said = {"index": number, "function": {"name": "f", "arguments": ""}}
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"tool_calls": [said]}}]}


def answered(calls: int, called: Callable[[int], object] = call) -> tuple[list[str], int]:
    """Return what is checked of an answer with so many calls in between, and the work of its last sentence."""
    held = Held(Rules(policy=policy(), markers=Markers(), pace=Pace()))
    checked: list[str] = []

    def step() -> None:
        windows = held.due()
        checked.extend(window.text for window in windows)
        held.advance([(window, ALLOWED) for window in windows])
        while held.pop() is not NOTHING:
            pass

    for number in range(calls):
        held.take(called(number))
        held.take(sentence(number))
        step()
    held.take(sentence(calls))
    work = lines_run(step)
    return checked, work


def test_an_answer_goes_on_behind_many_calls_as_behind_a_few() -> None:
    assert answered(200)[1] <= answered(20)[1] * 1.1


def test_a_call_without_a_word_is_looked_at_once() -> None:
    checked, _ = answered(20, nothing_said)
    assert checked.count("") <= 20
