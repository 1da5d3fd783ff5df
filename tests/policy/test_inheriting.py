"""Policies that extend others: what is inherited, what is changed, and what an error says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from guardsdk.errors import PolicyError
from guardsdk.policy import PACKAGED, Policy, default_policy, load_policy
from guardsdk.policy.files import about
from guardsdk.policy.inheriting import Written, read, resolved
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.policy.lines import KeyPath
    from guardsdk.policy.origin import Place

HEAD = 'name = "mine"\nversion = "7"\nextends = "default"\n'
OWN = '[[principle]]\nid = "own"\ntext = "No."\nlabel = "toxicity"\nstages = ["input"]\n'


def change(identifier: str, *lines: str) -> str:
    return "\n".join(["[[principle]]", f'id = "{identifier}"', *lines, ""])


def test_everything_is_inherited_but_name_and_version() -> None:
    policy = Policy.from_toml(HEAD)
    assert policy.principles == default_policy().principles
    assert (policy.name, policy.version, policy.extends) == ("mine", "7", "default")
    with pytest.raises(PolicyError, match="key name is missing"):
        Policy.from_toml('version = "7"\nextends = "default"\n')


def test_the_digest_is_of_what_applies_and_not_of_where_it_comes_from() -> None:
    same = default_policy().model_copy(update={"name": "mine", "version": "7"})
    assert Policy.from_toml(HEAD).digest == same.digest
    assert Policy.from_toml(HEAD + change("no-jailbreak", "threshold = 0.5")).digest != same.digest


def test_a_principle_changes_the_keys_it_names_and_stays_where_it_was() -> None:
    policy = Policy.from_toml(HEAD + change("no-jailbreak", "threshold = 0.5") + OWN)
    before, after = default_policy().principle("no-jailbreak"), policy.principle("no-jailbreak")
    assert after == before.model_copy(update={"threshold": 0.5})
    assert [one.id for one in policy.principles] == [*(one.id for one in default_policy().principles), "own"]


def test_inherited_examples_follow_a_new_action_and_other_stages() -> None:
    policy = Policy.from_toml(HEAD + change("note-toxic-input", 'action = "block"'))
    expected = [example.expect for example in policy.principle("note-toxic-input").examples]
    own = [example.expect for example in Policy.default().principle("note-toxic-input").examples]
    assert expected == [Action.BLOCK if one is Action.FLAG else one for one in own]
    assert {Action.BLOCK, Action.ALLOW} == set(expected)
    narrowed = Policy.from_toml(HEAD + change("no-hidden-text", 'stages = ["tool"]')).principle("no-hidden-text")
    assert {example.stage for example in narrowed.examples} == {Stage.TOOL}
    assert len(narrowed.examples) == 3
    wider = Policy.from_toml(HEAD + change("no-secrets", 'stages = ["tool", "output"]')).principle("no-secrets")
    assert {example.stage for example in wider.examples} == {Stage.OUTPUT}


def test_an_inherited_example_stands_where_it_did_though_others_before_it_are_left_out(tmp_path: Path) -> None:
    example = '    { text = "Text {number}.", expect = "allow", stage = "{stage}" },'
    stages = ["tool", "input", "tool", "input"]
    lines = [example.replace("{number}", str(at)).replace("{stage}", stage) for at, stage in enumerate(stages)]
    base = tmp_path / "base.toml"
    base.write_text(
        'name = "base"\nversion = "1"\n'
        + OWN.replace('["input"]', '["input", "tool"]')
        + "\n".join(["examples = [", *lines, "]", ""])
    )
    child = f'name = "c"\nversion = "1"\nextends = "{base}"\n'
    policy = Policy.from_toml(child + change("own", 'stages = ["input"]'))
    assert [one.text for one in policy.principles[0].examples] == ["Text 1.", "Text 3."]
    found = [policy.origin.at("principles", 0, "examples", at, "text") for at in range(2)]
    written = base.read_text().splitlines()
    assert [place and written[(place.line or 0) - 1] for place in found] == [lines[1], lines[3]]
    assert str(policy.origin.at("principles", 0, "stages")) == "policy:6"


class _Counted(dict["KeyPath", "Place"]):
    """Places that know how often they were gone through."""

    times = 0

    def items(self) -> Any:
        self.times += 1
        return super().items()


def test_places_are_found_where_somebody_asks_and_gone_through_once_however_many_principles() -> None:
    many = "".join(OWN.replace('"own"', f'"own-{number}"') for number in range(50))
    whole = read(f'name = "base"\nversion = "1"\n{many}', "base.toml")
    found: list[_Counted] = []

    def find() -> _Counted:
        found.append(_Counted(whole.find()))
        return found[0]

    base = Written(whole.content, find, files=whole.files)
    own = read('name = "c"\nversion = "1"\nextends = "base.toml"\n' + change("own-7", "threshold = 0.5"), "c.toml")
    written = resolved(own, lambda _, __: base)
    assert len(written.content["principles"]) == 50
    assert not found  # most policies are read and never wrong
    assert str(written.place("principles", 49, "label")) == f"base.toml:{3 + 49 * 5 + 3}"
    assert str(written.place("principles", 7, "threshold")) == "c.toml:6"
    assert found[0].times <= 2


def test_what_belongs_to_another_action_is_not_inherited(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(
        'name = "base"\nversion = "1"\n' + OWN + 'action = "replace"\nreplacement = "No."\n', encoding="utf-8"
    )
    (tmp_path / "mine.toml").write_text(HEAD.replace('"default"', '"base.toml"') + change("own", 'action = "flag"'))
    assert load_policy(tmp_path / "mine.toml").principle("own").replacement is None


BASE = """name = "base"
version = "1"
[[principle]]
id = "cut"
text = "No."
label = "secret"
stages = ["input", "output"]
action = "redact"
redact_with = "label"
[[principle]]
id = "ask"
text = "No."
label = "toxicity"
stages = ["input", "output"]
action = { input = "review", output = "revise" }
review = { timeout_s = 5 }
revise = { attempts = 3, fallback = "replace" }
replacement = "No."
"""


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        (change("cut", 'action = "redact"', "threshold = 0.9"), {"redact_with"}),
        (change("cut", 'action = { input = "block", output = "redact" }'), {"redact_with"}),
        (change("cut", 'action = "block"'), set()),
        (change("ask", 'action = { input = "review", output = "block" }'), {"review"}),
        (change("ask", 'action = { input = "block", output = "revise" }'), {"revise", "replacement"}),
        (change("ask", 'action = { input = "block", output = "revise" }', "revise = { attempts = 1 }"), {"revise"}),
        (change("ask", "revise = { attempts = 1 }"), {"review", "revise"}),
        (change("ask", 'stages = ["input"]'), {"review"}),
        (change("ask", 'stages = ["output"]'), {"revise", "replacement"}),
    ],
)
def test_what_an_action_still_reads_is_inherited_and_nothing_else(tmp_path: Path, changed: str, kept: set[str]) -> None:
    (tmp_path / "base.toml").write_text(BASE, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(HEAD.replace('"default"', '"base.toml"') + changed, encoding="utf-8")
    identifier = changed.split('"')[1]
    base, mine = (load_policy(tmp_path / name).principle(identifier) for name in ("base.toml", "mine.toml"))
    options = ("redact_with", "replacement", "revise", "review")
    assert {name for name in options if getattr(mine, name) is not None} == kept
    assert all(getattr(mine, name) == getattr(base, name) for name in kept if f"{name} =" not in changed)


def test_principles_can_be_taken_away_and_settings_changed() -> None:
    policy = Policy.from_toml(HEAD + 'remove = ["note-refusal"]\non_error = "allow"\nshadow = true\n')
    assert "note-refusal" not in [one.id for one in policy.principles]
    assert policy.shadow
    assert policy.on_error_for(Stage.INPUT) is Action.ALLOW
    again = Policy.from_toml(HEAD + 'remove = ["note-refusal"]\n' + OWN.replace('"own"', '"note-refusal"'))
    assert again.principles[-1].text == "No."


def test_a_path_is_taken_from_the_file_that_names_it_and_chains_are_followed(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "house.toml").write_text(HEAD + OWN, encoding="utf-8")
    (tmp_path / "team" / "mine.toml").write_text(
        HEAD.replace('"default"', '"../house.toml"') + change("own", "threshold = 0.25"), encoding="utf-8"
    )
    policy = load_policy(tmp_path / "team" / "mine.toml")
    assert policy.principle("own").threshold == 0.25
    assert len(policy.principles) == len(default_policy().principles) + 1
    number = len(policy.principles) - 1
    places = [str(policy.origin.at("principles", number, key)) for key in ("threshold", "label")]
    assert places == [f"{tmp_path}/team/mine.toml:6", f"{tmp_path}/team/../house.toml:7"]
    assert str(policy.origin.at("principles", 0, "label")).startswith("default:")


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        (
            HEAD.replace("default", "strikt"),
            ["mine.toml:3: extends ", "strikt: cannot be read", "did you mean 'strict'? packaged policies are default"],
        ),
        (HEAD.replace('"default"', "3"), ["mine.toml:3: extends must be"]),
        (
            HEAD + 'remove = ["note-refusals"]\n',
            ["mine.toml:4: remove names no principle", "did you mean 'note-refusal'"],
        ),
        (HEAD + 'remove = "note-refusal"\n', ["mine.toml:4: remove must be a list"]),
        (HEAD.replace('version = "7"\n', ""), ["mine.toml: key version is missing"]),
        (HEAD + "remove = [3]\n", ["mine.toml:4: remove must be a list"]),
        ('name = "x"\nversion = "1"\nremove = []\n' + OWN, ["mine.toml:3: remove takes"]),
        (
            HEAD + change("no-jailbrake", "threshold = 0.5"),
            ["mine.toml:4: principle 'no-jailbrake' is none that is inherited", "did you mean 'no-jailbreak'"],
        ),
        (
            HEAD + change("no-jailbreak", "treshold = 0.5"),
            ["mine.toml:6: unknown key principle[3](no-jailbreak).treshold"],
        ),
        (HEAD + change("no-jailbreak", "threshold = 2.0"), ["mine.toml:6: principle[3](no-jailbreak).threshold"]),
        (
            HEAD + change("no-jailbreak") + change("no-jailbreak"),
            ["mine.toml:6: two principles have the id", "the other is on line 4"],
        ),
        (HEAD + "[[principle]]\ntext = 'x'\n", ["mine.toml:4: key principle[13].id is missing"]),
        (HEAD + "[[principle]]\nid = []\n", ["mine.toml:5: principle[13].id"]),
        (HEAD + "principle = 3\n", ["mine.toml:4: principle"]),
        (HEAD + change("no-jailbreak", "examples = 3"), ["mine.toml:6: principle[3](no-jailbreak).examples"]),
        (HEAD + change("no-jailbreak", "stages = 3"), ["mine.toml:6: principle[3](no-jailbreak).stages"]),
        (HEAD + change("no-jailbreak", "action = 3"), ["mine.toml:6: principle[3](no-jailbreak).action"]),
    ],
)
def test_an_error_names_the_file_the_line_and_the_nearest_name(toml: str, parts: list[str]) -> None:
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml(toml, source="mine.toml")
    for part in parts:
        assert part in str(caught.value)


def test_circles_and_broken_bases_are_errors(tmp_path: Path) -> None:
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(HEAD.replace("default", "other.toml"), encoding="utf-8")
    other.write_text(HEAD.replace("default", "one.toml"), encoding="utf-8")
    with pytest.raises(PolicyError, match="extends itself, by way of 2 files"):
        load_policy(one)
    for broken in ("principle = 3", "principle = [3]", "[[principle]]\nid = []", ""):
        other.write_text(f'name = "x"\nversion = "1"\n{broken}\n', encoding="utf-8")
        with pytest.raises(PolicyError, match=r"other\.toml: what it extends is no policy yet|principle"):
            load_policy(one)


@pytest.mark.parametrize("name", PACKAGED)
def test_every_packaged_policy_is_found_by_its_name_and_says_what_it_is_for(name: str) -> None:
    policy = Policy.preset(name)
    assert policy.name == name
    assert policy == load_policy(name)
    assert about(name)
    assert {policy.on_error_for(stage) for stage in Stage} == {Action.BLOCK}
    assert not policy.shadow


def test_a_name_that_is_none_is_an_error() -> None:
    with pytest.raises(PolicyError, match="did you mean 'strict'"):
        Policy.preset("strct")


def test_each_preset_says_something_of_its_own() -> None:
    digests = {
        Policy.preset(name).model_copy(update={"name": "x", "version": "1"}).digest
        for name in PACKAGED
        if name != "balanced"
    }
    assert len(digests) == len(PACKAGED) - 1
