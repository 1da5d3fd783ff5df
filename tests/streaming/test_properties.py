"""For any chunking of any text: the same words come out, the same decision is made, and nothing goes out unchecked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardsdk import Action, Verdict
from guardsdk.streaming import Pace
from guardsdk.streaming.held import NOTHING, Held, Rules
from guardsdk.text.redact import redact
from guardsdk.text.segments import Segmenter, release_point
from guardsdk.text.windows import covered
from guardsdk.vault import Markers
from tests.streaming.screens import PatternGuard

if TYPE_CHECKING:
    from pathlib import Path

VALUES = (
    "sk-abcdef123456",
    "4111 1111 1111 1111",
    "-----BEGIN KEY-----\nabcd 1234\nefgh\n-----END KEY-----",
    "jo.doe@mail.example.org",
)
PACES = (Pace(), Pace(shortest=8, longest=24, left=40), Pace(shortest=1, longest=1, left=0))
_words = st.sampled_from(
    [
        "a",
        "the",
        "sky.",
        "seven",
        "7",
        "2024",
        "x1",
        "end!",
        "(so)",
        '"yes."',
        "…",
        "\n",
        "\n\n",
        "  ",
        "ß",
        "🙂",
        "你好。",
        "这是",
    ]
)
_tokens = st.one_of(_words, _words, _words, st.sampled_from(VALUES), st.just("noted"))
texts = st.lists(_tokens, max_size=30).map(" ".join)
blocked_texts = st.tuples(texts, st.just("forbidden"), texts).map(" ".join)
wild_texts = st.text(max_size=300)


def cut(text: str, places: list[int]) -> list[str]:
    """``text`` in chunks that end at ``places``, some of them empty."""
    ends = [*sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


class Outcome:
    """What one stream did."""

    def __init__(self, guard: PatternGuard, chunks: list[str], pace: Pace, *, whole: bool = True) -> None:
        guard.texts.clear()
        self.out = ""
        stream = guard.stream(chunks, pace=pace, whole=whole, on_block="")
        for chunk in stream:
            self.out += chunk
        assert stream.verdict is not None
        self.verdict: Verdict = stream.verdict.model_copy(update={"duration_s": 0.0})
        self.checked = tuple(guard.texts)

    @property
    def all(self) -> tuple[object, ...]:
        return self.out, self.verdict, self.checked


@pytest.fixture(scope="module")
def guard(model_directory: Path) -> PatternGuard:
    return PatternGuard(model_directory)


fast = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@fast
@given(
    text=st.one_of(texts, blocked_texts, wild_texts),
    places=st.lists(st.integers(0, 4000), max_size=20),
    pace=st.sampled_from(PACES),
)
def test_the_chunking_changes_nothing(guard: PatternGuard, text: str, places: list[int], pace: Pace) -> None:
    assert (
        Outcome(guard, cut(text, places), pace).all
        == Outcome(guard, [text], pace).all
        == Outcome(guard, [*text], pace).all
    )


@fast
@given(text=texts, places=st.lists(st.integers(0, 4000), max_size=20), pace=st.sampled_from(PACES))
def test_what_comes_out_is_what_a_check_of_the_whole_text_lets_through(
    guard: PatternGuard, text: str, places: list[int], pace: Pace
) -> None:
    found = guard.check(text, stage="output")
    spans = [span for one in found.findings if one.action is Action.REDACT for span in one.spans]
    numbers: dict[str, str] = {}
    edits = [(a, b, numbers.setdefault(text[a:b], f"[VALUE_{len(numbers) + 1}]")) for a, b in spans]
    outcome = Outcome(guard, cut(text, places), pace)
    assert outcome.out == redact(text, edits)
    assert outcome.verdict.action is found.action
    assert outcome.verdict.coverage == 1.0
    assert {(one.label, one.spans) for one in outcome.verdict.findings} == {
        (one.label, one.spans) for one in found.findings
    }


@fast
@given(text=blocked_texts, places=st.lists(st.integers(0, 4000), max_size=20), pace=st.sampled_from(PACES))
def test_what_a_check_blocks_is_blocked_and_stays_in(
    guard: PatternGuard, text: str, places: list[int], pace: Pace
) -> None:
    assert guard.check(text, stage="output").action is Action.BLOCK
    outcome = Outcome(guard, cut(text, places), pace)
    assert outcome.verdict.action is Action.BLOCK
    assert "forbidden" not in outcome.out
    assert not any(value in outcome.out for value in VALUES)


@fast
@given(
    text=st.one_of(texts, blocked_texts),
    places=st.lists(st.integers(0, 4000), max_size=20),
    pace=st.sampled_from(PACES),
)
def test_every_character_was_in_a_checked_text_when_it_came_out(
    guard: PatternGuard, text: str, places: list[int], pace: Pace
) -> None:
    held = Held(Rules(policy=guard.policy, markers=Markers(), pace=pace))
    looked_at: list[tuple[int, int]] = []

    def let_out() -> None:
        while windows := held.due():
            looked_at.extend((window.start, window.end) for window in windows)
            verdicts = guard.check_many([window.text for window in windows], stage="output")
            for window in windows:
                assert text[window.start : window.end] == window.text
            if against := held.note(windows, verdicts):
                held.stop(against[0][1])
            else:
                assert held.advance(list(zip(windows, verdicts, strict=True))) is None
            for channel in held._texts.channels:
                assert covered(looked_at) >= channel.released
        while held.pop() is not NOTHING:
            pass

    for chunk in cut(text, places):
        if not held.done:
            held.take(chunk)
            let_out()
    if not held.done:
        held.finish()
        let_out()
    assert held.done


@given(
    text=st.one_of(texts, wild_texts), places=st.lists(st.integers(0, 4000), max_size=20), pace=st.sampled_from(PACES)
)
def test_segments_end_where_the_text_says(text: str, places: list[int], pace: Pace) -> None:
    whole, pieces = Segmenter(pace), Segmenter(pace)
    ends = whole.feed(text)
    assert [end for chunk in cut(text, places) for end in pieces.feed(chunk)] == ends
    assert ends == sorted(set(ends))
    assert all(0 < end < len(text) for end in ends)
    for start, end in zip([0, *ends], ends, strict=False):
        assert end - start >= min(pace.shortest, pace.longest)


@given(text=st.one_of(texts, wild_texts), end=st.integers(0, 1000))
def test_what_is_kept_back_ends_the_text_and_depends_on_nothing_behind_it(text: str, end: int) -> None:
    end = min(end, len(text))
    point = release_point(text, end)
    assert 0 <= point <= end
    assert release_point(text[:end], end) == point
