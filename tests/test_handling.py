"""The order in which actions are carried out, and what can go wrong on the way."""

from __future__ import annotations

import asyncio
import functools
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.calling.calls import Call
from guardsdk.decorator import guarded
from guardsdk.errors import Blocked, CheckFailedError, DecorationError
from guardsdk.verdict import Action, Stage
from tests.acting import ActingGuard, guard_of, principle
from tests.decorated import aask, ask, astream, calls, run, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from guardsdk.policy import Principle
    from guardsdk.reviewing import ReviewItem
    from guardsdk.verdict import Verdict

IN, OUT, TOOL = Stage.INPUT, Stage.OUTPUT, Stage.TOOL
HIDING = guard_of("redact", IN)
EVERY_SHAPE = pytest.mark.parametrize("function", [ask, aask, stream, astream])


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


def approve(item: ReviewItem) -> bool:
    return item.open


@pytest.mark.parametrize(
    ("actions", "outcome"),
    [
        (("flag", "redact"), "answer to sk-1 by [PLAN_1]"),
        (("redact", "redact"), "answer to [CODE_1] by [PLAN_1]"),
        (("redact", "replace"), "Something else."),
        (("replace", "redact"), "Something else."),
        (("flag", "replace"), "Something else."),
        (("redact", "revise"), "revised"),
        (("replace", "revise"), "revised"),
        (("redact", "review"), "answer to [CODE_1] by plan b"),
        (("replace", "review"), "answer to sk-1 by plan b"),
        (("revise", "review"), "answer to sk-1 by plan b"),
        (("redact", "block"), "blocked by block-plan"),
        (("replace", "block"), "blocked by block-plan"),
        (("revise", "block"), "blocked by block-plan"),
        (("review", "block"), "blocked by block-plan"),
        (("block", "flag"), "blocked by block-code"),
    ],
)
def test_the_table_of_precedence(actions: tuple[str, str], outcome: str) -> None:
    """One principle speaks of the code in the answer, the other of the plan; a reviewer approves whatever comes."""
    code, plan = actions
    guard = ActingGuard(principle(code, OUT), principle(plan, OUT, label="plan"), reviewer=approve)

    def revised(prompt: str, message: str, verdict: Verdict) -> str:
        assert verdict.action is Action.REVISE
        return "revised" if "There must be no" in message else prompt

    @guarded(guard=guard, on_block=lambda verdict: f"blocked by {verdict.principle_id}", revise_prompt=revised)
    def answer(prompt: str) -> str:
        return prompt if prompt == "revised" else ask(prompt)

    assert answer("sk-1 by plan b") == outcome
    first = guard.recorder.records[1].verdict
    assert {(one.label, one.action.value) for one in first.findings} == {("code", code), ("plan", plan)}


@EVERY_SHAPE
def test_a_redaction_that_is_not_enough_is_a_block(function: Callable[..., Any]) -> None:
    guard = ActingGuard(principle("redact", OUT), principle("block", OUT, label="marked"))
    with pytest.raises(Blocked) as caught:
        run(guarded(guard=guard)(function), "sk-1")
    assert caught.value.verdict.principle_id == "block-marked"
    assert guard.seen[-2:] == [("output", "redact"), ("output", "block")]


def test_a_response_whose_text_cannot_be_changed_is_blocked() -> None:
    class Sealed:
        __slots__ = ()

        @property
        def output_text(self) -> str:
            return "sk-1"

    answer = guarded(guard=guard_of("redact", OUT))(lambda prompt: Sealed() if prompt else None)
    with pytest.raises(Blocked):
        answer("hello")


