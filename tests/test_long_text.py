"""Long text through the real model: nothing hides behind filler, and nothing is scored for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.filler import filler
from guardsdk import Action, Guard, Policy, Stage, Status
from guardsdk.policy.load import default_policy
from tests.samples import TOOL_ATTACKS
from tests.tiny import write_manifest, write_model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
