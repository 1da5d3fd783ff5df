"""The packaged policy's own examples through the shipped model: what comes out otherwise is listed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from guardsdk import Action, Guard, Policy
from guardsdk.trying import quiet, tallies, try_examples

if TYPE_CHECKING:
    from guardsdk.trying import Tried

KNOWN = Path(__file__).with_name("known_misses.txt")
COMMAND = "guardsdk policy test --write-known tests/policy/known_misses.txt"
ALLOWANCE = 1
"""Examples that may be off the list: a score at the very threshold can fall to the other side on another processor."""
TWO = """
name = "two"
version = "1"
[[principle]]
id = "secrets"
text = "No secret goes out."
label = "secret"
stages = ["output", "input"]
action = { output = "block", input = "flag" }
examples = [
    { expect = "block", text = "The password is orchid-Dune16!" },
    { expect = "flag", stage = "input", text = "The password is orchid-Dune16!" },
    { expect = "allow", text = "The password is orchid-Dune16!" },
    { expect = "allow", text = " " },
]
[[principle]]
id = "silent"
text = "Nothing shows its line."
label = "canary"
stages = ["output"]
"""


def tried(guard: Guard, text: str) -> list[Tried]:
    with Guard(
        quiet(Policy.from_toml(text, source="two.toml")), models=guard.info().directory, providers="cpu"
    ) as made:
        return list(try_examples(made))


def test_misses_of_the_packaged_policy_are_the_listed_ones(guard: Guard) -> None:
    listed = {line.split()[0] for line in KNOWN.read_text(encoding="utf-8").splitlines() if not line.startswith("#")}
    missed = {one.name: f"{one.principle_id} {one.number}" for one in try_examples(guard) if not one.right}
    new = sorted(words for name, words in missed.items() if name not in listed)
    assert len(new) <= ALLOWANCE, f"{new}: where that is as it has to be, {COMMAND}"
    assert len(listed - missed.keys()) <= ALLOWANCE, f"listed and right by now: {COMMAND}"


def test_an_example_is_held_against_its_own_principle_on_its_own_stage(guard: Guard) -> None:
    found = tried(guard, TWO)
    assert [(one.expect, one.found, one.right) for one in found] == [
        (Action.BLOCK, Action.BLOCK, True),
        (Action.FLAG, Action.FLAG, True),
        (Action.ALLOW, Action.BLOCK, False),
        (Action.ALLOW, None, False),
    ]
    assert [str(one.place) for one in found] == [f"two.toml:{line}" for line in (11, 12, 13, 14)]
    assert found[3].problem == "nothing to check: no visible character"
    assert len({one.name for one in found}) == 3  # the same text on the same stage is the same example


def test_a_principle_without_examples_is_not_among_the_tallies(guard: Guard) -> None:
    (tally,) = tallies(tried(guard, TWO))
    assert (tally.fires, tally.fired, tally.passes, tally.passed, tally.unchecked) == (2, 2, 2, 0, 1)


def test_a_quiet_copy_decides_the_same_and_writes_nothing() -> None:
    policy = Policy.from_toml(TWO.replace('version = "1"', 'version = "1"\ndecision_log = { path = "x.jsonl" }', 1))
    assert quiet(policy).decision_log is None
    assert quiet(policy).principles == policy.principles
