"""``Guard.apply``: what may be used of a text that was checked by hand."""

from __future__ import annotations

import pickle
import subprocess
import sys
from copy import copy
from typing import TYPE_CHECKING

import pytest

from guardsdk.belonging import mark_of
from guardsdk.errors import Blocked, CheckFailedError, InputError, InputTypeError
from guardsdk.guard import Guard
from guardsdk.policy import Policy, default_policy
from guardsdk.vault import Vault
from guardsdk.verdict import Stage, Verdict
from tests.acting import ActingGuard, guard_of, principle

if TYPE_CHECKING:
    from collections.abc import Callable
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


@pytest.mark.parametrize("other", ["short", TEXT.replace("sk-1", "sk-2"), TEXT + " "])
async def test_a_verdict_of_another_text_is_refused(other: str) -> None:
    """Also where its passages would fit, and where the verdict allows."""
    guard = guard_of("redact", IN)
    for verdict in (guard.check(TEXT), guard.check(TEXT), guard.check("harmless"), copy(guard.check(TEXT))):
        with pytest.raises(InputError, match="the verdict is of another text"):
            guard.apply(other, verdict)
        with pytest.raises(InputError, match="the verdict is of another text"):
            await guard.aapply(other, verdict)
    with pytest.raises(InputTypeError, match="text must be a string"):
        guard.apply(None, guard.check(TEXT))  # type: ignore[arg-type]
    with pytest.raises(InputTypeError, match=r"verdict must be the Verdict on the text.*not ConversationVerdict"):
        guard.apply(TEXT, guard.check_messages([TEXT]))  # type: ignore[arg-type]


@pytest.mark.parametrize("cut", [str, lambda text: text.encode().decode()])
def test_an_equal_text_is_the_same_text(cut: Callable[[str], str]) -> None:
    guard = guard_of("redact", IN)
    first, again = guard.check_many([TEXT, TEXT])
    assert guard.apply(cut(TEXT), first) == guard.apply(cut(TEXT), again) == "the code [CODE_1], [CODE_1]"


@pytest.mark.parametrize(
    "sent",
    [
        lambda verdict: pickle.loads(pickle.dumps(verdict)),  # noqa: S301  its own
        lambda verdict: Verdict.model_validate_json(verdict.model_dump_json()),
    ],
)
def test_a_verdict_from_elsewhere_holds_no_text_to_tell_by_but_has_its_passages(
    sent: Callable[[Verdict], Verdict],
) -> None:
    guard = guard_of("redact", IN)
    verdict = sent(guard.check(TEXT))
    assert guard.apply(TEXT, verdict) == "the code [CODE_1], [CODE_1]"
    with pytest.raises(InputError, match="it is of another text"):
        guard.apply("short", verdict)


def test_what_a_verdict_knows_its_text_by_is_of_this_process_alone() -> None:
    """Nobody who gets a digest, from a core dump or another run, can try texts on it."""
    verdict = guard_of("redact", IN).check(TEXT)
    assert verdict.is_of_another("short")
    assert not verdict.is_of_another(TEXT)
    assert mark_of(TEXT) not in pickle.dumps(verdict)
    assert repr(mark_of(TEXT))[2:-1] not in f"{verdict!r}{verdict}{verdict.model_dump()}"
    script = f"from guardsdk.belonging import mark_of; print(mark_of({TEXT!r}).hex())"
    others = {subprocess.check_output([sys.executable, "-c", script], text=True) for _ in range(2)}
    assert len(others | {mark_of(TEXT).hex()}) == 3


def test_the_verdict_of_a_stream_is_of_all_its_parts() -> None:
    guard = guard_of("redact", OUT)
    stream = guard.stream(iter(["One sentence. ", "Another one. ", "A third."]))
    text = "".join(stream)
    assert stream.verdict is not None
    assert guard.apply(text, stream.verdict) == text


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
