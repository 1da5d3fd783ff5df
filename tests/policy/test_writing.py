"""Policies written as TOML and read again, the starter file, and what two policies say differently."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.policy import PACKAGED, Policy
from guardsdk.policy.difference import changes
from guardsdk.policy.starter import copy_of, starter
from guardsdk.policy.writing import as_toml, toml_value
from guardsdk.verdict import Stage


@pytest.mark.parametrize("name", PACKAGED)
def test_what_is_written_reads_the_same(name: str) -> None:
    policy = Policy.preset(name)
    again = Policy.from_toml(as_toml(policy))
    assert again == policy.model_copy(update={"extends": None})
    assert again.digest == policy.digest


def test_a_policy_that_uses_everything_reads_the_same() -> None:
    text = """
name = "all"
version = "1"
on_error = { input = "allow" }
on_uncovered = "allow"
shadow = true
[decision_log]
path = "d.jsonl"
keep_days = inf
[[principle]]
id = "x"
text = "a \\"quote\\", a \\\\ and a \\u200b"
label = "x"
stages = ["input", "output"]
threshold = 0.25
action = { input = "review", output = "revise" }
degrades = true
revise = { attempts = 1, fallback = "replace", message = "{principle}" }
review = { timeout_s = 5 }
replacement = "No."
"""
    policy = Policy.from_toml(text)
    written = as_toml(policy)
    assert Policy.from_toml(written) == policy
    assert "\u200b" not in written


@given(
    st.recursive(
        st.booleans()
        | st.integers(-(2**40), 2**40)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    )
)
def test_any_value_reads_the_same(value: object) -> None:
    assert tomllib.loads(f"x = {toml_value(value)}") == {"x": value}


@pytest.mark.parametrize("preset", PACKAGED)
def test_the_starter_is_the_preset_and_what_it_offers_in_comments_works(preset: str) -> None:
    base = Policy.preset(preset)
    policy = Policy.from_toml(starter(preset))
    assert (policy.name, policy.principles) == ("my-policy", base.principles)
    tried = re.sub(r"^#(?=\S)", "", starter(preset), flags=re.MULTILINE)
    if "note-out-of-range" not in [one.id for one in base.principles]:
        tried = tried.replace("note-out-of-range", "note-refusal")
    more = Policy.from_toml(tried)
    assert more.shadow
    assert more.principle("no-jailbreak").threshold == "fpr:0.002"
    assert more.principle("no-personal-data-out").stages == (Stage.OUTPUT,)
    assert len(more.principle("no-personal-data-out").examples) == 2


def test_a_full_copy_says_the_same_under_another_name() -> None:
    base = Policy.preset("strict")
    copy = Policy.from_toml(copy_of(base))
    assert (copy.name, copy.extends, copy.principles) == ("my-policy", None, base.principles)
    assert base.digest in copy_of(base)


def test_what_differs_is_told_key_by_key_without_prose() -> None:
    found = changes(Policy.preset("balanced"), Policy.preset("coding-agent"))
    assert ("note-out-of-range", "", "there", "") in {
        (one.principle_id, one.key, one.before, one.after) for one in found
    }
    told = {(one.principle_id, one.key): (one.before, one.after) for one in found}
    assert told["no-jailbreak", "threshold"] == ('"default"', '"fpr:0.001"')
    assert told["no-toxic-output", "text"] == ("82 characters", "75 characters")
    assert changes(Policy.preset("strict"), Policy.preset("strict")) == ()
    assert changes(Policy.preset("balanced"), Policy.default()) == ()


def test_a_word_and_a_table_with_that_word_for_every_stage_say_the_same() -> None:
    table = '{ input = "block", tool = "block", output = "block" }'
    rule = '[[principle]]\nid = "{name}"\ntext = "No."\nlabel = "toxicity"\nstages = ["input"]\naction = {action}\n'
    head = 'name = "p"\nversion = "1"\non_error = '
    word = Policy.from_toml(f'{head}"block"\n' + rule.format(name="a", action='"flag"'))
    same = Policy.from_toml(f"{head}{table}\n" + rule.format(name="a", action='{ input = "flag" }'))
    assert word.digest == same.digest
    assert changes(word, same) == ()
    other = Policy.from_toml(f"{head}{table.replace('block', 'allow', 1)}\n" + rule.format(name="a", action='"flag"'))
    assert [(one.key, one.before) for one in changes(word, other)] == [("on_error", '"block"')]


def test_another_order_of_principles_is_told_since_it_may_decide() -> None:
    policy = Policy.preset("strict")
    first, second, *rest = policy.principles
    turned = policy.model_copy(update={"principles": (second, first, *rest)})
    (change,) = changes(policy, turned)
    assert (change.principle_id, change.key) == (None, "order")
    assert change.before.startswith(f'["{first.id}", "{second.id}"')
    assert change.after.startswith(f'["{second.id}", "{first.id}"')
    assert {one.key for one in changes(policy, turned.model_copy(update={"principles": (second, *rest)}))} == {""}
