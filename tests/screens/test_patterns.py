"""The packaged patterns: each finds its examples and leaves the near misses, at the right place and in any text."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guardsdk import Guard, Policy, Principle, Stage, Status
from guardsdk.errors import ScreenError
from guardsdk.screens.panel import Panel
from guardsdk.screens.pattern_screen import LABELS, PatternScreen, patterns
from guardsdk.screens.patterns import Pattern, load, stands_in
from guardsdk.screens.validators import VALIDATORS
from guardsdk.surroundings import NOWHERE
from guardsdk.text.spans import merged

if TYPE_CHECKING:
    from pathlib import Path

EVERY = [
    pytest.param(label, pattern, id=f"{label}-{pattern.name}")
    for label in LABELS
    for pattern in patterns(label).patterns
]
TOKENS = next(pattern for pattern in patterns("secret").patterns if pattern.name == "npm-token").examples()[0]


@pytest.mark.parametrize(("label", "pattern"), EVERY)
def test_a_pattern_finds_its_examples_and_passes_near_misses(label: str, pattern: Pattern) -> None:
    matches, misses = pattern.examples()
    for text in matches:
        assert [match.name for match in patterns(label).find(text)].count(pattern.name) == 1
    for text in misses:
        assert patterns(label).find(text) == []
    assert matches
    assert misses


@pytest.mark.parametrize(
    ("before", "value", "behind"),
    [
        ("docker login -u AWS -p ", "q7Rm2Kd9Zt4Lw8Xb5" * 120, " 1.dkr.ecr.eu-west-1.amazonaws.com"),
        ("DB_PASSWORD=", "q7Rm2Kd9Zt4Lw8Xb5" * 20, "\n"),
        ("postgres://app:", "q7Rm2Kd9Zt4Lw8Xb5" * 100, "@db.internal/orders"),
        ('{"password": "', "K9maple#Qu{ay}77", '"}'),
        ('{"password": "', r"K9maple#Qu\"ay77secret", '", "user": "dana"}'),
        ('{"password": "', r"K9maple#Qu\tay77\\", '"}'),
        (r"{\"password\": \"", r"K9maple#Qu\\\"ay77secret", r"\"}"),
        ("password = '", r"K9maple#Qu\'ay77s", "' + 'x'"),
        ("mysql -u root -p'", 'K9maple#Qu"ay77s', "' shop"),
        ("<password>", "K9maple#Qu&quot;ay77secret", "</password>"),
        ('token="', "q7Rm2Kd9Zt4Lw8Xb5Nc3Vh6Jp1{2%3", '"'),
        ("Password: ", 'K9maple#Qu"ay77{x', ", user: dana"),
        ("Password: ", "K9maple#Quay77", '"}'),
        ("Password: '", "K9maple#Quay77", " and so on'"),
    ],
)
def test_a_value_is_found_to_its_end(before: str, value: str, behind: str) -> None:
    text = before + value + behind
    spans = merged((match.start, match.end) for match in patterns("secret").find(text))
    assert [text[start:end] for start, end in spans] == [value]


@pytest.mark.parametrize("label", LABELS)
def test_names_are_distinct_and_every_validator_has_a_use(label: str) -> None:
    names = [pattern.name for pattern in patterns(label).patterns]
    assert len(set(names)) == len(names)
    used = {pattern.check for one in LABELS for pattern in patterns(one).patterns} - {None}
    assert used == VALIDATORS.keys()


@pytest.mark.parametrize(("label", "pattern"), EVERY)
def test_the_words_a_pattern_waits_for_are_in_each_of_its_examples(label: str, pattern: Pattern) -> None:
    del label
    for text in pattern.examples()[0]:
        assert not pattern.keywords or any(word in text.lower() for word in pattern.keywords)
    assert all(word == word.lower() for word in pattern.keywords)


@pytest.mark.parametrize(("label", "pattern"), EVERY)
def test_the_value_stays_found_between_other_words_and_lines(label: str, pattern: Pattern) -> None:
    text = pattern.examples()[0][0]
    (alone,) = [match for match in patterns(label).find(text) if match.name == pattern.name]
    around = f"Größe 🎉 first line\n{text}\nlast line"
    shift = around.index(text)
    (found,) = [match for match in patterns(label).find(around) if match.name == pattern.name]
    assert (found.start, found.end) == (alone.start + shift, alone.end + shift)


@pytest.mark.parametrize(("label", "pattern"), EVERY)
def test_in_strings_of_json_the_same_is_found_and_nothing_around_it(label: str, pattern: Pattern) -> None:
    for example in pattern.examples()[0]:
        text = f"first line\n{example}\n\tlast line"
        values = [text[match.start : match.end] for match in patterns(label).find(text)]
        assert values
        for _ in range(3):
            text = json.dumps({"text": text})
            values = [json.dumps(value)[1:-1] for value in values]
            assert [text[match.start : match.end] for match in patterns(label).find(text)] == values


def test_what_is_cut_out_of_json_leaves_json() -> None:
    text = json.dumps({"file": 'DB_PASSWORD="tin9Roof41x"\nHOST=db1\n', "login": "The password is orchid-Dune16!\nBye"})
    with Guard(observers=()) as guard:
        left = guard.apply(text, guard.check(text, stage=Stage.OUTPUT))
    assert json.loads(str(left)) == {
        "file": 'DB_PASSWORD="[SECRET_1]"\nHOST=db1\n',
        "login": "The password is [SECRET_2]\nBye",
    }


@settings(max_examples=60)
@given(
    before=st.text(st.characters(exclude_categories=()), max_size=30),
    after=st.text(st.characters(exclude_categories=()), max_size=30),
    label=st.sampled_from(LABELS),
    choice=st.integers(0),
)
def test_any_text_around_a_value_leaves_it_found_at_its_place(before: str, after: str, label: str, choice: int) -> None:
    everything = patterns(label).patterns
    example = everything[choice % len(everything)].examples()[0][0]
    text = f"{before}\n\n{example}\n\n{after}"
    (reading,) = PatternScreen(label).read([text], Stage.OUTPUT, [NOWHERE])
    spans = reading.spans(label)
    assert 0.0 <= reading.scores[label] <= 1.0
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
    place = len(before) + 2
    if not set(example) & {"\n"}:  # what spans lines may reach into what follows
        assert any(start < place + len(example) and end > place for start, end in spans)


@pytest.mark.parametrize("label", LABELS)
def test_a_text_without_a_value_scores_nothing_and_one_of_a_megabyte_is_read_whole(label: str) -> None:
    filler = "The committee met on Tuesday at 10:30 and discussed item 4 (see key results). \ud800\x00 "
    example = patterns(label).patterns[0].examples()[0][0]
    text = filler * (1_000_000 // len(filler)) + example
    nothing, found = PatternScreen(label).read([filler, text], Stage.INPUT, [NOWHERE] * 2)
    assert (nothing.scores, nothing.spans(label)) == ({label: 0.0}, ((0, len(filler)),))
    assert found.scores[label] > 0.5
    assert found.spans(label)[0][0] > len(text) - len(example) - 1


RANDOM = "q7Rm2Kd9Zt4Lw8Xb5Nc3Vh6Jp1"
KEY_BEGUN = next(pattern for pattern in patterns("secret").patterns if pattern.name == "private-key").examples()[0][2]


@pytest.mark.parametrize(
    ("label", "text", "values"),
    [
        ("secret", f"{KEY_BEGUN}(truncated)\n\nThe rest of the answer follows here.", [KEY_BEGUN.rstrip()]),
        ("secret", f"```\n{KEY_BEGUN}```\nThe rest of the answer follows here.", [KEY_BEGUN.rstrip()]),
        ("secret", "**Password**: `Maple#Quay77`, and", ["Maple#Quay77"]),
        ("secret", "Password: **Maple#Quay77**", ["Maple#Quay77"]),
        ("secret", "grant_type=password&password=tin9Roof41x&scope=all", ["tin9Roof41x"]),
        ("secret", "oldPassword=tin9Roof41x&newPassword=Maple7Quay", ["tin9Roof41x", "Maple7Quay"]),
        ("secret", "password: tin9&Roof41x", ["tin9&Roof41x"]),
        ("secret", "password: Maple#Quay77...", ["Maple#Quay77"]),
        ("secret", "password: Ma`ple**7.Quay77*", ["Ma`ple**7.Quay77*"]),
        ("secret", f"**API key:** `{RANDOM}`.", [RANDOM]),
        ("secret", f"API key:\n```\n{RANDOM}\n```", [RANDOM]),
        ("secret", f"<api_key>{RANDOM}</api_key>", [RANDOM]),
        ("secret", f"Authorization: Bearer {RANDOM}...", [RANDOM]),
        ("secret", f"Your API key is `{RANDOM}`.", [RANDOM]),
        ("secret", f"API_KEY ={RANDOM}", [RANDOM]),
        ("secret", f"Run tool --token {RANDOM}.", [RANDOM]),
        ("secret", "setPassword('gT7#kL9(pQ2)');", ["gT7#kL9(pQ2)"]),
        ("secret", "Password: “Maple#Quay77”.", ["Maple#Quay77"]),
        ("secret", "mysql://root:S3cur3P@ss!@10.0.0.4/shop?x=a@b", ["S3cur3P@ss!"]),
        ("personal_data", "+49 30 7712 8450 - 8455", ["+49 30 7712 8450"]),
        ("personal_data", "+49 30 7712 8450 2026-03-01", ["+49 30 7712 8450"]),
        ("personal_data", "+49 30 7712 8450. 10 people", ["+49 30 7712 8450"]),
        ("personal_data", "To dana.meyer@harbourmail.net.\nThanks", ["dana.meyer@harbourmail.net"]),
        ("personal_data", "it was _dana.meyer@harbourmail.net_...", ["dana.meyer@harbourmail.net"]),
        ("personal_data", "to dana.meyer@harbourmail.net--the new one", ["dana.meyer@harbourmail.net"]),
        ("personal_data", "{'mail': 'o'neil@harbourmail.net'}", ["o'neil@harbourmail.net"]),
        ("personal_data", "Mail müller@firmahaus.de", ["müller@firmahaus.de"]),
        ("personal_data", "联系dana.meyer@harbourmail.net谢谢", ["dana.meyer@harbourmail.net"]),
        ("secret", "password\uff1aMaple#Quay77\uff0c谢谢", ["Maple#Quay77"]),
        ("personal_data", "card 4971\u00a06757\u00a02783\u00a05478", ["4971\u00a06757\u00a02783\u00a05478"]),
        ("personal_data", r"card 4971\u00a06757\u00a02783\u00a05478", [r"4971\u00a06757\u00a02783\u00a05478"]),
        ("personal_data", "card 4971\u20136757\u20132783\u20135478", ["4971\u20136757\u20132783\u20135478"]),
        (
            "personal_data",
            "DE45\u202f3458\u202f6071\u202f5388\u202f6616\u202f72",
            ["DE45\u202f3458\u202f6071\u202f5388\u202f6616\u202f72"],
        ),
        ("personal_data", "SSN 531\u201148\u20117263", ["531\u201148\u20117263"]),
        ("personal_data", "\uff0b\uff14\uff19 30 7712 8450", ["\uff0b\uff14\uff19 30 7712 8450"]),
        ("personal_data", "4971675727835478 5322489148745081", ["4971675727835478", "5322489148745081"]),
        ("personal_data", "4971 6757 2783 5478 5322 4891 4874 5081", ["4971 6757 2783 5478", "5322 4891 4874 5081"]),
    ],
)
def test_a_value_ends_where_the_words_around_it_begin(label: str, text: str, values: list[str]) -> None:
    assert [text[match.start : match.end] for match in patterns(label).find(text)] == values


OTHER = "Zt4Lw8Xb5Nc3Vh6Jp1q7Rm2Kd9"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('passwords: ["Maple#Quay77", "Kettle!Bay19"]', ["Maple#Quay77", "Kettle!Bay19"]),
        ("PASSWORDS = (\n  'Maple#Quay77',\n  'Kettle!Bay19',\n)", ["Maple#Quay77", "Kettle!Bay19"]),
        ("passwords:\r\n  - Maple#Quay77\r\n  - Kettle!Bay19\r\n", ["Maple#Quay77", "Kettle!Bay19"]),
        ("Passwords:\n\n1. `Maple#Quay77`\n2. `Kettle!Bay19`\n\nBye", ["Maple#Quay77", "Kettle!Bay19"]),
        (f'{{"api_keys": ["{RANDOM}", "{OTHER}"]}}', [RANDOM, OTHER]),
        (f"API keys:\n\n* **{RANDOM}**\n* **{OTHER}**\n* and more", [RANDOM, OTHER]),
        ('setPassword("Maple#Quay77", "AdminUser2024")', ["Maple#Quay77"]),
        ('{"password": "Maple#Quay77", "user": "AdminUser2024"}', ["Maple#Quay77"]),
        ("passwords:\n- Maple#Quay77\n- Minimum8Chars are asked for\n- Kettle!Bay19", ["Maple#Quay77"]),
        ('passwords = ["Maple#Quay77", "your_Password1"]', ["Maple#Quay77"]),
    ],
)
def test_of_a_list_every_value_is_found(text: str, values: list[str]) -> None:
    for said in (text, json.dumps({"text": text})):
        found = patterns("secret").find(said)
        assert list(dict.fromkeys(said[match.start : match.end] for match in found)) == values


def test_a_list_without_end_takes_linear_work(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = VALIDATORS["password_like"]

    def watched(value: str) -> bool:
        asked.append(value)
        return real(value)

    monkeypatch.setitem(cast("dict[str, object]", VALIDATORS), "password_like", watched)
    for count in (100, 200):
        asked.clear()
        values = [f"Maple#Quay{number}" for number in range(100, 100 + count)]
        text = json.dumps({"passwords": values})
        assert len({match.start for match in patterns("secret").find(text)}) == count
        assert len(asked) <= 4 * count + 4


KEY_ROWS = "\n".join(KEY_BEGUN.splitlines()[1:])
PUTTY_KEY = next(p for p in patterns("secret").patterns if p.name == "putty-private-key").examples()[0][0]


@pytest.mark.parametrize(
    "key",
    [
        f"-----BEGIN RSA PRIVATE KEY-----\nMIIXxXx{KEY_ROWS}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN RSA PRIVATE KEY-----\nMIIxxxx{KEY_ROWS}\n-----END RSA PRIVATE KEY-----",
        KEY_BEGUN.replace("-----\n", "-----\nComment: Dana <x@acme.io>\n\n", 1).rstrip(),
        PUTTY_KEY.replace("Comment: key", "Comment: my-laptop"),
        PUTTY_KEY.replace("Comment: key", "Comment: an example"),
        "-----BEGIN RSA PRIVATE KEY-----\n" + f"{KEY_ROWS}\n" * 60 + "-----END RSA PRIVATE KEY-----",
    ],
)
def test_a_key_is_none_the_less_one_for_a_comment_chance_letters_or_its_length(key: str) -> None:
    (match,) = patterns("secret").find(key)
    assert (match.start, match.end) == (0, len(key))


LONG = "".join(KEY_ROWS.split()).replace("+", "A").replace("/", "B") * 6
CLAIMS = base64.urlsafe_b64encode(json.dumps({"roles": LONG * 4}).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"AWS_SESSION_TOKEN={LONG}\n", LONG),
        (f"Authorization: Bearer {LONG}'", LONG),
        (f"it is ya29.{LONG}, for an hour", f"ya29.{LONG}"),
        (f"it is hvb.{LONG}, for an hour", f"hvb.{LONG}"),
        (f"it is eyJhbGciOiJIUzI1NiJ9.{CLAIMS}.{LONG[:43]}.", f"eyJhbGciOiJIUzI1NiJ9.{CLAIMS}.{LONG[:43]}"),
        (f"it is glpat-{LONG[:99]}.01.1a2b3c4d5.", f"glpat-{LONG[:99]}.01.1a2b3c4d5"),
    ],
)
def test_a_long_value_is_found_whole(text: str, value: str) -> None:
    spans = merged((match.start, match.end) for match in patterns("secret").find(text))
    assert [text[start:end] for start, end in spans] == [value]


def test_every_value_of_a_text_is_marked() -> None:
    text = f"one {TOKENS[1]} and two {TOKENS[0]}, once more {TOKENS[1]}"
    (reading,) = PatternScreen("secret").read([text], Stage.OUTPUT, [NOWHERE])
    assert reading.scores == {"secret": 1.0}
    assert [text[start:end][:4] for start, end in reading.spans("secret")] == ["npm_"] * 3


@pytest.mark.parametrize(
    "value",
    ["xxxxxxxxxxxx", "your-api-key", "YOUR_TOKEN_HERE", "<secret>", "${SECRET}", "aaaabbbb", "abcdefgh1234", "..."],
)
def test_stand_ins_are_told_from_secrets(value: str) -> None:
    assert stands_in(value)
    assert not stands_in("k7Vq2mLz9TfR4wXs")


def test_a_failing_validator_degrades_the_check_names_the_pattern_and_lets_nothing_out(
    monkeypatch: pytest.MonkeyPatch, model_directory: Path
) -> None:
    def broken(value: str) -> bool:
        raise KeyError(value)

    monkeypatch.setitem(cast("dict[str, object]", VALIDATORS), "crc_base62", broken)
    (reading,) = Panel([PatternScreen("secret")]).read([TOKENS[0]], Stage.OUTPUT, [NOWHERE])
    assert reading.scores == {}
    assert reading.problems == ["secret: ScreenError: pattern 'npm-token': KeyError in its validator"]
    principles = (
        Principle(id="no-secrets", text="No.", label="secret", stages=(Stage.OUTPUT,)),
        Principle(id="no-harm", text="No.", label="harmful_response", stages=(Stage.OUTPUT,), threshold=1.0),
    )
    policy = Policy(name="p", version="1", principles=principles)
    verdict = Guard(policy, models=model_directory, providers="cpu", observers=()).check(TOKENS[0], stage="output")
    assert (verdict.allowed, verdict.status) == (False, Status.DEGRADED)
    assert "npm_" not in verdict.model_dump_json()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("stand_ins = true\nknown = []\npattern = 3", "'int' object is not iterable"),
        ("not toml", "Expected"),
        ("known = []\nstand_ins = true", "pattern"),
        (
            "known = []\nstand_ins = true\n[[pattern]]\nname='a'\ndescription=''\nregex='a'\ncertainty=1.0\ncheck='no'",
            "'no'",
        ),
        ("known = []\nstand_ins = true\n[[pattern]]\nname='a'\nregexp='a'", "regex"),
        ("known = []\nstand_ins = true\n[[pattern]]\nname='a'\nregex='(?&none)'", "none"),
    ],
)
def test_a_pattern_file_that_cannot_be_read_says_why(tmp_path: Path, content: str, reason: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ScreenError, match=rf"own\.toml.*{reason}"):
        load(file)
