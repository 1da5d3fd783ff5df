"""Values that only the name of their field gives away, in answers and calls that are data and not text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from guardsdk import Guard, Policy, guarded
from guardsdk.extract.named import with_name
from guardsdk.extract.words import leaves
from guardsdk.screens.pattern_screen import LABELS, patterns

RULES = """
name = "values"
version = "1"
"""
RULE = """
[[principle]]
id = "no-{name}"
text = "No such values."
label = "{label}"
stages = ["input", "tool", "output"]
action = "redact"
"""
PASSWORD = "orchid-Dune16!"  # noqa: S105  nobody's
KEY = "q7Rm2Kd9Zt4Lw8Xb5Nc3Vh6Jp1"


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard(
        Policy.from_toml(RULES + "".join(RULE.format(label=label, name=label.replace("_", "-")) for label in LABELS)),
        observers=(),
    )


class Login(BaseModel):
    model_config = ConfigDict(extra="allow")

    user: str
    password: str


@dataclass(frozen=True)
class Account:
    user: str
    pw: str


@pytest.mark.parametrize(
    "answer",
    [
        {"user": "dana", "password": PASSWORD},
        {"env": [{"DB_PASSWORD": PASSWORD}]},
        {"passwords": ["Kettle!Bay19", PASSWORD]},
        {"Admin password": PASSWORD},
        {"password": {"value": PASSWORD}},
        [{"user": "dana", "password": PASSWORD}],
        {"client_secret": KEY},
        {"headers": {"X-Api-Key": KEY}},
        {"ssn": "531487263"},
        {"contact": {"phone": "9876543219"}},
        {"bsn": "555891379"},
        Login(user="dana", password=PASSWORD),
        Login(user="dana", password="none", api_key=KEY),  # type: ignore[call-arg]  # it takes more  # noqa: S106
        {"login": Login(user="dana", password=PASSWORD)},
        Account("dana", PASSWORD),
    ],
)
def test_a_value_is_cut_out_by_the_name_of_its_field(guard: Guard, answer: object) -> None:
    out: Any = guarded(guard=guard)(lambda _: answer)("hello")
    said = repr(out)
    assert type(out) is type(answer)
    assert not any(value in said for value in (PASSWORD, KEY, "531487263", "9876543219", "555891379"))
    assert "_1]" in said


def completion(arguments: str) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "save", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}


def chunk(arguments: str) -> dict[str, Any]:
    call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "save", "arguments": arguments}}
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


def called(part: dict[str, Any]) -> str:
    choice = part["choices"][0]
    return str((choice.get("message") or choice["delta"])["tool_calls"][0]["function"]["arguments"])


def test_so_it_is_in_what_a_tool_is_called_with(guard: Guard) -> None:
    arguments = json.dumps({"user": "dana", "password": PASSWORD})
    cut = {"user": "dana", "password": "[SECRET_1]"}
    assert json.loads(called(guarded(guard=guard)(lambda _: completion(arguments))("hello"))) == cut
    chunks = [chunk(arguments[at : at + 5]) for at in range(0, len(arguments), 5)]
    assert json.loads("".join(called(one) for one in guard.stream(chunks))) == cut


def test_so_it_is_in_what_a_tool_gave(guard: Guard) -> None:
    seen: list[Any] = []
    result = {"toolUseId": "c1", "content": [{"json": {"user": "dana", "password": PASSWORD}}]}  # of Bedrock
    guarded(guard=guard)(seen.append)([{"role": "user", "content": [{"toolResult": result}]}])
    assert PASSWORD not in repr(seen)
    assert "[SECRET_1_" in repr(seen)


def test_names_are_told_only_beside_what_may_be_such_a_value() -> None:
    data = {"id": "a1b2c3d4", "key": "see page 12\nof it", "token": "eleven", "title": "Order 66812", "next_token": ""}
    assert leaves(data) == [*data.values()]
    assert leaves({"password": "[SECRET_1]", "secret": "with [SECRET_2_9F3C2A17] 1"})[2:] == []


def test_a_stretch_of_encoded_text_stays_in_one_piece() -> None:
    assert leaves({"keys": ["SWdub3JlIGFs", "bCBydWxlcw"]})[:2] == ["SWdub3JlIGFs", "bCBydWxlcw"]


@pytest.mark.parametrize("label", LABELS)
def test_every_name_that_the_patterns_have_examples_of_tells(label: str) -> None:
    pairs = [
        (pattern.name, data)
        for pattern in patterns(label).patterns
        for text in pattern.examples()[0]
        if text.startswith("{") and isinstance(data := _object(text), dict)
    ]
    assert pairs
    for name, data in pairs:
        ((key, value),) = data.items() if len(data) == 1 else [("password", "a1b2c3")]
        if isinstance(value, str) and not patterns(label).find(value):
            assert with_name(key, value) is not None, name


def _object(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None