@pytest.mark.parametrize(("action", "outcome"), [("replace", "Something else."), ("revise", "blocked by revise-code")])
def test_what_a_reviewer_approves_lets_no_other_text_of_the_answer_pass(action: str, outcome: str) -> None:
    guard = ActingGuard(principle(action, OUT), principle("review", OUT, label="plan"), reviewer=approve)

    @guarded(guard=guard, on_block=lambda verdict: f"blocked by {verdict.principle_id}")
    def answers(prompt: str) -> Any:
        return [f"{prompt} by plan b", "answer to sk-1"]

    assert answers("hello") == outcome


def test_what_a_reviewer_approves_lets_no_other_message_of_the_prompt_pass() -> None:
    guard = ActingGuard(principle("replace", IN), principle("review", IN, label="plan"), reviewer=approve)
    messages = [{"role": "user", "content": "tell me of plan b"}, {"role": "user", "content": "use sk-1"}]
    assert guarded(guard=guard, prompt="messages")(lambda messages: messages)(messages) == "Something else."


@pytest.mark.parametrize("action", ["redact", "review"])
def test_a_text_that_is_allowed_elsewhere_is_changed_all_the_same(action: str) -> None:
    """A tool that says what the user said must not take back what follows from the user's words."""
    guard = ActingGuard(principle(action, IN), reviewer=lambda _: "use [CODE_1]")
    messages = [{"role": "user", "content": "use sk-1"}, {"role": "tool", "content": "use sk-1"}]
    guarded(guard=guard, prompt="messages", output=False)(lambda messages: calls.append(str(messages)))(messages)
    assert calls
    assert "sk-1" not in calls[0]


def test_what_a_reviewer_approves_is_approved_for_that_text_only() -> None:
    """Once the code is cut out the text speaks of a mark, which the reviewer was never asked about."""
    guard = ActingGuard(
        principle("redact", OUT),
        principle("review", OUT, label="plan"),
        principle("review", OUT, label="marked"),
        reviewer=approve,
    )
    with pytest.raises(Blocked) as caught:
        guarded(guard=guard)(ask)("sk-1 and plan b")
    assert {one.label for one in caught.value.verdict.findings} == {"plan", "marked"}


def test_of_several_texts_each_is_handled_and_the_strongest_action_decides_for_all() -> None:
    guard = ActingGuard(principle("redact", IN, TOOL), principle("review", IN, label="plan"), reviewer=approve)

    @guarded(guard=guard)
    def chat(messages: list[dict[str, Any]]) -> str:
        calls.extend(str(message["content"]) for message in messages)
        return "fine"

    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "sk-1 and plan b"},
        {"role": "assistant", "content": "Which sk-1?"},
        {"role": "user", "content": [{"type": "text", "text": "sk-1, and"}, {"type": "text", "text": "sk-22"}]},
        {"role": "tool", "content": "no code"},
    ]
    assert chat(messages) == "fine"
    assert not [seen for seen in calls if "sk-" in seen and "Which" not in seen]
    assert "plan b" in calls[0]
    assert messages[0]["content"] == "sk-1 and plan b"


def test_a_value_known_to_be_secret_goes_wherever_it_stands_in_the_prompt() -> None:
    @guarded(guard=guard_of("redact", IN))
    def chat(messages: list[dict[str, str]]) -> str:
        calls.extend(message["content"] for message in messages)
        return calls[-1]

    answer = chat([{"role": "assistant", "content": "You said sk-123."}, {"role": "user", "content": "Is it sk-123?"}])
    assert "sk-123" not in "".join(calls)
    assert answer == "Is it sk-123?"


@pytest.mark.parametrize("others", [(), (principle("review", IN, label="plan"),)], ids=["alone", "beside a review"])
def test_a_value_that_stands_twice_in_a_text_goes_twice_where_it_was_found_once(others: tuple[Principle, ...]) -> None:
    """The screen does not see a code before the word RULE."""
    guard = ActingGuard(principle("redact", IN, label="stubborn"), *others, reviewer=approve)
    prompt = "plan b: no sk-123 by RULE 7, not sk-123"
    assert guarded(guard=guard)(ask)(prompt) == f"answer to {prompt}"
    assert re.sub("_[0-9A-F]{8}", "", calls[0]) == "plan b: no [STUBBORN_1] by RULE 7, not [STUBBORN_1]"


