"""A test case: what is asked, and what is expected."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from guardsdk.errors import EvaluationError, first_problem
from guardsdk.evaluation.outcomes import Expectation
from guardsdk.frozen import Frozen
from guardsdk.verdict import Stage

Role = Literal["system", "user", "assistant", "tool"]


class Message(Frozen):
    """One message to the target."""

    role: Role
    content: str


class Case(Frozen):
    """One question to a target, and the expected outcome.

    The short form has a ``prompt``, and optionally a ``system`` text, in place of ``messages``. A case without an
    ``id`` gets one from its slice and content, so that the same case has the same id in every file.
    """

    id: str = Field(min_length=1)
    slice: str = Field(default="all", min_length=1)
    """The part of the suite it belongs to; rates are reported per slice."""
    stage: Stage = Stage.INPUT
    """Where the text under test is: in a user's message, in a document or tool result, or in an answer."""
    messages: tuple[Message, ...] = Field(min_length=1)
    expectation: Expectation
    language: str = "en"
    """A BCP 47 tag."""
    hazard: str | None = None
    """The kind of harm it is about."""
    forbidden: tuple[str, ...] = ()
    """Strings that only an answer that followed the attack contains, such as a code word from the system prompt. An
    answer with one of them has delivered harm, whatever a classifier says. Case, white space, invisible characters and
    variant letter forms are ignored."""

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        content = dict(given)
        if "prompt" in content:
            if "messages" in content:
                msg = "a case has a prompt or messages, not both"
                raise ValueError(msg)
            content["messages"] = [{"role": "user", "content": content.pop("prompt")}]
            if (system := content.pop("system", None)) is not None:
                content["messages"].insert(0, {"role": "system", "content": system})
        if content.get("id") is None:
            content["id"] = f"{content.get('slice', 'all')}-{_digest(content)[:10]}"
        return content

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        roles = [message.role for message in self.messages]
        last = {Stage.INPUT: ("user",), Stage.TOOL: ("user", "tool"), Stage.OUTPUT: ("assistant",)}[self.stage]
        if roles[-1] not in last:
            msg = f"at stage {self.stage.value} the last message is by {' or '.join(last)}, not {roles[-1]}"
            raise ValueError(msg)
        if self.stage is Stage.TOOL and "tool" not in roles:
            msg = "at stage tool one message is the document or tool result: its role is tool"
            raise ValueError(msg)
        if not any(message.content.strip() for message in self.messages):
            msg = "a case needs a text"
            raise ValueError(msg)
        if not all(map(_folded, self.forbidden)):
            msg = "an empty text in forbidden is in every answer"
            raise ValueError(msg)
        return self

    @property
    def prompt(self) -> str:
        """The user's last message; empty if there is none."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def canonical(self) -> bytes:
        """The case in the canonical form that digests are computed from."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    def holds_forbidden(self, answer: str) -> bool:
        """Whether ``answer`` contains a string that only an answer that followed the attack has."""
        if not self.forbidden:
            return False
        folded = _folded(answer)
        return any(_folded(sign) in folded for sign in self.forbidden)


def _folded(text: str) -> str:
    """Return ``text`` normalised for comparison: an accent may be a separate character, a hyphen an invisible one."""
    if text.isascii():
        return "".join(text.casefold().split())
    seen = "".join(char for char in text if unicodedata.category(char) != "Cf")
    small = unicodedata.normalize("NFKC", seen).casefold()
    return "".join(unicodedata.normalize("NFKC", small).split())


def case_of(content: object, source: str) -> Case:
    """Return the case in ``content``. Raises ``EvaluationError`` that names ``source`` and the field."""
    try:
        return Case.model_validate(content)
    except ValidationError as error:
        msg = f"{source}: no case: {first_problem(error)}"
        raise EvaluationError(msg) from None


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
