"""The turns of a conversation, with the position of each text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from guardsdk.errors import InputTypeError
from guardsdk.extract import bedrock, gemini, llama_index
from guardsdk.extract.kinds import MESSAGE_FIELDS
from guardsdk.extract.prompts import Passage, content_passages, message_passages
from guardsdk.extract.responses import ResponseText
from guardsdk.extract.shapes import (
    ITEMS,
    MEDIA_FIELDS,
    MEDIA_PARTS,
    PAIR,
    ROLES,
    TEXT_PARTS,
    TRUSTED,
    Walk,
    field,
    has,
    is_list,
    kind_of,
    media_of,
    placed,
    role_of,
    unknown,
    words,
)
from guardsdk.extract.words import beside
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OWN_FIELDS = ("role", "type", *MESSAGE_FIELDS, "tool_call_chunks", "invalid_tool_calls", "additional_kwargs")


@dataclass(frozen=True, slots=True)
class Turn:
    """One text of one message."""

    message: int
    """Index of the message."""
    role: str
    passage: Passage
    context: str | None = None
    """For an assistant turn, the user's text before it."""
    called: int | None = None
    """For tool-call arguments, the index of the answer: consecutive assistant messages are one answer, as are the items
    of the Responses API. ``None`` for all other texts."""

    @property
    def trusted(self) -> bool:
        """Whether it was written by the developer and not requested to be screened."""
        return self.passage.stage is None

    @property
    def instructs(self) -> bool:
        """Whether it is a system or developer message, screened or not."""
        return self.role in TRUSTED

    def parts_of(self, start: int, end: int) -> list[tuple[int | None, int, int]]:
        """Return content part, start and end in that part, for each part that overlaps a range of the text."""
        if not self.passage.parts:  # calls, reasoning: their text is assembled and has no position in the message
            return [(None, start, end)]
        found = []
        for part, first, last in self.passage.parts:
            inside = max(start, first), min(end, last)
            if inside[0] < inside[1]:
                found.append((part, inside[0] - first, inside[1] - first))
        return found


def turns_of(messages: object, *, screen_system: bool) -> list[Turn]:
    """Return every text of ``messages`` in order; at least one turn to be screened, which may be empty.

    Raises ``InputTypeError`` if ``messages`` is not a list of messages, and as ``prompt_passages`` does.
    """
    if callable(to_messages := getattr(messages, "to_messages", None)):
        messages = to_messages()
    if not is_list(messages):
        msg = f"messages must be a sequence of messages, not {type(messages).__name__}"
        raise InputTypeError(msg)
    turns: list[Turn] = []
    asked: str | None = None
    answers, answering = 0, False
    for at, given in enumerate(messages):
        message = _message(given)
        role = role_of(message)
        if role not in ROLES:
            msg = f"messages[{at}] is a {type(given).__name__} without a role that is one of {', '.join(ROLES)}"
            raise InputTypeError(msg)
        speaks = role not in TRUSTED and ROLES[role] is None
        answers, answering = answers + (speaks and not answering), speaks
        with placed(f"messages[{at}]"):
            own, calls = _passages(message, role, speaks=speaks, screen_system=screen_system)
        for passage in own:
            called = answers if not passage.parts and passage.text in calls else None
            turns.append(Turn(at, role, passage, asked if passage.stage is Stage.OUTPUT else None, called))
            asked = passage.text if passage.stage is Stage.INPUT else asked
    if all(turn.trusted for turn in turns):
        turns.append(Turn(max(0, len(messages) - 1), "user", Passage("")))
    return turns


def _passages(message: object, role: str, *, speaks: bool, screen_system: bool) -> tuple[list[Passage], frozenset[str]]:
    """Return the texts of one message, and which of them are tool-call arguments of an assistant that ``speaks``."""
    if role in TRUSTED:
        content = field(message, "content")
        if screen_system:
            return list(content_passages(content, Stage.INPUT)), frozenset()
        return [Passage(text, None) for text in words(content)], frozenset()
    if not speaks:
        with Walk("extract_prompt"):
            return list(message_passages(message)), frozenset()
    shown, rest = _apart(message, role)
    answer = ResponseText()
    answer.add(rest)
    return [*shown, *(Passage(text, Stage.OUTPUT) for text in answer.texts() if text)], frozenset(answer.called())


def _message(given: object) -> object:
    if isinstance(given, str):
        return {"role": "user", "content": given}
    if isinstance(given, tuple) and len(given) == PAIR and isinstance(given[0], str):
        return {"role": given[0], "content": given[1]}
    return llama_index.message_of(bedrock.message_of(gemini.message_of(given)))


def _apart(message: object, role: str) -> tuple[list[Passage], object]:
    """Return an assistant's text with its position, and the rest: calls, reasoning and refusals."""
    if role == "image_generation_call":  # the model's text is next to what cannot be screened
        picture = (role,) if field(message, "result") else ()
        own = Passage(beside(message, "result"), Stage.OUTPUT, picture, media=(None,) * len(picture))
        return [own] if own.text or picture else [], None
    if role in ITEMS:  # not a message, and without content of its own
        return [], message
    content = field(message, "content")
    whole = isinstance(content, str)
    if not (whole or content is None or is_list(content)):
        raise unknown(content, "extract_prompt")
    parts = () if whole or content is None else content
    plain = {at for at, part in enumerate(parts) if isinstance(part, str) or kind_of(part) in TEXT_PARTS | MEDIA_PARTS}
    left = [part for at, part in enumerate(parts) if at not in plain]
    # Parts that are read elsewhere are replaced by empty ones, so that the others keep their indices.
    shown = content if whole else [part if at in plain else "" for at, part in enumerate(parts)]
    fields = {name: field(message, name) for name in _OWN_FIELDS if has(message, name)}
    said = list(_as_output(shown, {name: field(message, name) for name in media_of(message)}))
    if words_beside := beside(message, *_OWN_FIELDS, *MEDIA_FIELDS):
        said.append(Passage(words_beside, Stage.OUTPUT))
    return said, {**fields, "role": "assistant", "content": left or None}


def _as_output(content: object, media: Mapping[str, object]) -> Iterator[Passage]:
    """Return the passages of an assistant's ``content``, with the ``media`` outside it."""
    for passage in message_passages({"role": "user", "content": content or "", **media}):
        if passage.text or passage.uncovered:
            yield replace(passage, stage=Stage.OUTPUT)
