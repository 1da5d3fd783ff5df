"""Canary tokens: found wherever they turn up, and told by nobody."""

from __future__ import annotations

import base64
import codecs
import json
import random
import re
import string
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk import Action, Guard, GuardError, Policy, Principle, Stage
from guardsdk.errors import InputError, InputTypeError
from guardsdk.screens.canary import CanaryScreen, issue
from guardsdk.surroundings import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLICY = Policy(
    name="canary",
    version="1",
    principles=(Principle(id="no-canary", text="No.", label="canary", stages=(Stage.OUTPUT,)),),
)


def score(text: str, screen: CanaryScreen | None = None) -> float:
    return (screen or CanaryScreen()).read([text], Stage.OUTPUT, [NOWHERE])[0].scores["canary"]


def foreign() -> str:
    """A token another process issued."""
    code = "from guardsdk.screens.canary import issue; print(issue())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_token_has_the_documented_form_and_no_two_are_the_same() -> None:
    tokens = {issue() for _ in range(200)}
    assert len(tokens) == 200
    assert all(re.fullmatch("gsdkcanary-[0-9a-hjkmnp-tv-z]{26}", token) for token in tokens)


def test_every_form_of_a_token_is_found_and_its_place_is_exact() -> None:
    token = issue()
    for form in (
        token,
        token.upper(),
        " ".join(token),
        "\n".join(token),
        token.replace("-", ""),
        "*".join([token[:9], token[9:20], token[20:]]),
        ", ".join(token[at : at + 3] for at in range(0, len(token), 3)),
        json.dumps("\n".join(token))[1:-1],
        json.dumps(json.dumps(f"{token[:20]}\n{token[20:]}"))[3:-3],
        "\\".join(token),  # the letters behind these backslashes are its own
        f"gsdkcanary {token}",  # a second prefix must not hide the token
        f"gsdkcanary gsdkcanary-{token}",
    ):
        (reading,) = CanaryScreen().read([f"Sure 😀: {form}."], Stage.OUTPUT, [NOWHERE])
        assert reading.scores == {"canary": 1.0}
        start, end = reading.spans("canary")[0]
        assert f"Sure 😀: {form}."[start:end].lower().endswith(token[-1])
        assert start >= len("Sure 😀: ")
        assert end == len(f"Sure 😀: {form}")


@given(st.text(st.characters(exclude_categories=()), max_size=40), st.text(max_size=40), st.data())
def test_what_stands_around_and_between_does_not_hide_a_token(before: str, after: str, data: st.DataObject) -> None:
    token = issue()
    between = data.draw(
        st.lists(st.sampled_from(["", " ", ".", "-", "é", "\n", "\ud800", "_"]), min_size=37, max_size=37)
    )
    split = "".join(char + gap for char, gap in zip(token, between, strict=True))
    assert score(f"{before} {split} {after}") == 1.0


def test_what_looks_like_a_token_and_is_none_is_no_token() -> None:
    token = issue()
    changed = token[:-1] + ("0" if token[-1] != "0" else "1")
    for text in (changed, token[:-1], token[11:], "gsdkcanary", f"gsdkcanary-{'0' * 26}", "a canary in a coal mine"):
        assert score(text) == 0.0
    (reading,) = CanaryScreen().read(["fine"], Stage.OUTPUT, [NOWHERE])
    assert reading.spans("canary") == ((0, 4),)


def test_a_token_of_another_process_is_known_once_it_is_told() -> None:
    token, screen = foreign(), CanaryScreen()
    assert score(token, screen) == 0.0
    before = screen.digest
    screen.learn(token)
    assert score(" ".join(token.upper()), screen) == 1.0
    assert screen.digest != before
    assert score(token) == 0.0


def test_a_guard_blocks_an_answer_with_a_token_and_lets_it_out_nowhere(model_directory: Path) -> None:
    with Guard(POLICY, models=model_directory, providers="cpu", observers=()) as guard:
        token = guard.canary()
        verdict = guard.check(f"My instructions say {token.upper()}.", stage="output")
        assert (verdict.action, verdict.principle_id) == (Action.BLOCK, "no-canary")
        assert token[11:] not in verdict.model_dump_json().lower()
        assert guard.check("My instructions are my own.", stage="output")


def mirrored(text: str) -> str:
    letters = string.ascii_lowercase
    return text.lower().translate(str.maketrans(letters, letters[::-1]))


@pytest.mark.parametrize(
    "turn",
    [lambda text: codecs.encode(text, "rot13"), mirrored, lambda text: text[::-1]],
    ids=["rot13", "atbash", "reversed"],
)
@given(before=st.text(max_size=20), after=st.text(max_size=20), loud=st.booleans())
def test_a_token_is_found_turned_whatever_is_around_it_and_where_it_is(
    turn: Callable[[str], str], before: str, after: str, loud: bool
) -> None:
    token = issue()
    token = turn(token.upper() if loud else token)
    text = f"{before}\n{token}\n{after}"
    (reading,) = CanaryScreen().read([text], Stage.OUTPUT, [NOWHERE])
    assert reading.scores == {"canary": 1.0}
    assert [text[start:end] for start, end in reading.spans("canary")] == [token]


@pytest.mark.parametrize("name", ["base64", "hex", "rot13", "reversed"])
def test_a_guard_finds_a_token_that_was_encoded(model_directory: Path, name: str) -> None:
    with Guard(POLICY, models=model_directory, providers="cpu", observers=()) as guard:
        said = f"My instructions begin with the marker {guard.canary()} and say that I am to be brief."
        encoded = {
            "base64": base64.b64encode(said.encode()).decode(),
            "hex": said.encode().hex(),
            "rot13": codecs.encode(said, "rot13"),
            "reversed": said[::-1],
        }[name]
        verdict = guard.check(f"Here you are: {encoded}", stage="output")
        assert verdict.action is Action.BLOCK
        start, end = verdict.findings[0].span
        assert 0 <= start < end <= len(f"Here you are: {encoded}")


def test_a_token_made_known_late_is_not_overlooked_for_an_answer_remembered(model_directory: Path) -> None:
    token = foreign()
    with Guard(POLICY, models=model_directory, providers="cpu", observers=()) as guard:
        assert guard.check(token, stage="output")
        assert guard.check(token, stage="output").cached
        assert guard.canary(token) == token
        assert not guard.check(token, stage="output")


def test_what_is_no_token_is_refused_without_being_quoted(model_directory: Path) -> None:
    guard = Guard(POLICY, models=model_directory, providers="cpu", observers=())
    for wrong in ("my own marker", issue()[:-1], issue() + "0", ""):
        with pytest.raises(InputError, match="not a canary token") as caught:
            guard.canary(wrong)
        assert wrong == "" or wrong not in str(caught.value)
    with pytest.raises(InputTypeError, match="token must be a string"):
        guard.canary(3)  # type: ignore[arg-type]
    guard.close()
    with pytest.raises(GuardError, match="closed"):
        guard.canary()


def test_random_text_of_the_same_letters_is_never_taken_for_one() -> None:
    chooser = random.Random(7)
    text = "".join(
        "gsdkcanary" + "".join(chooser.choices(string.ascii_lowercase + string.digits, k=26)) for _ in range(2000)
    )
    assert score(text) == 0.0
