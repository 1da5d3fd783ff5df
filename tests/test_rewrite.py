"""Texts are changed in prompts and responses of any shape, which are left as they were."""

from __future__ import annotations

import copy
import functools
import json
import re
import types
from collections import ChainMap, OrderedDict, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from openai.types.chat import ParsedChatCompletion, ParsedChatCompletionMessage, ParsedChoice
from pydantic import BaseModel, ConfigDict, PrivateAttr

from guardsdk.decorator import guarded
from guardsdk.extract.rewrite import rewrite
from guardsdk.verdict import Stage
from tests.acting import guard_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.text.redact import Edit


class Pair(NamedTuple):
    first: str
    second: int


@dataclass(frozen=True)
class Frozen:
    text: str
    number: int = 7


@dataclass(slots=True)
class Slotted:
    text: str


class Model(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    text: str


class OneSlot:
    __slots__ = "text"  # noqa: PLC0205  allowed, if unusual

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OneSlot) and other.text == self.text

    __hash__ = None  # type: ignore[assignment]


class Attributes(dict[str, Any]):
    """Its keys are its attributes."""

    def __init__(self, **fields: Any) -> None:
        super().__init__(fields)
        self.__dict__ = self


class Titled(list[str]):
    def __init__(self, title: str, texts: Sequence[str]) -> None:
        super().__init__(texts)
        self.title = title


class Sealed(dict[str, Any]):
    def __copy__(self) -> Sealed:
        raise TypeError


class Plain:
    def __init__(self, text: str) -> None:
        self.text = text


def find(text: str) -> list[tuple[int, int, str]]:
    at = text.find("bad")
    return [] if at < 0 else [(at, at + 3, "[X]")]


