"""Structured answers: what a guarded callable may return that is no text and no response of a library."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import enum
import json
import random
from collections import UserString
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import httpx
import openai
import pytest
from langchain_core.documents import Document
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel, ConfigDict, HttpUrl, RootModel, SecretStr, ValidationError

from guardsdk import Blocked, guarded
from guardsdk.errors import InputTypeError
from guardsdk.extract import ResponseText
from guardsdk.extract.rewrite import rewrite
from guardsdk.verdict import Stage
from tests.acting import guard_of
from tests.samples import OUTPUT_BENIGN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from guardsdk import Guard

FILE = base64.b64encode(random.Random(7).randbytes(240)).decode()
PACKED = base64.b64encode(b"Plain words, some of them. " * 9).decode()


def texts(answer: object) -> list[str]:
    response = ResponseText(data=True)
    response.add(answer)
    return response.texts()


class Pages(Sequence[str]):
    """A collection that shows nothing of what is in it."""

    def __init__(self, *pages: str) -> None:
        self._pages = pages

    def __len__(self) -> int:
        return len(self._pages)

    def __getitem__(self, at: Any) -> Any:
        return self._pages[at]


class Tags(AbstractSet[str]):
    """The same without an order."""

    def __init__(self, *tags: str) -> None:
        self._tags = tags

    def __len__(self) -> int:
        return len(self._tags)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tags)

    def __contains__(self, tag: object) -> bool:
        return tag in self._tags


class Line(BaseModel):
    what: str
    price: Decimal = Decimal("1.50")


class Invoice(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)

    customer: str
    day: dt.date = dt.date(2026, 11, 26)
    lines: list[Line] = []


@dataclass(frozen=True, slots=True)
class Contact:
    name: str
    tags: set[str] = field(default_factory=set)


class Place(NamedTuple):
    floor: int
    room: str


class Cat(BaseModel):
    type: Literal["cat"] = "cat"
    name: str


class Size(enum.Enum):
    SMALL = "sk-1"


class Web(BaseModel):
    page: HttpUrl


MAKERS: dict[str, Callable[[str], Any]] = {
    "a model": lambda words: Invoice(customer=words),
    "a model inside": lambda words: Invoice(customer="Ann", lines=[Line(what="tea"), Line(what=words)]),
    "a field nobody declared": lambda words: Invoice.model_validate({"customer": "Ann", "note": words}),
    "a root model": lambda words: RootModel[list[str]](["fine", words]),
    "a model that says what it is": lambda words: Cat(name=words),
    "a dataclass": Contact,
    "a set in a dataclass": lambda words: Contact("Ann", {words}),
    "a named tuple": lambda words: Place(3, words),
    "a dictionary": lambda words: {"answer": words, "confidence": 0.9},
    "a dictionary inside": lambda words: {"rows": [{"cells": ("fine", words)}, 7, None]},
    "an account": lambda words: {"name": words, "role": "user"},
    "a task": lambda words: {"title": words, "done": True},
    "a quiz": lambda words: {"question": "Which?", "choices": ["fine", words]},
    "a quiz of models": lambda words: {"question": "Which?", "choices": [Line(what=words)]},
    "a list of models": lambda words: [Line(what="tea"), Line(what=words)],
    "a list with numbers": lambda words: [1, words, None],
    "a set": lambda words: {words, 1},
    "a document": lambda words: [Document("fine", metadata={"title": words})],
    "raw and parsed": lambda words: {"raw": AIMessage("fine"), "parsed": Line(what=words), "parsing_error": None},
    "what an agent leaves behind": lambda words: {"messages": [HumanMessage("hello"), AIMessage(words)]},
    "a call in a message inside": lambda words: {
        "last": AIMessage("", tool_calls=[{"name": "f", "args": {"to": words}, "id": "1"}])
    },
}
every_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def answering(action: str, label: str = "code") -> Callable[[object], Any]:
    """Return a guarded callable that answers with what it is asked for."""

    @guarded(guard=guard_of(action, Stage.OUTPUT, label=label), input=False, prompt="answer")
    def ask(answer: object) -> object:
        return answer

    return ask


@every_maker
def test_a_structured_answer_passes_as_it_is_and_is_blocked_as_a_whole(make: Callable[[str], Any]) -> None:
    ask = answering("block")
    fine = make("fine words")
    assert ask(fine) is fine
    with pytest.raises(Blocked):
        ask(make("the code sk-12 of it"))


@every_maker
async def test_so_it_is_in_async(make: Callable[[str], Any]) -> None:
    @guarded(guard=guard_of("block", Stage.OUTPUT), input=False)
    async def ask(words: str) -> object:
        return make(words)

    assert await ask("fine words") == make("fine words")
    with pytest.raises(Blocked):
        await ask("the code sk-12 of it")


@every_maker
def test_what_is_cut_out_of_it_is_cut_out_of_a_copy_of_its_type(make: Callable[[str], Any]) -> None:
    answer = make("the code sk-12 of it")
    before = copy.deepcopy(answer)
    changed = answering("redact")(answer)
    assert type(changed) is type(answer)
    assert changed == make("the code [CODE_1] of it")
    assert answer == before


def test_names_that_the_host_gave_its_fields_are_no_words_and_keys_are() -> None:
    class Finding(BaseModel):
        model_config = ConfigDict(extra="allow")

        said: str
        page: int | None = None
        score: float = 0.5
        second_source: str | None = None

    assert texts(Finding(said="It rains.")) == ["It rains."]
    assert texts(Finding.model_validate({"said": "It rains.", "ignore": 1, "all": 1, "orders": 1})) == [
        "It rains.\nignore all orders"
    ]
    assert texts({"said": "It rains.", "page": None, "score": 0.5, "source": None}) == ["It rains.\npage score source"]


def test_a_long_number_that_is_a_key_is_read_and_cut_out() -> None:
    with pytest.raises(Blocked):
        answering("block")({"accounts": {"sk-123456789": 1, "date-20260101": 2}})
    ask = answering("redact")
    assert ask({"accounts": {"sk-123456789": 1}}) == {"accounts": {"[CODE_1]": 1}}
    assert ask({"the code is sk-12": 1}) == {"the code is [CODE_1]": 1}
    called = AIMessage("", tool_calls=[{"name": "f", "args": {"sk-123456789": 1}, "id": "1"}])
    assert ask(called).tool_calls[0]["args"] == {"[CODE_1]": 1}


def test_a_value_that_was_cut_out_is_gone_from_the_keys_and_comes_back_there() -> None:
    assert answering("redact")({"note": "the code sk-12", "by": {"sk-12": 1}}) == {
        "note": "the code [CODE_1]",
        "by": {"[CODE_1]": 1},
    }
    seen: list[object] = []

    @guarded(guard=guard_of("redact", Stage.INPUT, Stage.TOOL), output=False)
    def ask(messages: list[dict[str, Any]]) -> object:
        seen.extend(messages)
        return messages[-1]["parts"][0]["function_response"]["response"]

    found = {"function_response": {"name": "f", "response": {"sk-12": {"balance": 3}}}}
    messages = [{"role": "user", "parts": [{"text": "the code sk-12"}]}, {"role": "user", "parts": [found]}]
    assert ask(messages) == {"sk-12": {"balance": 3}}
    assert "sk-12" not in str(seen)


INSULTS = [
    "You are a worthless idiot and should kill yourself.",
    "All of you people are stupid pigs and nobody wants you here.",
    "Women like her belong in the kitchen, she is a dumb whore.",
]
RECORD = {
    "id": "0b0b4c3e-5f0d-4c6b-9a53-1c8f7a2d9e11",
    "created": "2026-11-29T21:48:27.593265+00:00",
    "status": "completed",
}


def test_what_is_said_beside_identifiers_is_read_by_itself_too() -> None:
    record = {**RECORD, "title": "Fine words.", "notes": ["Some", "more of them."]}
    assert texts(record) == [
        "\n".join([*RECORD.values(), "Fine words.", "Some", "more of them."]),
        "Fine words.\nmore of them.",
    ]
    assert texts(RECORD) == ["\n".join(RECORD.values())]
    assert texts({"title": "Re", "body": "Fine words."}) == ["Re\nFine words."]
    several = ResponseText(data=True)
    several.add([record, record])
    assert several.together()[0] == [texts(record)[0]] * 2


def records(words: str, number: int) -> dict[str, object]:
    """One of several records as programs keep them, with ``words`` in it."""
    about: list[dict[str, object]] = [
        {"object": "message", "model": "m-4-mini-2026", "output": {"kind": "text", "value": words}},
        {"url": f"https://example.org/a/b/{RECORD['id']}", "title": words},
        {"from": "dana@example.org", "to": ["kim@example.org"], "labels": ["INBOX", "UNREAD"], "body": words},
    ]
    return {**RECORD, **about[number]}


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("words", INSULTS)
def test_identifiers_hide_no_harmful_answer(guard: Guard, words: str, number: int) -> None:
    ask = guarded(guard=guard, input=False, prompt="answer")(lambda answer: answer)
    assert not guard.check(words, stage=Stage.OUTPUT).allowed
    with pytest.raises(Blocked):
        ask(records(words, number))
    fine = records(OUTPUT_BENIGN["rice"][1], number)
    assert ask(fine) is fine


@pytest.mark.parametrize("words", INSULTS)
def test_nor_do_they_in_what_a_tool_is_called_with(guard: Guard, words: str) -> None:
    ask = guarded(guard=guard, input=False, prompt="answer")(lambda answer: answer)

    def calls(said: str) -> list[object]:
        asked = records(said, 2)
        call = {"id": "1", "type": "function", "function": {"name": "post", "arguments": json.dumps(asked)}}
        block = {"type": "tool_use", "id": "1", "name": "post", "input": asked}
        part = {"functionCall": {"name": "post", "args": asked}}
        return [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "assistant", "content": [block]},
            {"candidates": [{"content": {"role": "model", "parts": [part]}}]},
        ]

    for one in calls(words):
        with pytest.raises(Blocked):
            ask(one)
    for one in calls(OUTPUT_BENIGN["rice"][1]):
        assert ask(one) is one


def test_what_lies_in_two_fields_is_read_together() -> None:
    ask = answering("block", "split")
    ask(Contact("plan"))
    with pytest.raises(Blocked):
        ask(Contact("plan", {"bombs"}))
    with pytest.raises(Blocked):
        ask({"last": AIMessage("bombs"), "title": "plan"})


@pytest.mark.parametrize("answer", [7, 7.5, True, None, Decimal(3), {}, Place(1, "")])
def test_numbers_have_no_words(answer: object) -> None:
    ask = answering("block")
    assert ask(answer) is answer


def test_a_member_of_an_enumeration_is_read_and_never_changed() -> None:
    with pytest.raises(Blocked):
        answering("block")(Size.SMALL)
    with pytest.raises(Blocked):
        answering("redact")({"size": Size.SMALL})
    assert Size.SMALL.value == "sk-1"


def test_an_object_that_is_its_own_copy_is_never_changed() -> None:
    class Shared:
        text = ""

        def __copy__(self) -> Shared:
            return self

    shared = Shared()
    shared.text = "sk-1"
    assert rewrite(shared, lambda text: [(0, len(text), "")]) is shared
    assert shared.text == "sk-1"


def failed(words: str) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Line.model_validate({"what": "tea", "price": words})
    return caught.value


@pytest.mark.parametrize(
    "make",
    [
        ValueError,
        lambda words: KeyError({"answer": words}),
        lambda words: OutputParserException("no JSON", llm_output=words),
        lambda words: ExceptionGroup("two", [ValueError("fine"), ValueError(words)]),
        lambda words: failed("plain " * 40 + words + " plain" * 40),
    ],
    ids=["says it", "holds it", "carries it", "holds one that does", "a model's"],
)
def test_an_error_in_the_place_of_an_answer_is_read_as_the_data_it_is(make: Callable[[str], BaseException]) -> None:
    fine = ["fine", make("no such words")]
    assert answering("block")(fine) is fine
    with pytest.raises(Blocked):
        answering("block")(["fine", make("the code sk-12 of it")])


def test_an_error_is_changed_in_a_copy_or_blocked() -> None:
    error = OutputParserException("Invalid: sk-12", llm_output="the code sk-12 of it")
    answer = {"raw": AIMessage("sk-12"), "parsed": None, "parsing_error": error}
    changed = answering("redact")(answer)["parsing_error"]
    assert type(changed) is OutputParserException
    assert "sk-12" not in f"{changed!r} {vars(changed)}"
    assert (str(error).count("sk-12"), error.llm_output) == (1, "the code sk-12 of it")
    with pytest.raises(Blocked):
        answering("redact")([failed("sk-12")])


def test_what_a_client_hangs_on_its_error_is_left_alone() -> None:
    request = httpx.Request("POST", "https://example.org", content=b"a prompt")
    response: Any = httpx.Response(429, request=request)  # or another client's: openai has changed it
    error = openai.RateLimitError("Slow down.", response=response, body={"code": "quota"})
    answers = ["fine", error]
    assert answering("block")(answers) is answers


def test_what_cannot_be_changed_is_blocked() -> None:
    ask = answering("redact")
    with pytest.raises(Blocked):
        ask(Web(page=HttpUrl("https://example.org/sk-12")))


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (b"words", "builtins.bytes"),
        ({"page": b"words"}, "builtins.bytes"),
        ([Contact("Ann"), memoryview(b"words")], "builtins.memoryview"),
        ({"key": SecretStr("words")}, "pydantic.types.SecretStr"),
        ({"a": object()}, "builtins.object"),
        (Invoice, "ModelMetaclass"),
        ({"picture": {"type": "image_url", "image_url": {"url": "https://example.org"}}}, "'image_url'"),
        ({"last": AIMessage([{"type": "image", "url": "https://example.org"}])}, "'image'"),
        ({"type": "image_generation_call", "result": "AAAA"}, "'image_generation_call'"),
        (Line(what=FILE), "base64"),
        (Line(what="\n".join(FILE[at : at + 76] for at in range(0, len(FILE), 76))), "base64"),
        ({"created": 0, "data": [{"b64_json": "AAAA"}]}, "'dict'"),
        ({"picture": "data:image/png;base64,AAAA"}, "base64"),
    ],
)
def test_what_cannot_be_read_in_it_is_refused_with_the_way_out(answer: object, named: str) -> None:
    with pytest.raises(InputTypeError) as caught:
        answering("block")(answer)
    assert named in str(caught.value)
    assert "extract_response=" in str(caught.value)
    assert "words" not in str(caught.value)


def test_what_can_be_read_only_once_is_refused_inside_an_answer_too() -> None:
    with pytest.raises(InputTypeError, match="list_iterator can be read only once"):
        answering("block")({"rows": iter(["words"])})


@pytest.mark.parametrize("text", ["ab12" * 60, PACKED, "word" * 60])
def test_long_strings_that_are_no_files_are_read(text: str) -> None:
    answer = ResponseText(data=True)
    answer.add({"text": text})
    assert answer.texts() == [text]


def test_a_file_that_the_provider_fetched_is_refused() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": FILE}
    page = {"type": "web_fetch_result", "url": "https://example.org", "content": {"type": "document", "source": source}}
    block = {"type": "web_fetch_tool_result", "tool_use_id": "s1", "content": page}
    with pytest.raises(InputTypeError, match="base64"):
        answering("block")({"type": "message", "role": "assistant", "content": [block]})


def test_a_completion_without_choices_has_no_words() -> None:
    answer = ResponseText(data=True)
    answer.add({"id": "c 1", "object": "chat.completion", "model": "m", "choices": []})
    answer.add({"choices": [], "question": "Which?"})
    assert answer.texts() == ["c 1", "Which?"]


def test_an_extractor_may_say_which_fields_are_read() -> None:
    @guarded(guard=guard_of("block", Stage.OUTPUT), input=False, extract_response=lambda found: {"to": found.name})
    def ask(name: str) -> Contact:
        return Contact(name, {"sk-1"})

    assert ask("Ann").tags == {"sk-1"}
    with pytest.raises(Blocked):
        ask("sk-1")


def test_a_stream_of_data_is_refused_since_nobody_knows_how_its_strings_go_on() -> None:
    @guarded(guard=guard_of("block", Stage.OUTPUT), input=False)
    def ask(words: str) -> Generator[object, None, object]:
        yield "fine"
        if words != "returned":
            yield {"delta": words}
        return {"answer": "sk-1"}

    with pytest.raises(InputTypeError, match="extract_response="):
        list(ask("sk-"))
    with pytest.raises(Blocked):  # what a generator returns goes on in nothing
        list(ask("returned"))


WORDS = "Some words in here."


class Mood(enum.Enum):
    KIND = WORDS


@pytest.mark.parametrize(
    "answer",
    [
        {"pages": Pages(WORDS)},
        [Tags(WORDS)],
        Tags(WORDS),
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": Pages(WORDS)}}]},
        *(
            {"role": "assistant", "content": "Fine.", "note": note}
            for note in (Pages(WORDS), Tags(WORDS), UserString(WORDS), Mood.KIND, ValueError(WORDS))
        ),
    ],
)
def test_a_value_of_any_kind_that_holds_text_is_read_wherever_it_is(answer: object) -> None:
    assert any(WORDS in text for text in texts(answer))
