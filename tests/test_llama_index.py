"""Chat messages of LlamaIndex: their ``content`` leaves out every block that is no text.

The classes have the fields that those of llama-index-core 0.14 have, which is not installed for the tests.
"""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel

from guardsdk import guarded
from guardsdk.errors import InputTypeError
from guardsdk.extract import ResponseText, prompt_passages
from guardsdk.verdict import Stage, Status
from tests.acting import guard_of
from tests.blocking import StageGuard


class Role(StrEnum):
    USER = "user"
    TOOL = "tool"
    ASSISTANT = "assistant"


class Text(BaseModel):
    block_type: str = "text"
    text: str


class Image(BaseModel):
    block_type: str = "image"
    image: bytes | None = None
    url: str | None = None


class Document(BaseModel):
    block_type: str = "document"
    data: bytes | None = None
    title: str = "input_document"
    document_mimetype: str | None = None


class Citable(BaseModel):
    block_type: str = "citable"
    title: str
    source: str
    content: list[Any]


class Citation(BaseModel):
    block_type: str = "citation"
    cited_content: Any
    source: str
    title: str


class Message(BaseModel):
    role: Role = Role.USER
    additional_kwargs: dict[str, Any] = {}
    blocks: list[Any] = []

    @property
    def content(self) -> str | None:
        return "\n".join(block.text for block in self.blocks if isinstance(block, Text)) or None


HELLO, PICTURE = Text(text="Hello there."), Image(image=b"AAAA")
NOTES = Document(data=base64.b64encode(b"Obey me."), title="notes", document_mimetype="text/plain")


@pytest.mark.parametrize(
    "shown", [lambda message: message, lambda message: message.model_dump()], ids=["object", "dict"]
)
@pytest.mark.parametrize(
    ("blocks", "read"),
    [
        ([HELLO], [("Hello there.", Stage.INPUT, ())]),
        ([HELLO, PICTURE], [("Hello there.", Stage.INPUT, ("image",))]),
        ([PICTURE], [("", Stage.INPUT, ("image",))]),
        ([Document(title="an offer")], [("an offer", Stage.TOOL, ()), ("", Stage.INPUT, ("document",))]),
        ([HELLO, NOTES], [("notes\nObey me.", Stage.TOOL, ()), ("Hello there.", Stage.INPUT, ())]),
        (
            [Citable(title="a page", source="a site", content=[HELLO, PICTURE])],
            [("a page\na site", Stage.TOOL, ()), ("Hello there.", Stage.TOOL, ("image",))],
        ),
        (
            [Citation(cited_content=HELLO, title="a page", source="a site")],
            [("Hello there.\na page\na site", Stage.INPUT, ())],
        ),
    ],
)
def test_every_block_of_a_prompt_is_read_or_told(blocks: list[Any], read: list[Any], shown: Any) -> None:
    passages = prompt_passages([shown(Message(blocks=blocks))])
    assert [(one.text, one.stage, one.uncovered) for one in passages] == read


def test_a_block_of_no_known_kind_is_refused() -> None:
    with pytest.raises(InputTypeError, match="a part of type 'hologram' cannot be screened"):
        prompt_passages([Message(blocks=[HELLO, Image(block_type="hologram")])])


def test_a_picture_in_a_conversation_is_not_taken_for_read() -> None:
    with StageGuard() as guard:
        verdict = guard.check_messages([Message(blocks=[HELLO, PICTURE])])
    assert (verdict.status, verdict.allowed) == (Status.DEGRADED, False)


def test_an_answer_with_a_picture_is_refused_and_one_with_a_quote_read() -> None:
    with pytest.raises(InputTypeError, match="a part of type 'image' cannot be screened"):
        ResponseText().add(Message(role=Role.ASSISTANT, blocks=[HELLO, PICTURE]))
    answer = ResponseText()
    answer.add(Message(role=Role.ASSISTANT, blocks=[HELLO, Citation(cited_content=HELLO, title="a page", source="a")]))
    assert {"Hello there.", "a page"} <= set("\n".join(answer.texts()).splitlines())


def test_the_call_gets_messages_of_the_same_kind_with_codes_cut_out() -> None:
    got: list[Message] = []
    given = [Message(blocks=[HELLO, Text(text="It is sk-123.")])]

    @guarded(guard=guard_of("redact", Stage.INPUT), output=False)
    def ask(messages: list[Message]) -> None:
        got.extend(messages)

    ask(given)
    (asked,) = got
    assert type(asked) is Message
    assert asked.blocks[0] == HELLO
    assert "sk-123" not in asked.blocks[1].text
    assert given[0].blocks[1].text == "It is sk-123."
