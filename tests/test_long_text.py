"""Long text through the real model: nothing hides behind filler, and nothing is scored for nothing."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.filler import filler
from guardsdk import Action, Guard, Policy, Stage, Status
from guardsdk.engine.classifier import _ends_first
from guardsdk.policy.load import default_policy
from guardsdk.text.pieces import pieces
from guardsdk.text.windows import windows
from tests.samples import TOOL_ATTACKS
from tests.tiny import write_manifest, write_model

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTACKS = [
    example.text
    for principle in default_policy().principles
    for example in principle.examples
    if principle.id == "no-instruction-override" and example.expect is Action.BLOCK
]
MEGABYTE = 1_000_000
POLICY = """
name = "tiny"
version = "1"
[[principle]]
id = "no-attack"
text = "No."
label = "prompt_injection"
stages = ["input", "tool"]
[[principle]]
id = "{id}"
text = "No."
label = "toxicity"
stages = ["input", "output"]
action = "flag"
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model of a few words, so quick that a megabyte is scored whole within a test."""
    directory = write_model(tmp_path_factory.mktemp("models") / "tiny")
    write_manifest(directory, max_tokens=256, overlap_tokens=48)
    return directory


@cache
def pair() -> tuple[Guard, Guard]:
    """Guards with and without early stop, for tests that are run many times over: made once."""
    directory = write_model(Path(mkdtemp()) / "tiny")
    policy = Policy.from_toml(POLICY.format(id="note-insult"))
    options: dict[str, Any] = {"models": directory, "providers": "cpu", "observers": (), "cache": 0}
    return Guard(policy, **options), Guard(policy, **options, early_stop=False)


@pytest.fixture(scope="module")
def quick(model: Path) -> Iterator[Guard]:
    with Guard(Policy.from_toml(POLICY.format(id="note-insult")), models=model, providers="cpu", observers=()) as made:
        yield made


@pytest.fixture(scope="module")
def whole(model: Path) -> Iterator[Guard]:
    """As ``quick``, and every window is scored whatever was found."""
    policy = Policy.from_toml(POLICY.format(id="note-insult"))
    with Guard(policy, models=model, providers="cpu", observers=(), early_stop=False) as made:
        yield made


@pytest.mark.parametrize("characters", [10_000, MEGABYTE])
def test_an_attack_after_filler_is_blocked_and_found(guard: Guard, characters: int) -> None:
    # One attack the model is sure of: how many of all it finds is its own doing, and benchmarks.long_text measures it.
    text = filler(characters) + TOOL_ATTACKS["assistant"]
    verdict = guard.check(text, stage=Stage.TOOL)
    assert (verdict.action, verdict.status, verdict.stopped_early) == (Action.BLOCK, Status.COMPLETE, True)
    assert verdict.findings[0].span[1] > characters


@pytest.mark.parametrize("at", [0, 130, 176, 200, 208, 260])
def test_an_attack_that_straddles_a_border_of_windows_is_blocked(guard: Guard, at: int) -> None:
    # A window holds 253 tokens here and shares 48 with the next; the attack begins before, on and behind the borders.
    before = " ".join(["mile"] * at)
    after = " ".join(["mile"] * (400 - at))
    verdict = guard.check(f"{before} {ATTACKS[0]} {after}")
    assert (verdict.action, verdict.status) == (Action.BLOCK, Status.COMPLETE)
    assert guard.check(f"{before} {after}").allowed


@pytest.mark.parametrize("place", [0.0, 0.6])
def test_one_word_in_a_megabyte_is_found_wherever_it_is(quick: Guard, place: float) -> None:
    words = ["filler"] * (MEGABYTE // len("filler "))
    at = int(place * (len(words) - 1))
    words[at] = "attack"
    text = " ".join(words)
    verdict = quick.check(text, stage=Stage.TOOL)
    assert verdict.action is Action.BLOCK
    assert verdict.findings[0].span == (at * len("filler "), at * len("filler ") + len("attack"))


def test_a_block_leaves_the_rest_unscored_and_says_so(quick: Guard, whole: Guard) -> None:
    text = "attack " + "filler " * 5_000
    stopped, full = quick.check(text), whole.check(text)
    assert (stopped.stopped_early, stopped.status, stopped.action) == (True, Status.COMPLETE, Action.BLOCK)
    assert stopped.coverage < 0.1
    assert not stopped.degraded_reasons
    assert (full.stopped_early, full.coverage) == (False, 1.0)
    assert full.action is stopped.action
    assert full.scores == stopped.scores


def test_text_that_may_pass_is_read_to_its_end(quick: Guard) -> None:
    verdict = quick.check("insult " + "filler " * 5_000)
    assert (verdict.action, verdict.stopped_early, verdict.coverage) == (Action.FLAG, False, 1.0)


def test_without_early_stop_what_comes_after_a_block_is_found_too(quick: Guard, whole: Guard) -> None:
    text = "attack " + "filler " * 1_000 + "insult " + "filler " * 1_000
    assert [finding.principle_id for finding in quick.check(text).findings] == ["no-attack"]
    assert [finding.principle_id for finding in whole.check(text).findings] == ["no-attack", "note-insult"]


def test_where_one_text_stops_is_no_matter_of_its_neighbours(quick: Guard) -> None:
    texts = [
        f"{'filler ' * (at * 90)}{'attack' if at % 2 else 'please'} {'filler ' * (2_000 - at)}" for at in range(20)
    ]
    plain = {"duration_s": 0.0, "cached": False}
    together = [verdict.model_copy(update=plain) for verdict in quick.check_many(texts)]
    assert [verdict.allowed for verdict in together] == [at % 2 == 0 for at in range(20)]
    alone = [quick.check(text, deadline_s=600.0).model_copy(update=plain) for text in texts]
    assert together == alone


def test_a_short_text_is_scored_for_every_principle_whatever_fired(quick: Guard) -> None:
    verdict = quick.check("attack and insult")
    assert {finding.principle_id for finding in verdict.findings} == {"no-attack", "note-insult"}
    assert (verdict.stopped_early, verdict.coverage) == (False, 1.0)


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["filler", "filler", "the", "attack", "insult"]), min_size=1, max_size=900))
def test_stopping_early_changes_no_action_and_scores_only_what_is_said(words: list[str]) -> None:
    text = " ".join(words)
    with_stop, without = (guard.check(text) for guard in pair())
    assert with_stop.action is without.action
    assert with_stop.status is without.status is Status.COMPLETE
    assert without.coverage == 1.0
    assert with_stop.coverage == 1.0 or with_stop.stopped_early
    assert not (with_stop.allowed and with_stop.stopped_early)
    for finding in with_stop.findings:
        start, end = finding.span
        assert {"no-attack": "attack", "note-insult": "insult"}[finding.principle_id] in text[start:end]


@given(
    st.integers(0, 3000), st.integers(2, 300).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))
)
def test_the_order_of_windows_leaves_none_out_and_begins_with_both_ends(length: int, shape: tuple[int, int]) -> None:
    ranges = windows(length, *shape)
    ordered = _ends_first(ranges)
    assert sorted(ordered) == ranges
    assert {ordered[0], ordered[min(1, len(ordered) - 1)]} == {ranges[0], ranges[-1]}


@given(st.text(st.characters(exclude_categories=())), st.integers(1, 40), st.integers(1, 12))
def test_pieces_of_any_text_join_up_to_it(text: str, size: int, longest: int) -> None:
    cut = pieces(text, size, longest)
    assert "".join(text[start:end] for start, end in cut) == text
    assert all(end - start <= max(size, 0) for start, end in cut)
