"""Fields that nobody knows, word by word: no word of such a text has white space in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessageChunk

from guardsdk import Blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.streaming.screens import PatternGuard

FINE = ["A", "first", "half", "of", "it."]
BAD = [*FINE, "Then", "the", "second", "half."]


def choice(delta: dict[str, Any]) -> dict[str, Any]:
    return {"id": "c1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "", **delta}}]}


MAKERS: dict[str, Callable[[str], Any]] = {
    "thoughts of a delta": lambda word: choice({"thoughts": word}),
    "parts of one": lambda word: choice({"reasoning_details": [{"type": "reasoning.text", "text": word, "id": "r-1"}]}),
    "beside others": lambda word: choice({"trace": "t-1", "note": {"lines": [word, "n-1"]}}),
    "langchain": lambda word: AIMessageChunk(content="", additional_kwargs={"thoughts": word}),
    "google": lambda word: {
        "candidates": [{"content": {"role": "model", "parts": [{"text": ""}]}, "finish_reason": None, "notes": word}]
    },
    "an event": lambda word: {"type": "message_delta", "delta": {"stop_reason": None}, "note": [word]},
}


@pytest.mark.parametrize("spaced", ["{} ", " {}"])
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_they_are_read_as_the_text_they_make(patterns: PatternGuard, make: Callable[[str], Any], spaced: str) -> None:
    fine = [make(spaced.format(word)) for word in FINE]
    given = list(patterns.stream(fine))
    assert len(given) == len(fine)
    assert all(one is other for one, other in zip(given, fine, strict=True))
    with pytest.raises(Blocked):
        list(patterns.stream([make(spaced.format(word)) for word in BAD]))


def test_words_come_in_pieces_too(patterns: PatternGuard) -> None:
    assert patterns.check("forbidden", stage="output").action == "block"
    with pytest.raises(Blocked):
        list(patterns.stream([choice({"thoughts": piece}) for piece in ("It", " is", " for", "bid", "den", ".")]))


def test_identifiers_hold_nothing_up_and_are_not_checked(patterns: PatternGuard) -> None:
    read: list[int] = []

    def source() -> Iterator[Any]:
        for number in range(3):
            read.append(number)
            yield choice({"trace": f"trace-{number}/", "more": {"of": [" \n", "é" * number]}})

    stream = patterns.stream(source())
    next(stream)
    assert read == [0]
    assert "trace" not in " ".join(patterns.texts)


def test_the_places_of_lists_say_together_what_is_words(patterns: PatternGuard) -> None:
    lists = [
        [choice({"note": "A first half,", "trace": "t-1"}), "so far. "],
        [choice({"trace": "t-2"}), "A second half."],
    ]
    with pytest.raises(Blocked):
        list(patterns.stream(lists))
    assert "t-1" not in " ".join(patterns.texts)