def plain(value: Any) -> Any:
    """What can be compared of ``value``."""
    if isinstance(value, Plain):
        return vars(value)
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("so bad", "so [X]"),
        (["so bad", 7, None], ["so [X]", 7, None]),
        (("fine", "bad"), ("fine", "[X]")),
        ({"a": {"b": ["bad"]}, "bad": 1}, {"a": {"b": ["[X]"]}, "bad": 1}),
        (Pair("bad", 1), Pair("[X]", 1)),
        (OrderedDict(a="bad"), OrderedDict(a="[X]")),
        (defaultdict(str, a="bad"), defaultdict(str, a="[X]")),
        (Attributes(text="bad", more=["bad"]), Attributes(text="[X]", more=["[X]"])),
        (Frozen("bad"), Frozen("[X]")),
        (Slotted("bad"), Slotted("[X]")),
        (OneSlot("bad"), OneSlot("[X]")),
        (
            Model.model_validate({"text": "bad", "more": "bad too"}),
            Model.model_validate({"text": "[X]", "more": "[X] too"}),
        ),
        (Plain("bad"), Plain("[X]")),
        (deque(["fine", "bad"], 2), deque(["fine", "[X]"], 2)),
        (types.SimpleNamespace(text="bad"), types.SimpleNamespace(text="[X]")),
        ([HumanMessage("bad", id="1")], [HumanMessage("[X]", id="1")]),
        (
            ChatResult(generations=[ChatGeneration(message=AIMessage("bad"))]),
            ChatResult(generations=[ChatGeneration(message=AIMessage("[X]"))]),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_string_inside_is_looked_at_and_the_original_stays(value: Any, expected: Any) -> None:
    before = copy.deepcopy(value)
    found = rewrite(value, find)
    assert type(found) is type(value)
    assert plain(found) == plain(expected)
    assert plain(value) == plain(before)


def test_a_deque_keeps_how_much_it_holds() -> None:
    assert rewrite(deque(["fine", "bad"], 2), find).maxlen == 2


@pytest.mark.parametrize(
    "value",
    ["fine", ["fine"], {"a": ("fine",)}, Plain("fine"), None, 7, b"bad", find, Plain, object(), HumanMessage("fine")],
)
def test_what_needs_no_change_is_the_same_object(value: object) -> None:
    assert rewrite(value, find) is value


def test_only_what_changes_is_copied() -> None:
    kept = ["fine"]
    found = rewrite({"kept": kept, "changed": ["bad"]}, find)
    assert found["kept"] is kept


def test_token_probabilities_beside_changed_words_go_with_them() -> None:
    """They say the words once more, in pieces that nobody finds."""
    told = {"content": [{"token": "b"}, {"token": "ad"}]}
    answer = {
        "choices": [
            {"message": {"content": "so bad"}, "logprobs": told},
            {"message": {"content": "fine"}, "logprobs": told},
        ]
    }
    first, second = rewrite(answer, find)["choices"]
    assert first == {"message": {"content": "so [X]"}, "logprobs": None}
    assert second is answer["choices"][1]
    message = AIMessage("bad", response_metadata={"logprobs": told, "model": "m"})
    assert rewrite(message, find).response_metadata == {"model": "m"}
    generation = ChatGeneration(message=message, generation_info={"logprobs": told})
    assert rewrite(generation, find).generation_info == {}
    assert answer["choices"][0]["logprobs"] is message.response_metadata["logprobs"] is told


def test_an_object_that_much_hangs_on_is_looked_through_once() -> None:
    """A message may hold its client, a logger and whatever those know; each way to a thing is not followed anew."""
    looked: list[str] = []

    def count(text: str) -> list[tuple[int, int, str]]:
        looked.append(text)
        return find(text)

    things = [Plain(f"thing {number}") for number in range(8)]
    for thing in things:
        thing.others = things  # type: ignore[attr-defined]  # so that the ways through them are without number
    message = types.SimpleNamespace(role="assistant", content="so bad", client=things[0])
    found = rewrite(message, count)
    assert (found.content, found.client) == ("so [X]", things[0])
    assert len(looked) < 200


def test_what_contains_itself_or_refuses_to_change_ends() -> None:
    loop: list[Any] = ["bad"]
    loop.append(loop)
    assert rewrite(loop, find)[0] == "[X]"

    class Sealed:
        def __init__(self) -> None:
            self.text = "bad"

        def __copy__(self) -> Sealed:
            raise TypeError

    sealed = Sealed()
    assert rewrite(sealed, find) is sealed


class Remembering(BaseModel):
    text: str
    _raw: str = PrivateAttr(default="fine")

    @functools.cached_property
    def letters(self) -> list[str]:
        return list(self.text)


class Remembers:
    def __init__(self, text: str) -> None:
        self.text = text

    @functools.cached_property
    def letters(self) -> list[str]:
        return list(self.text)


def test_what_an_object_keeps_beside_its_fields_is_changed_and_what_it_made_of_them_is_made_anew() -> None:
    model = Remembering(text="so bad")
    model._raw = "bad, as it came"
    for value in (model, Remembers("so bad")):
        assert value.letters == list("so bad")
        found = rewrite(value, find)
        assert (found.text, found.letters, value.letters) == ("so [X]", list("so [X]"), list("so bad"))
    assert rewrite(model, find)._raw == "[X], as it came"
    assert model._raw == "bad, as it came"
    fine = Remembering(text="fine")
    fine._raw = "bad"
    assert rewrite(fine, find)._raw == "[X]"
    assert rewrite(Remembering(text="fine"), find).letters == list("fine")


def test_a_dictionary_with_attributes_keeps_no_old_words_in_them() -> None:
    found = rewrite(Attributes(text="bad"), find)
    assert (found["text"], found.text, found.get("none")) == ("[X]", "[X]", None)


def test_a_key_is_changed_where_it_cannot_be_the_name_of_a_field() -> None:
    found = rewrite({"bad": "fine", "so bad": 1, ("bad", 2): "bad", 3: None}, find)
    assert found == {"bad": "fine", "so [X]": 1, ("[X]", 2): "[X]", 3: None}
    ordered = OrderedDict({"so bad": "bad", "fine": 1})
    assert rewrite(ordered, find) == OrderedDict({"so [X]": "[X]", "fine": 1})
    assert rewrite({"so bad": 1, "so [X]": 2}, find) == {"so [X] (2)": 1, "so [X]": 2}
    assert ordered == OrderedDict({"so bad": "bad", "fine": 1})


def test_what_cannot_be_made_of_its_type_is_made_of_the_builtin_one() -> None:
    for value, expected in (
        (Titled("bad", ["bad"]), ["[X]"]),
        (Sealed(a="bad"), {"a": "[X]"}),
        (types.MappingProxyType({"a": "bad"}), {"a": "[X]"}),
        (ChainMap({"a": "bad"}, {"a": "bad too"}), {"a": "[X]"}),
    ):
        found = rewrite(value, find)
        assert type(found) is type(expected)
        assert found == expected


class Reply(BaseModel):
    text: str
    digits: int = 0


WRITTEN = r'{"text": "say \"sk-1\u0032\" aloud", "digits": 12}'
PARSED = Reply.model_validate_json(WRITTEN)


def without_code(string: str) -> list[Edit]:
    """Changes to JSON as it is written; what was parsed from it does not spell the code that way."""
    return [(at.start(), at.end(), "[CODE]") for at in re.finditer(r"sk-1\\u0032", string)]


@pytest.mark.parametrize(
    ("name", "beside", "answer"),
    [
        ("content", "parsed", {"content": WRITTEN, "parsed": PARSED}),
        ("text", "parsed", {"type": "output_text", "text": WRITTEN, "parsed": PARSED}),
        ("arguments", "parsed_arguments", {"arguments": WRITTEN, "parsed_arguments": PARSED}),
    ],
)
def test_what_was_parsed_from_changed_json_is_parsed_anew(name: str, beside: str, answer: dict[str, Any]) -> None:
    changed = rewrite(answer, without_code)
    assert "sk-1" not in changed[name]
    assert changed[beside] == Reply(text='say "[CODE]" aloud', digits=12)
    assert answer[beside] is PARSED
    assert rewrite(answer | {beside: {"text": "sk-12"}}, without_code)[beside] == json.loads(changed[name])
    broken = rewrite(answer, lambda string: [(0, len(string), "[GONE]")] if string == WRITTEN else [])
    assert broken[beside] is None
    assert rewrite(answer, lambda _: []) is answer


def test_a_redaction_of_a_structured_answer_is_put_back_into_what_was_parsed() -> None:
    message = ParsedChatCompletionMessage[Reply](
        role="assistant", content='{"text": "the code sk-12"}', parsed=Reply(text="the code sk-12")
    )
    choice = ParsedChoice[Reply](index=0, finish_reason="stop", message=message)
    completion = ParsedChatCompletion[Reply](id="c", created=0, model="m", object="chat.completion", choices=[choice])

    @guarded(guard=guard_of("redact", Stage.OUTPUT), input=False)
    def ask() -> ParsedChatCompletion[Reply]:
        return completion

    answer = ask().choices[0].message
    assert answer.content == '{"text": "the code [CODE_1]"}'
    assert answer.parsed == Reply(text="the code [CODE_1]")
    assert completion.choices[0].message.parsed == Reply(text="the code sk-12")
