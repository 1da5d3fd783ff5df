from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked, CheckFailedError, GuardError, InputError, InputTypeError
from guardsdk.verdict import Stage, Status
from tests.blocking import Seen, StageGuard
from tests.decorated import aask, ask, astream, calls, every_kind, run, stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from guardsdk.verdict import Verdict


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


@every_kind
def test_what_is_allowed_passes_unchanged_and_both_sides_are_checked(make: Callable[..., Any]) -> None:
    guard = StageGuard()
    assert run(make(guard)) == "answer to hello"
    assert calls == ["hello"]
    assert set(guard.texts(Stage.INPUT)) == {"hello"}
    contexts = {seen.context for seen in guard.seen if seen.stage is Stage.OUTPUT}
    assert contexts == {"hello"}
    assert {text.replace(" ", "") for text in guard.texts(Stage.OUTPUT)} == {"answertohello"}


@every_kind
def test_a_blocked_input_never_calls_the_function(make: Callable[..., Any]) -> None:
    function = make(StageGuard(Stage.INPUT))
    with pytest.raises(Blocked) as caught:
        run(function)
    assert calls == []
    assert caught.value.verdict.stage is Stage.INPUT
    assert caught.value.verdict.principle_id == "all-input"
    assert "hello" not in str(caught.value)


@every_kind
def test_a_blocked_output_never_comes_out(make: Callable[..., Any]) -> None:
    function = make(StageGuard(Stage.OUTPUT))
    with pytest.raises(Blocked) as caught:
        run(function)
    assert calls == ["hello"]
    assert caught.value.verdict.stage is Stage.OUTPUT


@every_kind
@pytest.mark.parametrize("stage", [Stage.INPUT, Stage.OUTPUT])
def test_a_fallback_value_takes_the_place_of_what_is_blocked(make: Callable[..., Any], stage: Stage) -> None:
    kept = make(StageGuard())
    function = guarded(guard=StageGuard(stage), on_block="Sorry.", prompt="prompt")(kept)
    assert run(function) == "Sorry."
    assert calls == ([] if stage is Stage.INPUT else ["hello"])


@pytest.mark.parametrize("function", [ask, aask, stream, astream])
def test_a_fallback_callable_gets_the_verdict(function: Callable[..., Any]) -> None:
    def explain(verdict: Verdict) -> str:
        return f"stopped by {verdict.principle_id}"

    assert run(guarded(guard=StageGuard(Stage.INPUT), on_block=explain)(function)) == "stopped by all-input"


@pytest.mark.parametrize("function", [aask, astream])
def test_an_async_fallback_is_awaited_around_async_callables(function: Callable[..., Any]) -> None:
    async def explain(verdict: Verdict) -> str:
        await asyncio.sleep(0)
        return f"stopped by {verdict.principle_id}"

    assert run(guarded(guard=StageGuard(Stage.OUTPUT), on_block=explain)(function)) == "stopped by all-output"


def test_none_is_a_fallback() -> None:
    assert guarded(guard=StageGuard(Stage.INPUT), on_block=None)(ask)("hello") is None


@pytest.mark.parametrize("function", [ask, aask, stream, astream])
def test_a_check_that_fails_is_no_block_and_no_fallback_hides_it(function: Callable[..., Any], tmp_path: Path) -> None:
    guard = StageGuard(models=tmp_path / "no model here")
    with pytest.raises(CheckFailedError) as caught:
        run(guarded(guard=guard, on_block="Sorry.")(function))
    assert not isinstance(caught.value, Blocked)
    assert caught.value.verdict.status is Status.FAILED
    assert calls == []


def test_an_incomplete_check_is_no_block_unless_a_principle_fired_on_what_was_seen() -> None:
    with pytest.raises(CheckFailedError) as caught:
        guarded(guard=StageGuard(max_chars=3))(ask)("hello")
    assert caught.value.verdict.status is Status.DEGRADED
    with pytest.raises(Blocked):
        guarded(guard=StageGuard(Stage.INPUT, max_chars=3))(ask)("hello")


def test_every_message_is_checked_at_its_own_stage_and_the_answer_against_the_last_user_turn() -> None:
    guard = StageGuard()

    @guarded(guard=guard, actor="user")
    def chat(messages: list[dict[str, str]], user: int) -> str:
        return f"{len(messages)} {user}"

    chat(
        [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "First."},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Second."},
            {"role": "tool", "content": "Found."},
        ],
        user=7,
    )
    assert guard.seen == [
        Seen(Stage.INPUT, "First.", None, "7", "Be kind."),
        Seen(Stage.INPUT, "Second.", None, "7", "Be kind."),
        Seen(Stage.INPUT, "First.\nSecond.", None, "7", "Be kind."),  # what the turns say together
        Seen(Stage.TOOL, "Found.", None, "7"),
        Seen(Stage.OUTPUT, "5 7", "Second.", "7", "Be kind."),
    ]


def test_a_blocked_tool_message_stops_the_call() -> None:
    @guarded(guard=StageGuard(Stage.TOOL))
    def chat(messages: list[dict[str, str]]) -> str:
        return ask(messages[-1]["content"])

    with pytest.raises(Blocked) as caught:
        chat([{"role": "user", "content": "Go."}, {"role": "tool", "content": "Found."}])
    assert caught.value.verdict.stage is Stage.TOOL
    assert calls == []


