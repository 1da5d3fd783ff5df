"""No pattern can be made to work long: a lint over their trees, and counted work on texts built to hurt."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardsdk.screens.pattern_screen import LABELS, patterns
from guardsdk.screens.patterns import Pattern, source_of
from tests.screens.stepping import Stepper, parser

ALL = [pattern for label in LABELS for pattern in patterns(label).patterns]
EVERY = [pytest.param(pattern, id=pattern.name) for pattern in ALL]
MOST_REPEATS = 32_768
MOST_STEPS = 60
"""Steps a character of the text may cost one pattern, in the worst case."""
PUMPS = "aA0 -.:/@=\n_+(x"


def repeats(tree: Any, above: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """For every repeat in ``tree``, the largest counts of itself and of those around it."""
    found = []
    for op, value in tree:
        name = str(op)
        if name.endswith("REPEAT"):
            least, most, body = value
            counts = above if most in (least, 1) else (*above, int(most))
            found += [counts, *repeats(body, counts)]
        elif name == "SUBPATTERN":
            found += repeats(value[3], above)
        elif name == "BRANCH":
            for branch in value[1]:
                found += repeats(branch, above)
        elif name in ("ASSERT", "ASSERT_NOT"):
            found += repeats(value[1], above)
        elif name == "ATOMIC_GROUP":
            found += repeats(value, above)
    return found


@pytest.mark.parametrize("pattern", EVERY)
def test_repeats_are_bounded_and_do_not_nest(pattern: Pattern) -> None:
    for counts in repeats(parser.parse(source_of(pattern))):
        assert len(counts) <= 1
        assert all(count <= MOST_REPEATS for count in counts)


@pytest.mark.parametrize("source", ["(?:a+)+b", "a*b", "(?:a{1,3}){2,5}"])
def test_the_lint_sees_a_bad_pattern(source: str) -> None:
    counts = repeats(parser.parse(source))
    assert any(len(count) > 1 or count[0] > MOST_REPEATS for count in counts)


@pytest.mark.parametrize("pattern", EVERY)
def test_the_counting_matcher_finds_what_re_finds(pattern: Pattern) -> None:
    stepper = Stepper(source_of(pattern))
    for text in (*pattern.examples()[0], *pattern.examples()[1]):
        assert stepper.spans(text) == [match.span() for match in pattern.compiled().finditer(text)]


def hurting(example: str, cut: int, pump: str, size: int) -> list[str]:
    """Texts that almost match, again and again, until the end gives it away."""
    start = example[: cut % (len(example) + 1)]
    return [
        (start + pump * size)[:size],
        ((start + pump) * size)[:size],
        (example * size)[:size],
        ((start + pump * 40) * size)[:size],
    ]


@pytest.mark.parametrize("pattern", EVERY)
def test_work_grows_with_the_text_and_not_faster(pattern: Pattern) -> None:
    stepper = Stepper(source_of(pattern))
    example = pattern.examples()[0][0][:400]
    cuts = len(example) // 2, len(example)
    for text in {text for cut, pump in product(cuts, "a0 ") for text in hurting(example, cut, pump, 150)}:
        assert stepper.work(text) <= MOST_STEPS * (len(text) + 1)


@settings(max_examples=40)
@given(
    pattern=st.sampled_from(ALL),
    cut=st.integers(0, 400),
    pump=st.sampled_from(PUMPS) | st.text(st.sampled_from(PUMPS), min_size=2, max_size=5),
    form=st.integers(0, 3),
)
def test_work_stays_in_bounds_on_long_texts_built_to_hurt(pattern: Pattern, cut: int, pump: str, form: int) -> None:
    text = hurting(pattern.examples()[0][0], cut, pump, 2000)[form]
    assert Stepper(source_of(pattern)).work(text) <= MOST_STEPS * (len(text) + 1)


@pytest.mark.parametrize("first", ["PuTTY-User-Key-File-2: ", "-----BEGIN RSA PRIVATE KEY-----\n"])
def test_first_lines_of_keys_do_not_read_the_rest_again_and_again(first: str) -> None:
    text = first * 200
    for pattern in ALL:
        if pattern.keywords and pattern.keywords[0] in first.lower():
            assert Stepper(source_of(pattern)).work(text) <= MOST_STEPS * (len(text) + 1)


def test_a_bad_pattern_goes_over_the_bound() -> None:
    assert Stepper(r"[a-z]{1,4000}@").work("a" * 1000) > MOST_STEPS * 1001
