"""``Guard.apply``: what may be used of a text that was checked by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guardsdk.errors import Blocked, CheckFailedError, InputError, InputTypeError
from guardsdk.guard import Guard
from guardsdk.policy import Policy, default_policy
from guardsdk.vault import Vault
from guardsdk.verdict import Stage
from tests.acting import ActingGuard, guard_of, principle

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.reviewing import ReviewItem

IN, OUT = Stage.INPUT, Stage.OUTPUT
TEXT = "the code sk-1, sk-1"


async def applied(guard: Guard, text: str = TEXT, *, stage: Stage = IN, vault: Vault | None = None) -> str:
    """What both ways of asking say."""
    verdict = guard.check(text, stage=stage)
    found = await guard.aapply(text, verdict, vault=vault)
    assert guard.apply(text, verdict, vault=vault) == found
    return found


@pytest.mark.parametrize(
    ("guard", "expected"),
    [
        (guard_of("flag", IN), TEXT),
        (guard_of("redact", IN), "the code [CODE_1], [CODE_1]"),
        (guard_of("redact", IN, redact_with="mask"), "the code ****, ****"),
        (guard_of("replace", IN), "Something else."),
        (guard_of("review", IN, reviewer=lambda item: item.open), TEXT),
        (guard_of("review", IN, reviewer=lambda item: item.text.upper()), TEXT.upper()),
        (guard_of("block", IN, shadow=True), TEXT),
        (guard_of("block", OUT), TEXT),
    ],
)
async def test_it_is_what_the_action_makes_of_the_text(guard: ActingGuard, expected: str) -> None:
    assert await applied(guard) == expected


@pytest.mark.parametrize(
    "guard",
    [
        guard_of("block", OUT),
        guard_of("revise", OUT),
        guard_of("review", OUT),
        guard_of("review", OUT, reviewer=lambda _: False),
        ActingGuard(principle("redact", OUT), principle("block", OUT, label="marked")),
    ],
)
async def test_it_raises_where_there_is_nothing_to_use(guard: ActingGuard) -> None:
    verdict = guard.check(TEXT, stage=OUT)
    with pytest.raises(Blocked):
        guard.apply(TEXT, verdict)
    with pytest.raises(Blocked):
        await guard.aapply(TEXT, verdict)


async def test_with_a_vault_the_values_come_back_in_the_answer() -> None:
    guard = guard_of("redact", IN)
    with Vault() as vault:
        prompt = await applied(guard, vault=vault)
        assert "sk-1" not in prompt
        assert vault.restore(f"You gave me: {prompt}") == f"You gave me: {TEXT}"


def test_a_text_that_could_not_be_checked_is_not_handed_out() -> None:
    guard = guard_of("redact", IN, max_chars=4)
    with pytest.raises(CheckFailedError):
        guard.apply(TEXT, guard.check(TEXT))


def test_a_verdict_of_another_text_is_refused() -> None:
    guard = guard_of("redact", IN)
    with pytest.raises(InputError, match="it is of another text"):
        guard.apply("short", guard.check(TEXT))
    with pytest.raises(InputTypeError, match="text must be a string"):
        guard.apply(None, guard.check(TEXT))  # type: ignore[arg-type]


async def test_an_async_reviewer_is_waited_for_in_a_loop_only() -> None:
    async def reviewer(item: ReviewItem) -> bool:
        return item.open

    guard = guard_of("review", IN, reviewer=reviewer)
    verdict = guard.check(TEXT)
    with pytest.raises(InputError, match="use aapply"):
        guard.apply(TEXT, verdict)
    assert await guard.aapply(TEXT, verdict) == TEXT


def test_what_was_changed_is_checked_against_the_same_surroundings() -> None:
    guard = guard_of("redact", OUT)
    verdict = guard.check(TEXT, stage=OUT, context="a prompt", system="a system text")
    guard.apply(TEXT, verdict, context="a prompt", system="a system text")
    assert [around.prompt for around in guard.around] == ["a prompt"] * 2
    assert [around.system for around in guard.around] == ["a system text"] * 2


SECRETS = [example.text for example in default_policy().principle("no-secrets").examples if example.expect == "redact"]


@pytest.mark.parametrize("style", ["marker", "label", "mask"])
def test_redacted_secrets_of_every_kind_are_no_secrets_any_more(model_directory: Path, style: str) -> None:
    """Passwords in addresses too, where the screen looks at the place and not at the value."""
    secrets = default_policy().principle("no-secrets").model_copy(update={"redact_with": style})
    policy = Policy(name="secrets", version="1", principles=(secrets,))
    assert len(SECRETS) >= 5
    with Guard(policy, models=model_directory, providers="cpu", observers=()) as guard:
        for text in SECRETS:
            verdict = guard.check(text, stage=OUT)
            used = guard.apply(text, verdict)
            assert not [used for start, end in verdict.findings[0].spans if text[start:end] in used]
            with Vault() as vault:
                assert vault.restore(guard.apply(text, verdict, vault=vault)) == (text if style == "marker" else used)