def test_one_side_can_be_left_out() -> None:
    only_input, only_output = StageGuard(Stage.OUTPUT), StageGuard(Stage.INPUT)
    assert guarded(guard=only_input, output=False)(ask)("hello") == "answer to hello"
    assert guarded(guard=only_output, input=False)(ask)("hello") == "answer to hello"
    assert only_input.seen == [Seen(Stage.INPUT, "hello")]
    assert only_output.seen == [Seen(Stage.OUTPUT, "answer to hello", "hello")]


def test_with_only_the_output_screened_a_prompt_that_cannot_be_read_is_no_error() -> None:
    guard = StageGuard()

    @guarded(guard=guard, input=False)
    def describe(prompt: bytes) -> str:
        return str(len(prompt))

    assert describe(b"picture") == "7"
    assert guard.seen == [Seen(Stage.OUTPUT, "7")]


def test_extractors_read_what_the_guard_cannot() -> None:
    guard = StageGuard()

    @guarded(guard=guard, extract_prompt=lambda request: request["ask"], extract_response=lambda reply: reply[0])
    def chat(prompt: dict[str, str]) -> tuple[str, int]:
        return prompt["ask"].upper(), 7

    assert chat({"ask": "hello"}) == ("HELLO", 7)
    assert guard.seen == [Seen(Stage.INPUT, "hello"), Seen(Stage.OUTPUT, "HELLO", "hello")]


def test_a_response_that_cannot_be_read_does_not_come_out() -> None:
    @guarded(guard=StageGuard())
    def chat(prompt: str) -> object:
        del prompt
        return object()

    with pytest.raises(InputTypeError, match=r"builtins\.object .* extract_response="):
        chat("hello")


@pytest.mark.parametrize("function", [aask, stream, astream])
def test_a_plain_function_that_hands_on_something_unfinished_is_refused(function: Callable[..., Any]) -> None:
    @guarded(guard=StageGuard())
    def hand_on(prompt: str) -> object:
        return function(prompt)

    with pytest.raises(InputTypeError, match="decorate an async or a generator function"):
        hand_on("hello")


def test_errors_of_the_function_pass_through() -> None:
    @guarded(guard=StageGuard(), on_block="Sorry.")
    def fail(prompt: str) -> str:
        raise LookupError(prompt)

    with pytest.raises(LookupError):
        fail("hello")


def test_calls_at_once_do_not_mix() -> None:
    guard = StageGuard()

    @guarded(guard=guard)
    def echo(prompt: str) -> str:
        barrier.wait(timeout=30)
        return f"answer to {prompt}"

    barrier = threading.Barrier(4)
    answers: dict[str, str] = {}
    prompts = [f"prompt {number}" for number in range(4)]
    threads = [threading.Thread(target=lambda p=p: answers.update({p: echo(p)})) for p in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {prompt: f"answer to {prompt}" for prompt in prompts}
    outputs = {(seen.text, seen.context) for seen in guard.seen if seen.stage is Stage.OUTPUT}
    assert outputs == {(f"answer to {prompt}", prompt) for prompt in prompts}


async def test_async_checks_leave_the_loop_free_and_keep_context_variables() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="lost")
    found: list[tuple[str, bool]] = []

    class Looking(StageGuard):
        def check_many(self, *args: Any, **kwargs: Any) -> list[Verdict]:
            found.append((variable.get(), threading.current_thread() is threading.main_thread()))
            return super().check_many(*args, **kwargs)

    variable.set("kept")
    await guarded(guard=Looking())(aask)("hello")
    assert found == [("kept", False), ("kept", False)]


class Crowded(StageGuard):
    """Somebody else says more in ``history`` while it is checked."""

    history: list[dict[str, Any]]
    more = "and delete it all"

    def check_many(self, texts: Iterable[str], **options: Any) -> list[Verdict]:
        verdicts = super().check_many(texts, **options)
        self.history.append({"role": "user", "content": self.more})
        return verdicts


@pytest.mark.parametrize("stage", [Stage.INPUT, None])
async def test_messages_that_change_while_they_are_checked_never_reach_the_function(stage: Stage | None) -> None:
    guard = Crowded(*(() if stage is None else (stage,)))
    guard.history = [{"role": "user", "content": "hello"}]
    asked: list[object] = []

    @guarded(guard=guard)
    def plain(messages: object) -> str:
        asked.append(messages)
        return ""

    @guarded(guard=guard)
    async def later(messages: object) -> str:
        asked.append(messages)
        return ""

    refused: type[Exception] = InputError if stage is None else Blocked
    with pytest.raises(refused) as caught:
        plain(guard.history)
    with pytest.raises(refused):
        await later(guard.history)
    assert guard.more not in str(caught.value)
    assert asked == []


def test_messages_that_stay_as_they_are_reach_the_function() -> None:
    history = [{"role": "user", "content": ["hello", {"type": "text", "text": "again"}]}]
    assert guarded(guard=StageGuard())(lambda messages: messages[0]["role"])(history) == "user"


def test_in_another_loop_than_asyncios_it_is_said_what_to_do() -> None:
    guard = StageGuard()
    for coroutine in (guarded(guard=guard)(aask)("hello"), guard.acheck("hello")):
        with pytest.raises(GuardError, match=r"loop of asyncio, .* in a thread"):
            coroutine.send(None)  # as whoever drives it without one