def test_a_value_known_to_be_secret_goes_from_system_texts_in_parameters_of_their_own() -> None:
    def plain(prompt: str, system: str = "Never say sk-123.") -> str:
        calls.append(f"{system} {prompt}")
        return calls[-1]

    def blocks(prompt: str, **more: Any) -> str:
        calls.append(f"{more} {prompt}")
        return calls[-1]

    texts = [{"type": "text", "text": "The code is sk-123."}]
    prompt = "Is it sk-123?"
    assert guarded(guard=HIDING)(plain)(prompt) == "Never say sk-123. Is it sk-123?"
    assert "The code is sk-123." in guarded(guard=HIDING)(blocks)(prompt, system=texts)
    assert "sk-123 it is" in guarded(guard=HIDING, system="rules")(blocks)(prompt, rules="sk-123 it is")
    assert guarded(guard=HIDING)(functools.partial(plain, system="sk-123 it is."))(prompt) == f"sk-123 it is. {prompt}"
    assert len(calls) == 4
    assert "sk-123" not in "".join(calls)
    assert texts == [{"type": "text", "text": "The code is sk-123."}]


@pytest.mark.parametrize(("style", "seen"), [("label", "[CODE]"), ("mask", "******")])
def test_what_is_redacted_one_way_does_not_come_back(style: str, seen: str) -> None:
    assert guarded(guard=guard_of("redact", IN, redact_with=style))(ask)("is sk-123") == f"answer to is {seen}"
    assert guarded(guard=guard_of("redact", OUT, redact_with=style))(ask)("is sk-123") == f"answer to is {seen}"


def test_passages_that_overlap_come_back_only_where_all_of_them_may() -> None:
    both_ways = ActingGuard(principle("redact", IN, label="plan"), principle("redact", IN, label="planb"))
    assert guarded(guard=both_ways)(ask)("my plan bee") == "answer to my plan bee"
    assert "plan" not in calls[0]
    one_way = ActingGuard(
        principle("redact", IN, label="plan"), principle("redact", IN, label="planb", redact_with="label")
    )
    assert guarded(guard=one_way)(ask)("my plan bee") == "answer to my [PLAN]"


def test_a_text_that_could_not_be_checked_is_not_handled_as_a_hit() -> None:
    guard = guard_of("redact", IN, max_chars=8)
    with pytest.raises(CheckFailedError):
        guarded(guard=guard, on_block="Sorry.")(ask)("sk-1 is far too long to be checked")
    assert calls == []


def test_with_on_error_allow_what_was_found_is_still_redacted() -> None:
    guard = guard_of("redact", IN, max_chars=8, policy={"on_error": "allow"})
    guarded(guard=guard)(ask)("sk-1 is far too long to be checked")
    assert calls[0].startswith("[CODE_1_")
    assert calls[0].endswith("] is far too long to be checked")


@EVERY_SHAPE
def test_replace_may_be_computed(function: Callable[..., Any]) -> None:
    guard = guard_of("replace", OUT)
    answer = guarded(guard=guard, on_replace=lambda verdict: f"not {verdict.principle_id}")(function)
    assert run(answer, "sk-1") == "not replace-code"


