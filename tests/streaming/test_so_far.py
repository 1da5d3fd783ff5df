"""Sources whose chunks are each the text so far, as programs yield it that show a text while it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from guardsdk import Blocked, guarded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.streaming.screens import PatternGuard

SECRET = "sk-abcdef123456"  # noqa: S105  no secret of anybody's
PROSE = "The sky over the town is blue today. Nobody knows for how long. " * 6
KEPT = f"{PROSE}The key of the house is {SECRET} and that is all. {PROSE}"


def so_far(text: str, step: int) -> list[str]:
    return [text[:end] for end in range(step, len(text) + step, step)]


def stretches(text: str, step: int) -> list[str]:
    return [text[start : start + step] for start in range(0, len(text), step)]


@pytest.mark.parametrize("step", [1, 4, 30])
def test_a_text_so_far_is_checked_as_the_text_it_is(patterns: PatternGuard, step: int) -> None:
    assert list(patterns.stream(so_far(PROSE, step))) == so_far(PROSE, step)
    checked = list(patterns.texts)
    patterns.texts.clear()
    list(patterns.stream(stretches(PROSE, step)))
    assert checked == patterns.texts


@pytest.mark.parametrize("step", [1, 4, 30])
def test_no_beginning_of_a_value_goes_out(patterns: PatternGuard, step: int) -> None:
    said = list(patterns.stream(so_far(KEPT, step)))
    assert said[-1] == KEPT.replace(SECRET, "[VALUE_1]")
    assert not any(SECRET[:4] in one for one in said)
    assert len(said) == len(so_far(KEPT, step))


async def test_so_it_is_in_async_around_generators_and_with_what_is_read_of_objects(patterns: PatternGuard) -> None:
    @guarded(guard=patterns, input=False)
    async def texts() -> AsyncIterator[str]:
        for text in so_far(KEPT, 5):
            yield text

    @guarded(guard=patterns, input=False, extract_response=lambda one: one["text"])
    def objects() -> Iterator[dict[str, Any]]:
        yield from ({"text": text, "delta": text[-5:]} for text in so_far(PROSE, 5))

    said = [one async for one in texts()]
    assert not any(SECRET[:4] in one for one in said)
    assert [one["text"] for one in objects()] == so_far(PROSE, 5)


def test_what_is_blocked_is_in_no_text_so_far(patterns: PatternGuard) -> None:
    said: list[str] = []
    with pytest.raises(Blocked):
        said.extend(patterns.stream(so_far(f"{PROSE}This is forbidden. {PROSE}", 6)))
    assert not any("forbidden" in one for one in said)


def test_a_text_so_far_may_come_after_other_words_and_begin_again(patterns: PatternGuard) -> None:
    chunks = ["One moment. ", *so_far(PROSE, 9), *so_far(KEPT, 9)]
    said = list(patterns.stream(chunks))
    assert len(said) == len(chunks)
    assert said[0] == chunks[0]
    assert not any(SECRET[:4] in one for one in said)


@pytest.mark.parametrize(
    "chunks",
    [
        ["ha", "haha", "ha"],
        ["-", "--", "---", "----", "\n"],
        ["It is so. ", "It is so. It is so. ", "It is so. "],
        ["The one sentence of the first line. ", "The one sentence of the first line. And more. ", "sk-abc", "def1234"],
    ],
)
def test_stretches_that_begin_alike_are_stretches(patterns: PatternGuard, chunks: list[str]) -> None:
    said = "".join(patterns.stream(chunks))
    assert "".join(chunks) in patterns.texts
    assert said == "".join(chunks).replace("sk-abcdef1234", "[VALUE_1]")


def test_a_stretch_after_texts_so_far_follows_on_them(patterns: PatternGuard) -> None:
    said = list(patterns.stream([*so_far(PROSE, 50), " The key is sk-abc", "def123456, as I said."]))
    assert not any("sk-" in one for one in said)
    assert patterns.texts[-1].endswith("as I said.")
