"""Every kind of item, block and event that the packages of two providers know: read whole, or refused."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import anthropic.types as at
import pytest
from anthropic.types import beta
from openai.types import responses as rt
from pydantic import BaseModel

from guardsdk.errors import InputTypeError
from guardsdk.extract import ResponseText, prompt_passages

DEEPEST = 6
NO_WORDS = ("annotations", "citations", "citation", "annotation", "logprobs", "sources", "signature", "usage", "data")
"""Fields that ``docs/streaming.md`` names as not read, and pages by their addresses."""
PICTURES = {"ImageGenerationCall", "ResponseComputerToolCallOutputItem"}


def members(kind: Any) -> list[Any]:
    """The types in a union, however it is written."""
    if get_origin(kind) is Annotated:
        return members(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [one for part in get_args(kind) for one in members(part)]
    return [kind]


def made(kind: Any, where: str, said: list[str], depth: int = 0) -> Any:
    """A value of ``kind`` in which each string is one of its own, noted in ``said``."""
    kind = next((one for one in members(kind) if one is not type(None)), kind)
    arguments = get_args(kind)
    if get_origin(kind) is Literal:
        return arguments[0]
    if get_origin(kind) is list:
        return [made(one, where, said, depth + 1) for one in members(arguments[0])] if depth < DEEPEST else []
    if kind is str:
        if where.endswith(("id", "status")):
            return "id_1"  # with words in it, it would be none
        said.append(f"words at {where} end")
        return said[-1]
    if isinstance(kind, type) and issubclass(kind, BaseModel) and depth < DEEPEST:
        fields = kind.model_fields.items()
        values = {
            name: made(one.annotation, f"{where}.{name}", [] if name in NO_WORDS else said, depth + 1)
            for name, one in fields
        }
        return kind.model_construct(**values)
    return {bool: True, int: 0, float: 0.5}.get(kind)


def wrapped(value: Any, kind: Any) -> Any:
    """``value`` where it stands in an answer."""
    if kind in ITEMS:
        return {"object": "response", "output": [value]}
    return {"role": "assistant", "content": [value]} if kind in BLOCKS else value


ITEMS = members(rt.ResponseOutputItem)
BLOCKS = [*members(at.ContentBlock), *members(beta.BetaContentBlock)]
EVENTS = [*members(rt.ResponseStreamEvent), *members(at.RawMessageStreamEvent)]


@pytest.mark.parametrize("kind", [*ITEMS, *BLOCKS, *EVENTS], ids=lambda kind: kind.__name__)
def test_every_string_of_an_answer_is_read_or_all_of_it_refused(kind: Any) -> None:
    said: list[str] = []
    answer = ResponseText()
    value = made(kind, kind.__name__, said)
    try:
        answer.add(wrapped(value, kind))
    except InputTypeError:
        assert kind.__name__ in PICTURES or "Image" in kind.__name__ or "Audio" in kind.__name__ or has_picture(value)
        return
    read = "\n".join(answer.texts())
    assert [one for one in said if one not in read] == []


def has_picture(value: Any) -> bool:
    """Whether an event holds a response, and with it all its items."""
    return any(f"{name}(" in repr(value) for name in PICTURES)


@pytest.mark.parametrize(
    "kind", [one for one in ITEMS if "role" not in one.model_fields], ids=lambda kind: kind.__name__
)
def test_every_item_of_an_answer_may_stand_in_the_next_prompt(kind: Any) -> None:
    said: list[str] = []
    for item in (made(kind, kind.__name__, said), made(kind, kind.__name__, said).model_dump(warnings=False)):
        assert prompt_passages([item, {"role": "user", "content": "And then?"}])[-1].text == "And then?"
