"""What follows a hit, on every kind of callable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.decorator import guarded
from guardsdk.errors import Blocked
from guardsdk.verdict import Action, Stage
from tests.acting import ActingGuard, guard_of, principle
from tests.decorated import calls, every_kind, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.reviewing import ReviewItem

PROMPT = "the code sk-123 and sk-4 and sk-123"
IN, OUT = Stage.INPUT, Stage.OUTPUT


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


@every_kind
def test_flag_lets_it_pass_and_records_it(make: Callable[..., Any]) -> None:
    guard = guard_of("flag", IN, OUT)
    assert run(make(guard), PROMPT) == f"answer to {PROMPT}"
    assert set(guard.seen) == {("input", "flag"), ("output", "flag")}
    assert {len(record.verdict.findings) for record in guard.recorder.records} == {1}


@every_kind
def test_redact_hides_the_prompts_values_from_the_callable_and_restores_them(make: Callable[..., Any]) -> None:
    assert run(make(guard_of("redact", IN)), PROMPT) == f"answer to {PROMPT}"
    (seen,) = calls
    assert "sk-" not in seen
    first, second = (word for word in dict.fromkeys(seen.split()) if word.startswith("[CODE_"))
    assert seen == f"the code {first} and {second} and {first}"


@every_kind
def test_redact_hides_what_is_found_in_the_answer(make: Callable[..., Any]) -> None:
    assert run(make(guard_of("redact", OUT)), PROMPT) == "answer to the code [CODE_1] and [CODE_2] and [CODE_1]"
    assert calls == [PROMPT]


def test_a_prompt_that_is_a_default_without_a_name_is_redacted_behind_other_defaults() -> None:
    seen: list[tuple[str, ...]] = []

    @guarded(guard=guard_of("redact", IN), prompt="prompt")
    def ask(model: str = "m", prompt: str = "the code sk-12", tone: str = "kind", /, *, more: str = "no") -> str:
        seen.append((model, tone, more))
        return prompt

    assert (ask(), ask("n"), seen) == ("the code sk-12", "the code sk-12", [("m", "kind", "no"), ("n", "kind", "no")])


@every_kind
def test_what_was_redacted_from_the_prompt_is_no_finding_in_the_answer(make: Callable[..., Any]) -> None:
    guard = guard_of("redact", IN, OUT)
    assert run(make(guard), PROMPT) == f"answer to {PROMPT}"
    assert {action for stage, action in guard.seen if stage == "output"} == {"allow"}


@every_kind
@pytest.mark.parametrize("stage", [IN, OUT])
def test_replace_gives_the_policys_text_instead(make: Callable[..., Any], stage: Stage) -> None:
    assert run(make(guard_of("replace", stage, replacement="I keep no codes.")), PROMPT) == "I keep no codes."
    assert len(calls) == (0 if stage is IN else 1)


@every_kind
def test_revise_asks_again_with_the_principle_and_gives_the_better_answer(make: Callable[..., Any]) -> None:
    guard = guard_of("revise", OUT, label="stubborn", revise={"message": "RULE: {principle}"})
    revised = f"{PROMPT}\n\nRULE: There must be no stubborn."
    assert run(make(guard), PROMPT) == f"answer to {revised}"
    assert calls == [PROMPT, revised]


@every_kind
def test_revise_gives_up_after_so_many_attempts(make: Callable[..., Any]) -> None:
    with pytest.raises(Blocked) as caught:
        run(make(guard_of("revise", OUT, revise={"attempts": 3})), PROMPT)
    assert caught.value.verdict.action is Action.REVISE
    assert len(calls) == 4


@every_kind
def test_revise_may_end_with_the_policys_text(make: Callable[..., Any]) -> None:
    rules = {"attempts": 1, "fallback": "replace"}
    guard = guard_of("revise", OUT, revise=rules, replacement="I keep no codes.")
    assert run(make(guard), PROMPT) == "I keep no codes."
    assert len(calls) == 2


@every_kind
@pytest.mark.parametrize("stage", [IN, OUT])
@pytest.mark.parametrize("answer", [True, False, "other words"])
def test_review_does_what_the_reviewer_says(make: Callable[..., Any], stage: Stage, *, answer: bool | str) -> None:
    shown: list[str] = []

    def reviewer(item: ReviewItem) -> bool | str:
        shown.append(item.text)
        return answer

    function = make(guard_of("review", stage, reviewer=reviewer))
    if answer is False:
        with pytest.raises(Blocked):
            run(function, PROMPT)
        assert len(calls) == (0 if stage is IN else 1)
    else:
        expected = f"answer to {PROMPT}" if answer is True else f"answer to {answer}" if stage is IN else answer
        assert run(function, PROMPT) == expected
        assert calls == [PROMPT if stage is OUT or answer is True else answer]
    assert shown[0].replace(" ", "") == (PROMPT if stage is IN else f"answer to {PROMPT}").replace(" ", "")


@every_kind
@pytest.mark.parametrize(("fallback", "passes"), [("deny", False), ("approve", True)])
def test_review_falls_back_where_nobody_answers(make: Callable[..., Any], fallback: str, *, passes: bool) -> None:
    function = make(guard_of("review", IN, review={"fallback": fallback}))
    if passes:
        assert run(function, PROMPT) == f"answer to {PROMPT}"
    else:
        with pytest.raises(Blocked):
            run(function, PROMPT)


@every_kind
@pytest.mark.parametrize("action", ["redact", "replace", "review", "block"])
def test_in_shadow_mode_every_action_lets_it_pass(make: Callable[..., Any], action: str) -> None:
    guard = guard_of(action, IN, OUT, shadow=True)
    assert run(make(guard), PROMPT) == f"answer to {PROMPT}"
    assert calls == [PROMPT]
    assert {record.verdict.would_action for record in guard.recorder.records} == {Action(action)}


@every_kind
def test_a_stronger_action_decides_and_what_is_to_be_redacted_is_redacted_all_the_same(
    make: Callable[..., Any],
) -> None:
    guard = ActingGuard(
        principle("redact", OUT), principle("review", OUT, label="plan"), reviewer=lambda item: bool(item.text)
    )
    assert run(make(guard), "sk-1 and plan b") == "answer to [CODE_1] and plan b"
