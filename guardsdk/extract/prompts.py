"""Text out of what goes to a model, and out of what tools give back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from guardsdk.errors import InputTypeError
from guardsdk.extract.shapes import (
    ROLES,
    TEXT_PARTS,
    TRUSTED,
    field,
    kind_of,
    leaves,
    refuse_media,
    role_of,
    string,
    unknown,
    unreadable,
    words,
)
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Passage:
    """A text and the stage it belongs to; an ``extract_prompt`` may return these to say the stage itself."""

    text: str
    stage: Stage | None = Stage.INPUT
    """``None`` for the developer's own instructions: trusted, not screened, and not to be recited in the answer."""


def prompt_passages(value: object, extractor: Callable[[Any], object] | None = None) -> list[Passage]:
    """Return what has to be screened of a prompt, in order; at least one passage, which may be empty.

    The developer's instructions are among them, as passages without a stage.

    Understood: a string; a message; a sequence of strings, messages and ``(role, text)`` pairs; LangChain prompt
    values. A message is a mapping or object with ``role`` (or ``type``) and ``content``, a string or a list of parts.
    User messages are ``input``; tool messages, tool results and text documents inside a user message are ``tool``.
    System and developer messages are trusted, assistant messages were screened as output when they were made: a host
    that takes those from its caller has to screen them itself. Of system messages only the text parts are returned.

    Raises ``InputTypeError`` for any other type, an unknown role, and parts that are not text (image, audio, file).
    """
    passages = list(_prompt(value if extractor is None else extractor(value)))
    if all(passage.stage is None for passage in passages):
        passages.append(Passage(""))
    return passages


def context_of(passages: Sequence[Passage]) -> str | None:
    """Return the text an answer is judged against: what the user said last."""
    return next((passage.text for passage in reversed(passages) if passage.stage is Stage.INPUT), None)


def system_of(passages: Sequence[Passage]) -> str | None:
    """Return the developer's instructions, joined, where there are any."""
    return "\n".join(passage.text for passage in passages if passage.stage is None) or None


def tool_passages(value: object) -> list[Passage]:
    """Return the texts in the result of a tool: a message, plain data of any nesting, else what ``str`` makes of it.

    Raises ``InputTypeError`` for a tool message with parts that are not text.
    """
    if not isinstance(value, str) and role_of(value) == "tool":
        return list(_message(value)) or [Passage("", Stage.TOOL)]
    return [Passage("\n".join(leaves(value)), Stage.TOOL)]


def _prompt(value: object) -> Iterator[Passage]:
    if isinstance(value, str):
        yield Passage(value)
    elif isinstance(value, Passage):
        yield value
    elif callable(to_messages := getattr(value, "to_messages", None)):
        yield from _prompt(to_messages())
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        for item in value:
            if isinstance(item, tuple) and len(item) == 2 and item[0] in ("user", "human", "system", "ai", "assistant"):  # noqa: PLR2004  a (role, text) pair
                yield from _message({"role": item[0], "content": item[1]})
            else:
                yield from _prompt(item)
    elif role_of(value) is not None:
        yield from _message(value)
    else:
        raise unknown(value, "extract_prompt")


def _message(message: object) -> Iterator[Passage]:
    role = role_of(message)
    if role not in ROLES:
        msg = f"a message has a role that is not one of {', '.join(ROLES)}; give extract_prompt= to say what to screen"
        raise InputTypeError(msg)
    stage = ROLES[role]
    if role in TRUSTED:
        yield from (Passage(text, None) for text in words(field(message, "content")))
    elif stage is not None:
        refuse_media(message, "extract_prompt")
        yield from _content(field(message, "output" if role.endswith("_output") else "content"), stage)


def _content(content: object, stage: Stage) -> Iterator[Passage]:
    if isinstance(content, str):
        yield Passage(content, stage)
        return
    if not isinstance(content, Sequence) or isinstance(content, bytes | bytearray | memoryview):
        raise unknown(content, "extract_prompt")
    own: list[str] = []
    for part in content:
        kind = kind_of(part)
        if isinstance(part, str):
            own.append(part)
        elif kind in TEXT_PARTS:
            own.append(string(part, "text", "extract_prompt"))
        elif kind == "tool_result":
            yield from _content(field(part, "content") or "", Stage.TOOL)
        elif kind == "document" and kind_of(source := field(part, "source")) == "text":
            around = [text for name in ("title", "context") if isinstance(text := field(part, name), str)]
            yield Passage("\n".join([*around, string(source, "data", "extract_prompt")]), Stage.TOOL)
        else:
            raise unreadable(part, "extract_prompt")
    if own:  # one passage: words split over parts are still read together
        yield Passage("\n".join(own), stage)
