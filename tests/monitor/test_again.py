"""A text of an actor counts once, though it is checked again with every turn of a conversation, or part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Blocked, Guard, Policy, Principle, Stage, guarded
from guardsdk.errors import InputError
from guardsdk.monitor.alerts import Kind
from guardsdk.screens.base import OperatingPoints, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from guardsdk.observing import CheckRecord
    from guardsdk.surroundings import Surroundings

NEAR, HELD, FINE = "This comes nearly too close.", "This is forbidden.", "How long do I boil rice?"
ANSWER = {"role": "assistant", "content": "Well."}


class Words:
    name = "words"
    operating_points: OperatingPoints = {("bad", stage): {"default": 0.5} for stage in Stage}  # noqa: RUF012  never changed

    def read(self, texts: Sequence[str], stage: Stage, around: Sequence[Surroundings]) -> list[Reading]:
        del stage, around
        return [self._read(text) for text in texts]

    def _read(self, text: str) -> Reading:
        score = 0.9 if "forbidden" in text else 0.4 if "nearly" in text else 0.01
        return Reading({"bad": score}, 1.0, lambda _: ((0, len(text)),))


class Watching:
    def __init__(self) -> None:
        self.seen: list[CheckRecord] = []

    def on_check(self, record: CheckRecord) -> None:
        self.seen.append(record)

    @property
    def again(self) -> list[bool]:
        return [record.again for record in self.seen]


def guard_of(*watching: Watching) -> Guard:
    rule = Principle(id="no-bad", text="Nothing bad.", label="bad", stages=tuple(Stage))
    return Guard(Policy(name="certain", version="1", principles=(rule,)), screens=[Words()], observers=watching)


def by_decorator(guard: Guard) -> Callable[[list[dict[str, str]]], Any]:
    @guarded(guard=guard, actor="user", output=False)
    def ask(messages: list[dict[str, str]], user: str) -> str:
        return f"{len(messages)} for {user}"

    return lambda messages: ask(messages, "one")


def by_list(guard: Guard) -> Callable[[list[dict[str, str]]], Any]:
    return lambda messages: guard.check_messages(messages, actor="one")


def alerts(guard: Guard) -> list[Kind]:
    assert guard.monitor is not None
    return [alert.kind for alert in guard.monitor.alerts]


@pytest.mark.parametrize("way", [by_decorator, by_list])
def test_a_turn_close_to_a_threshold_counts_once_in_a_conversation(way: Callable[[Guard], Any]) -> None:
    guard = guard_of()
    guard.check_many([f"{FINE} {number}" for number in range(100)], actor="others")
    say, messages = way(guard), [{"role": "user", "content": NEAR}]
    for number in range(20):
        say(list(messages))
        messages += [ANSWER, {"role": "user", "content": f"{FINE} {number}"}]
    assert alerts(guard) == []
    for number in range(20):
        say([{"role": "user", "content": f"{NEAR} {number}"}])
    assert alerts(guard) == [Kind.ADJACENT_VOLUME]


@pytest.mark.parametrize("way", [by_decorator, by_list])
def test_what_the_model_has_answered_since_was_there_before(way: Callable[[Guard], Any]) -> None:
    watching = Watching()
    say = way(guard_of(watching))
    turns = [{"role": "user", "content": text} for text in ("one", "two", "three")]
    say(turns)
    assert watching.again == [False, False, False, True]  # and the three together
    watching.seen.clear()
    say([*turns[:2], {"role": "system", "content": "Be kind."}, ANSWER, {"role": "tool", "content": "4"}, turns[2]])
    assert [one.again for one in watching.seen if one.verdict.stage is Stage.INPUT] == [True, True, False, True]
    assert not any(one.again for one in watching.seen if one.verdict.stage is Stage.TOOL)


def test_a_text_that_comes_in_chunks_counts_once() -> None:
    watching = Watching()
    guard = guard_of(watching)
    guard.check_many([f"{FINE} {number}" for number in range(100)], actor="others")
    watching.seen.clear()
    chunks = [f"{NEAR} And so on, for as long as a sentence is. "] * 30
    list(guard.stream(chunks, stage="input", actor="one"))
    assert watching.seen[-1].text_length == sum(map(len, chunks))
    assert watching.again == [True] * (len(watching.seen) - 1) + [False]
    assert len(watching.seen) > 10
    assert alerts(guard) == []


def test_what_is_held_back_counts_wherever_it_is_found() -> None:
    guard = guard_of()
    guard.check_many([f"{FINE} {number}" for number in range(100)], actor="others")
    for _ in range(10):
        with pytest.raises(Blocked):
            list(
                guard.stream([f"{FINE} {HELD} It goes on after that, and on and on. "] * 9, stage="input", actor="one")
            )
    assert alerts(guard) == [Kind.REPEATED_BLOCKS]


def test_there_is_one_entry_for_each_text() -> None:
    with pytest.raises(InputError, match="2 texts and 1 entries of again"):
        guard_of().check_many([FINE, FINE], again=[True])
