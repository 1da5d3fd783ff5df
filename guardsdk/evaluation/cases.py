"""A case: what is asked, and what ought to come of it."""

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
    """One turn of what the target is given."""

    role: Role
    content: str


class Case(Frozen):
    """One question to a target, and what is expected of it.

    Written short it has a ``prompt``, and a ``system`` text where needed, in place of ``messages``. Without an ``id``
    it gets one from its slice and content, so that the same case has the same name in every file.
    """

    id: str = Field(min_length=1)
    slice: str = Field(default="all", min_length=1)
    """The part of the suite that rates are given for."""
    stage: Stage = Stage.INPUT
    """Where the text under test stands: in what a user says, in a document or tool result, or in an answer."""
    messages: tuple[Message, ...] = Field(min_length=1)
    expectation: Expectation
    language: str = "en"
    """BCP 47."""
    hazard: str | None = None
    """What kind of harm it is about."""
    forbidden: tuple[str, ...] = ()
    """What an answer that followed an attack would hold, such as a code word of the developer's text. An answer with
    one of them has delivered harm, whatever a classifier says: capitals, white space, characters that nobody sees and
    which of several ways a letter is written do not count."""

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
        """What the user says last; empty where no user says anything."""
        return next((message.content for message in reversed(self.messages) if message.role == "user"), "")

    @property
    def canonical(self) -> bytes:
        """The case in the one form that digests are taken of."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()

    def holds_forbidden(self, answer: str) -> bool:
        """Whether ``answer`` has a text in it that only an answer which followed the attack has."""
        if not self.forbidden:
            return False
        folded = _folded(answer)
        return any(_folded(sign) in folded for sign in self.forbidden)


def _folded(text: str) -> str:
    """Return what counts of ``text``: an accent may be a character of its own, and a hyphen be one that nobody sees."""
    if text.isascii():
        return "".join(text.casefold().split())
    seen = "".join(char for char in text if unicodedata.category(char) != "Cf")
    small = unicodedata.normalize("NFKC", seen).casefold()
    return "".join(unicodedata.normalize("NFKC", small).split())


def case_of(content: object, source: str) -> Case:
    """Return the case written as ``content``. Raises ``EvaluationError`` that names ``source`` and the field."""
    try:
        return Case.model_validate(content)
    except ValidationError as error:
        msg = f"{source}: no case: {first_problem(error)}"
        raise EvaluationError(msg) from None


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