@pytest.mark.parametrize("function", [aask, astream])
def test_around_async_callables_what_the_user_gives_may_be_async(function: Callable[..., Any]) -> None:
    async def computed(verdict: Verdict) -> str:
        await asyncio.sleep(0)
        return f"not {verdict.principle_id}"

    async def revised(prompt: str, message: str, verdict: Verdict) -> str:
        await asyncio.sleep(0)
        return f"{prompt}: {message} {verdict.principle_id}".replace("sk-1", "it")

    async def reviewer(item: ReviewItem) -> str:
        await asyncio.sleep(0)
        return item.text.upper()

    assert run(guarded(guard=guard_of("replace", OUT), on_replace=computed)(function), "sk-1") == "not replace-code"
    rules = {"message": "{principle}"}
    answer = guarded(guard=guard_of("revise", OUT, revise=rules), revise_prompt=revised)(function)
    assert run(answer, "sk-1") == "answer to it: There must be no code. revise-code"
    assert run(guarded(guard=guard_of("review", OUT), reviewer=reviewer)(function), "sk-1").replace(" ", "") == (
        "ANSWERTOSK-1"
    )


@pytest.mark.parametrize("function", [ask, stream])
@pytest.mark.parametrize("option", ["on_block", "on_replace", "revise_prompt", "reviewer"])
def test_around_plain_callables_it_may_not(function: Callable[..., Any], option: str) -> None:
    async def given(*_: object) -> str:
        return ""

    with pytest.raises(DecorationError, match=f"{option} is async"):
        guarded(guard=guard_of("flag", IN), **{option: given})(function)  # type: ignore[call-overload]
    if option == "reviewer":
        with pytest.raises(DecorationError, match="reviewer is async"):
            guarded(guard=guard_of("flag", IN, reviewer=given))(function)


def test_a_reviewer_given_to_the_decorator_comes_before_the_guards() -> None:
    guard = guard_of("review", IN, reviewer=approve)
    with pytest.raises(Blocked):
        guarded(guard=guard, reviewer=lambda _: False)(ask)("sk-1")
    assert guarded(guard=guard)(ask)("sk-1") == "answer to sk-1"


def test_revise_without_a_known_way_to_ask_again_falls_back_at_once() -> None:
    guard = guard_of("revise", OUT)

    @guarded(guard=guard, extract_prompt=lambda request: request["ask"])
    def chat(prompt: dict[str, str]) -> str:
        return ask(prompt["ask"])

    with pytest.raises(Blocked):
        chat({"ask": "sk-1"})
    assert calls == ["sk-1"]


def test_a_revised_answer_is_handled_like_any_other() -> None:
    guard = ActingGuard(principle("revise", OUT, label="plan"), principle("redact", OUT))
    answers = iter(["plan b", "sk-1 it is"])
    assert guarded(guard=guard)(lambda prompt: next(answers) + prompt[:0])("hello") == "[CODE_1] it is"


def test_revise_quotes_every_principle_that_asks_for_it_and_leaves_the_callers_messages_alone() -> None:
    guard = ActingGuard(principle("revise", OUT), principle("revise", OUT, label="plan"))

    @guarded(guard=guard)
    def chat(messages: list[dict[str, str]]) -> str:
        calls.extend(message["content"] for message in messages)
        return "fine" if len(messages) > 1 else "sk-1 and plan b"

    messages = [{"role": "user", "content": "hello"}]
    assert chat(messages) == "fine"
    assert len(messages) == 1
    assert "There must be no code. There must be no plan." in calls[-1]


def test_each_stage_of_one_principle_has_its_own_action() -> None:
    guard = guard_of({"input": "flag", "output": "redact"}, IN, OUT)
    assert guarded(guard=guard)(ask)("sk-1") == "answer to [CODE_1]"
    assert calls == ["sk-1"]


