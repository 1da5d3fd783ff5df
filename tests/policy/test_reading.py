"""Policies from TOML: what is read, and what an error says."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from guardsdk.errors import PolicyError
from guardsdk.policy import Policy, default_policy, load_policy
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from pathlib import Path

HEAD = 'name = "mine"\nversion = "1"\n'
PRINCIPLE = """
[[principle]]
id = "one"
text = "No."
label = "toxicity"
stages = ["input", "output"]
"""
REVISE = PRINCIPLE.replace('"input", ', "") + "action = 'revise'\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + PRINCIPLE.replace('["input", "output"]', '"input"'), r"stages: must be a list, such as \[ ... \]"),
        (HEAD + PRINCIPLE.replace('["input", "output"]', "[]"), "stages: must not be empty"),
        (HEAD + PRINCIPLE.replace('"output"', '"input"'), r'mine:8: .*\(one\)\.stages: names "input" twice'),
        (HEAD + PRINCIPLE.replace("[[principle]]", "[principle]"), r"mine:4: principle: is one table; write \[\[princ"),
        (HEAD.replace('"1"', "1") + PRINCIPLE, "mine:2: version: must be a text in quotes"),
        (HEAD + 'shadow = "false"\n' + PRINCIPLE, "mine:3: shadow: must be true or false, without quotes"),
        (HEAD + PRINCIPLE + "degrades = 1\n", "mine:9: .*degrades: must be true or false, without quotes"),
        (HEAD + PRINCIPLE + "examples = ['a']\n", r"examples\[0\]: must be a table, such as \{ key = value \}"),
        (HEAD + PRINCIPLE + "on_error = 'allow'\n", "on_error is a key of the file, and stands above the first table"),
        (HEAD + PRINCIPLE + PRINCIPLE, "mine:10: two principles have the id 'one'; the other is on line 4"),
        ("mine.toml", "not valid TOML: .*; the file of that name is read by Policy.from_file"),
    ],
)
def test_an_error_speaks_of_what_is_in_the_file(text: str, problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        Policy.from_toml(text, source="mine")


@pytest.mark.parametrize(
    "slip", [PRINCIPLE + "threshold = true\n", PRINCIPLE.replace('"input", "output"', '"outputs"')]
)
def test_one_slip_is_told_once(slip: str) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml(HEAD + slip)
    assert len(str(caught.value).splitlines()) == 1


def test_what_is_left_out_gets_its_default() -> None:
    policy = Policy.from_toml(HEAD + PRINCIPLE)
    (principle,) = policy.principles
    assert (principle.threshold, principle.action, principle.examples) == ("default", Action.BLOCK, ())
    assert {policy.on_error_for(stage) for stage in Stage} == {Action.BLOCK}


def test_on_error_may_be_a_table_and_blocks_where_it_is_silent() -> None:
    policy = Policy.from_toml(HEAD + 'on_error = {tool = "allow"}\n' + PRINCIPLE)
    assert [policy.on_error_for(stage) for stage in Stage] == [Action.BLOCK, Action.ALLOW, Action.BLOCK]


def test_on_error_may_be_one_word_for_all_stages() -> None:
    policy = Policy.from_toml(HEAD + 'on_error = "allow"\n' + PRINCIPLE)
    assert {policy.on_error_for(stage) for stage in Stage} == {Action.ALLOW}


def test_an_action_is_one_word_or_one_per_stage() -> None:
    policy = Policy.from_toml(HEAD + PRINCIPLE + "action = {input = 'flag', output = 'redact'}\n")
    (principle,) = policy.principles
    assert [principle.action_for(stage) for stage in Stage] == [Action.FLAG, Action.ALLOW, Action.REDACT]
    one_word = Policy.from_toml(HEAD + PRINCIPLE + "action = 'review'\n").principles[0]
    assert [one_word.action_for(stage) for stage in Stage] == [Action.REVIEW, Action.ALLOW, Action.REVIEW]


def test_examples_expect_the_action_of_their_stage() -> None:
    actions = "action = {input = 'flag', output = 'redact'}\n"
    fits = "examples = [{text = 'a', expect = 'flag'}, {text = 'a', stage = 'output', expect = 'redact'}]\n"
    assert len(Policy.from_toml(HEAD + PRINCIPLE + actions + fits).principles[0].examples) == 2
    with pytest.raises(PolicyError, match=r'examples\[1\].expect must be "redact"'):
        Policy.from_toml(HEAD + PRINCIPLE + actions + fits.replace("'redact'", "'flag'"))


def test_what_an_action_needs_has_defaults_that_hold_back() -> None:
    review = Policy.from_toml(HEAD + PRINCIPLE + "action = 'review'\nreview = {timeout_s = 5}\n").principles[0].review
    revise = Policy.from_toml(HEAD + REVISE + "revise = {attempts = 1}\n").principles[0].revise
    assert review is not None
    assert (review.timeout_s, review.fallback) == (5.0, "deny")
    assert revise is not None
    assert (revise.attempts, revise.fallback) == (1, "block")
    fallback = "revise = {fallback = 'replace'}\nreplacement = 'Ask me something else.'\n"
    assert Policy.from_toml(HEAD + REVISE + fallback).principles[0].replacement == "Ask me something else."


@pytest.mark.parametrize(
    ("line", "rate"), [('"fpr:0.001"', Decimal("0.001")), ('"fpr:.01"', Decimal("0.01")), ("0.5", None), ("1", None)]
)
def test_a_threshold_is_a_number_or_a_false_positive_rate(line: str, rate: Decimal | None) -> None:
    policy = Policy.from_toml(HEAD + PRINCIPLE + f"threshold = {line}\n")
    assert policy.principles[0].fpr == rate


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        ("nmae = 'x'\n" + HEAD + PRINCIPLE, ["unknown key nmae", "did you mean 'name'"]),
        (
            HEAD + PRINCIPLE.replace('id = "', 'id = "No '),
            [".id: must be lower-case letters, digits and hyphens, such as no-legal-advice"],
        ),
        (HEAD + PRINCIPLE + "lable = 'x'\n", ["principle[0](one).lable", "did you mean 'label'"]),
        (HEAD + PRINCIPLE + "examples = [{text = 'a', expct = 'allow'}]\n", ["examples[0].expct", "'expect'"]),
        (HEAD + "on_error = {inptu = 'allow'}\n" + PRINCIPLE, ["on_error.inptu", "did you mean 'input'"]),
        (HEAD + "on_error = 'maybe'\n" + PRINCIPLE, ["on_error:", "'block' or 'allow'"]),
        (HEAD + "on_error = 3\n" + PRINCIPLE, ["on_error:"]),
        (HEAD + PRINCIPLE.replace("principle", "principles"), ["'principles'", "'principle'"]),
        (
            HEAD + PRINCIPLE.replace('"input"', '"imput"'),
            ["principle[0](one).stages[0]", "'input', 'tool' or 'output'"],
        ),
        (HEAD + PRINCIPLE.replace('label = "toxicity"\n', ""), ["principle[0](one).label is missing"]),
        (HEAD + PRINCIPLE + "threshold = 'high'\n", ["principle[0](one).threshold", "fpr:0.001"]),
        (HEAD + PRINCIPLE + "threshold = 1.5\n", ["principle[0](one).threshold", "from 0 to 1"]),
        (HEAD + PRINCIPLE + "threshold = nan\n", ["principle[0](one).threshold", "from 0 to 1"]),
        (HEAD + PRINCIPLE + "threshold = true\n", ["principle[0](one).threshold"]),
        (HEAD + PRINCIPLE + "action = 'allow'\n", ["principle[0](one).action", "never lift"]),
        (
            HEAD + PRINCIPLE + "action = {input = 'allow', output = 'block'}\n",
            ["principle[0](one).action", "never lift"],
        ),
        (HEAD + PRINCIPLE + "action = 'deny'\n", ["principle[0](one).action", "'redact', 'replace', 'revise'"]),
        (HEAD + PRINCIPLE + "action = 3\n", ["principle[0](one).action"]),
        (
            HEAD + PRINCIPLE + "action = {input = 'flag'}\n",
            ["principle[0](one): action names nothing for stage output"],
        ),
        (
            HEAD + PRINCIPLE + "action = {input = 'flag', output = 'block', tool = 'block'}\n",
            ["principle[0](one): action names stage tool"],
        ),
        (HEAD + PRINCIPLE + "action = {inptu = 'flag'}\n", ["principle[0](one).action.inptu", "did you mean 'input'"]),
        (HEAD + PRINCIPLE + "action = 'revise'\n", ["principle[0](one)", '"revise" is for stage output only', "input"]),
        (HEAD + PRINCIPLE + "action = 'replace'\n", ["principle[0](one): replacement is missing"]),
        (HEAD + PRINCIPLE + "replacement = ''\naction = 'replace'\n", ["principle[0](one).replacement"]),
        (HEAD + PRINCIPLE + "replacement = 'No.'\n", ['replacement is read with action "replace" only']),
        (HEAD + PRINCIPLE + "action = 'blok'\n", ["principle[0](one).action: must be 'flag', 'redact'"]),
        (HEAD + PRINCIPLE + "action = {input = 'blok'}\n", ["action.input: must be 'flag', 'redact'"]),
        (HEAD + PRINCIPLE + "redact_with = 'mask'\n", ['redact_with is read with action "redact" only']),
        (
            HEAD + PRINCIPLE + "action = 'redact'\nredact_with = 'stars'\n",
            ["redact_with", "'marker', 'label' or 'mask'"],
        ),
        (HEAD + PRINCIPLE + "review = {timeout_s = 5}\n", ['review is read with action "review" only']),
        (
            HEAD + PRINCIPLE + "action = 'review'\nreview = {timeout = 5}\n",
            ["principle[0](one).review.timeout", "did you mean 'timeout_s'"],
        ),
        (HEAD + PRINCIPLE + "action = 'review'\nreview = {timeout_s = 0}\n", ["review.timeout_s", "equal to 0.001"]),
        (HEAD + PRINCIPLE + "action = 'review'\nreview = {timeout_s = inf}\n", ["review.timeout_s", "finite"]),
        (HEAD + PRINCIPLE + "action = 'review'\nreview = {fallback = 'pass'}\n", ["fallback", "'deny' or 'approve'"]),
        (HEAD + PRINCIPLE + "[monitor]\nkeep_alerts = 1" + "0" * 400, ["monitor.keep_alerts", "equal to 1000000"]),
        (HEAD + PRINCIPLE + "[monitor]\nwindow = 1" + "0" * 400, ["monitor.window", "equal to 1000000000"]),
        (HEAD + REVISE + "revise = {attempts = 0}\n", ["principle[0](one).revise.attempts"]),
        (HEAD + REVISE + "revise = {message = 'Again.'}\n", ["principle[0](one).revise.message", "{principle}"]),
        (HEAD + REVISE + "revise = {fallback = 'replace'}\n", ["principle[0](one): replacement is missing"]),
        ("shadow = 'yes please'\n" + HEAD + PRINCIPLE, ["shadow"]),
        ("shdow = true\n" + HEAD + PRINCIPLE, ["unknown key shdow", "did you mean 'shadow'"]),
        (HEAD + PRINCIPLE + "examples = [{text = 'a', expect = 'flag'}]\n", ["examples[0].expect", '"block"']),
        (HEAD + PRINCIPLE + "examples = [{text = 'a', expect = 'allow', stage = 'tool'}]\n", ["examples[0].stage"]),
        (HEAD + PRINCIPLE + PRINCIPLE, ["two principles have the id 'one'"]),
        (HEAD, ["principle is missing"]),
        (HEAD + "principle = []\n", ["principle"]),
        (HEAD + "principle = 'x'\n", ["principle"]),
        ("principle = [3]\n" + HEAD, ["principle[0]"]),
        ("name = \n", ["not valid TOML", "line 1"]),
        ("", ["key name is missing"]),
    ],
)
def test_an_error_names_the_source_the_key_and_the_nearest_valid_name(toml: str, parts: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml(toml, source="mine.toml")
    message = str(caught.value)
    assert re.match(r"mine\.toml(:\d+)?: ", message)
    for part in parts:
        assert part in message


def test_each_problem_is_told_on_a_line_of_its_own_with_the_line_it_stands_on() -> None:
    toml = HEAD + "colour = 3\n" + PRINCIPLE + "threshold = 'high'\nexamples = [\n  {text = 'a', expect = 'deny'},\n]\n"
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml(toml, source="mine.toml")
    assert [line.partition(": ")[0] for line in str(caught.value).splitlines()] == [
        "mine.toml:10",
        "mine.toml:12",
        "mine.toml:3",
    ]


def test_an_error_does_not_quote_the_text_of_an_example() -> None:
    example = "examples = [{text = 'a secret wish', expect = 'deny'}]\n"
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml(HEAD + PRINCIPLE + example)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_file_is_read_and_errors_name_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + PRINCIPLE, encoding="utf-8")
    assert load_policy(path) == Policy.from_file(str(path)) == Policy.from_toml(HEAD + PRINCIPLE)
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(PolicyError, match=r"mine\.toml: not UTF-8"):
        load_policy(path)
    with pytest.raises(PolicyError, match="null character"):
        Policy.from_file("a\0b")
    with pytest.raises(PolicyError, match=r"none\.toml: cannot be read"):
        load_policy(tmp_path / "none.toml")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path)


def test_the_digest_follows_the_content_and_nothing_else() -> None:
    plain = Policy.from_toml(HEAD + PRINCIPLE)
    spelled = 'version = "1"\nname = "mine" # a comment\non_error = {input = "block"}\n' + PRINCIPLE
    assert Policy.from_toml(spelled).digest == plain.digest
    assert Policy.from_toml(HEAD + PRINCIPLE + "threshold = 0.5\n").digest != plain.digest
    assert Policy.from_toml(HEAD + 'on_error = "allow"\n' + PRINCIPLE).digest != plain.digest
    assert Policy.from_toml("shadow = true\n" + HEAD + PRINCIPLE).digest != plain.digest
    per_stage = HEAD + PRINCIPLE + "action = {input = 'block', output = '%s'}\n"
    assert Policy.from_toml(per_stage % "block").digest == plain.digest
    assert Policy.from_toml(per_stage % "review").digest != plain.digest
    assert plain.ref.model_dump() == {"name": "mine", "version": "1", "digest": plain.digest}


def test_the_packaged_policy_is_read_once() -> None:
    assert default_policy() is default_policy()
    assert default_policy() == Policy.default()


def test_a_changed_copy_has_a_digest_of_its_own() -> None:
    policy = Policy.from_toml(HEAD + PRINCIPLE)
    before = policy.ref.digest
    changed = policy.model_copy(update={"on_error": "allow"})
    assert changed.digest == changed.ref.digest == Policy.from_toml(HEAD + 'on_error = "allow"' + PRINCIPLE).digest
    assert changed.digest != before
    assert policy.model_copy().digest == policy.digest == before


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 5000], ids=["digits", "depth"])
def test_toml_too_big_to_read_is_a_policy_error(value: str) -> None:
    with pytest.raises(PolicyError, match="not valid TOML"):
        Policy.from_toml(f"{HEAD}x = {value}")


def test_a_mark_of_byte_order_is_no_part_of_the_policy(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    path.write_bytes(b'\xef\xbb\xbfname = "marked"\nversion = "1"\nextends = "default"\n')
    assert Policy.from_file(path).name == "marked"
    assert Policy.from_toml(path.read_text(encoding="utf-8")).name == "marked"