def test_calls_at_once_never_get_each_others_values() -> None:
    """Each answers with the other's prompt, markers and all."""
    barrier = threading.Barrier(2)
    seen: dict[str, str] = {}
    answers: dict[str, str] = {}

    @guarded(guard=guard_of("redact", IN))
    def swap(prompt: str) -> str:
        seen[prompt[:3]] = prompt
        barrier.wait(timeout=30)
        return seen["two" if prompt.startswith("one") else "one"]

    def call(prompt: str) -> None:
        answers[prompt] = swap(prompt)

    threads = [threading.Thread(target=call, args=(prompt,)) for prompt in ("one sk-111", "two sk-222")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {"one sk-111": seen["two"], "two sk-222": seen["one"]}
    assert "sk-" not in "".join(answers.values())


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_no_value_is_held_after_the_call(monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    made: list[Call] = []
    original = Call.__init__

    def remember(self: Call, *given: Any) -> None:
        original(self, *given)
        made.append(self)

    monkeypatch.setattr(Call, "__init__", remember)

    @guarded(guard=guard_of("redact", IN))
    def fail(prompt: str) -> str:
        assert len(made[0].vault) == 1
        if ends == "badly":
            raise LookupError
        return prompt

    if ends == "badly":
        with pytest.raises(LookupError):
            fail("sk-1")
    else:
        assert fail("sk-1") == "sk-1"
    assert [len(call.vault) for call in made] == [0]


def test_chunks_are_redacted_and_restored_where_they_are_cut_anywhere() -> None:
    @guarded(guard=guard_of("redact", IN, OUT, label="name"))
    def letters(prompt: str) -> Iterator[str]:
        calls.append(prompt)
        yield from f"{prompt}, and 12 Elm St"

    pieces = list(letters("Ann here"))
    assert "Ann" not in calls[0]
    assert "".join(pieces) == "Ann here, and [NAME_1]"
    assert len(pieces) > 5


async def test_chunk_objects_keep_their_shape() -> None:
    @guarded(guard=guard_of("redact", OUT))
    async def chunks(prompt: str) -> AsyncIterator[dict[str, Any]]:
        for text in ("the code is ", "sk-123", f" {prompt}"):
            yield {"choices": [{"index": 0, "delta": {"content": text}}]}

    found = [chunk["choices"][0]["delta"]["content"] async for chunk in chunks("yes")]
    assert found == ["the code is ", "[CODE_1]", " yes"]


async def test_a_value_split_over_chunk_objects_is_cut_out_of_all_of_them() -> None:
    @guarded(guard=guard_of("redact", OUT))
    async def chunks(prompt: str) -> AsyncIterator[dict[str, Any]]:
        for text in ("sk-", "123", f" {prompt}"):
            yield {"choices": [{"index": 0, "delta": {"content": text}}]}

    found = [chunk["choices"][0]["delta"]["content"] async for chunk in chunks("yes")]
    assert found == ["[CODE_1]", "", " yes"]


def test_errors_of_the_callable_are_its_own_even_a_stop_iteration() -> None:
    @guarded(guard=guard_of("flag", IN))
    def fail(prompt: str) -> str:
        return next(iter([prompt][1:]))

    with pytest.raises(StopIteration):
        fail("hello")


pieces_of_text = st.sampled_from(
    ["sk-1", "sk-22", " ", "[CODE_1]", "[CODE_1_00000000]", "é\U0001f600", "\ud800", "{principle}"]
)


@given(parts=st.lists(st.one_of(pieces_of_text, st.text(max_size=5)), min_size=1, max_size=8))
def test_whatever_surrounds_a_value_it_is_hidden_from_the_callable_and_comes_back(parts: list[str]) -> None:
    text = "sk-333 " + "".join(parts)
    calls.clear()
    assert guarded(guard=HIDING)(ask)(text) == f"answer to {text}"
    assert not re.search(r"sk-\d", calls[0])


def test_what_a_stream_is_stopped_by_decides_even_after_something_stronger_was_approved() -> None:
    guard = ActingGuard(principle("review", OUT, label="plan"), principle("replace", OUT), reviewer=approve)

    @guarded(guard=guard)
    def sentences(prompt: str) -> Iterator[str]:
        yield from (f"{prompt} b. ", *["And so on, and so on, and so on. "] * 20, "It is sk-1 now. ")

    found = list(sentences("plan"))
    assert (found[0], found[-1]) == ("plan b. ", "Something else.")
    assert "sk-1" not in "".join(found)
