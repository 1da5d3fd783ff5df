"""Extracts text from prompts and from tool results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any

from guardsdk.extract import bedrock, gemini, llama_index
from guardsdk.extract.shapes import (
    MEDIA_FIELDS,
    MEDIA_PARTS,
    PAIR,
    PLAIN_FILE,
    ROLES,
    TEXT_PARTS,
    TRUSTED,
    UnreadableError,
    Walk,
    field,
    is_list,
    kind_of,
    media_of,
    placed,
    role_of,
    string,
    unknown,
    unreadable,
    words,
)
from guardsdk.extract.words import beside, leaves
from guardsdk.parts.given import stage_of, text_of
from guardsdk.verdict import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

_SPEAKERS = ("user", "human", "system", "ai", "assistant")
"""Roles that may come first in a ``(role, text)`` pair; other tuples are ordinary sequences."""

_FILES = MEDIA_PARTS | {"container_upload"}
"""Parts without text that a prompt may hold; the last, of Anthropic, is also in answers, where it is no content."""
_RESULTS = ("tool_result", "search_result", "tool_reference")
"""Parts that hold a tool result, in parts of their own or next to them."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text and its stage; an ``extract_prompt`` may return these to choose the stage."""

    text: str
    stage: Stage | None = Stage.INPUT
    """``None`` for the developer's own instructions: trusted, not screened, and not to be recited in the answer."""
    uncovered: tuple[str, ...] = ()
    """Kinds of content that came with the text and cannot be screened, such as ``image_url``; the policy decides."""
    parts: tuple[tuple[int | None, int, int], ...] = attribute(default=(), compare=False, repr=False)
    """Content part and its start and end in the text; ``None`` for the part if the content is one string."""
    media: tuple[int | None, ...] = attribute(default=(), compare=False, repr=False)
    """Content part of each entry of ``uncovered``; ``None`` if outside the content."""
    earlier: bool = attribute(default=False, compare=False, repr=False)
    """Whether the model has answered since, so that an earlier call already included it."""
    whole: object = attribute(default=None, compare=False, repr=False)
    """The same for everything that one tool returned or one document contains, which a model reads together."""

    def __post_init__(self) -> None:
        """Also accept a stage by name: with an unknown one, the text would not be read.

        Raises ``InputTypeError`` if the text is not a string, and ``InputError`` if the stage does not exist.
        """
        text, stage = text_of(self.text, "the text of a Passage"), self.stage
        if text is not self.text:
            object.__setattr__(self, "text", text)
        if stage is not None and not isinstance(stage, Stage):
            object.__setattr__(self, "stage", stage_of(stage))


_ANSWER = Passage("", None)
"""Placeholder for a turn of the model."""


def prompt_passages(value: object, extractor: Callable[[Any], object] | None = None) -> list[Passage]:
    """Return what must be screened of a prompt, in order; at least one passage, which may be empty.

    The developer's instructions are included as passages without a stage.

    Supported: a string; a message; a sequence of strings, messages and ``(role, text)`` pairs; the content of a user
    message, as a list of parts; LangChain prompt values; contents and parts of Google's package; messages of Amazon
    Bedrock and of LlamaIndex. A message is a mapping or object with ``role`` (or ``type``) and ``content``, a string or
    a list of parts.
    User messages are ``input``; tool messages, tool results and text documents inside a user message are ``tool``.
    System and developer messages are trusted. Assistant messages were screened as output when they were generated; a
    host that receives them from its caller has to screen them itself. Of system messages only text parts are returned.

    Images, audio and files are listed with the passage they came with. Raises ``InputTypeError`` for any other type, an
    unknown role, parts of an unknown kind, and circular lists.
    """
    prompt = value if extractor is None else extractor(value)
    with Walk("extract_prompt") as walk:
        found = list(_prompt(prompt, walk))
    answered = max((at for at, passage in enumerate(found) if passage is _ANSWER), default=0)
    passages = [
        replace(passage, earlier=True) if at < answered else passage
        for at, passage in enumerate(found)
        if passage is not _ANSWER
    ]
    if all(passage.stage is None for passage in passages):
        passages.append(Passage(""))
    return passages


def context_of(passages: Sequence[Passage]) -> str | None:
    """Return the context of an answer: the user's last text."""
    return next((passage.text for passage in reversed(passages) if passage.stage is Stage.INPUT), None)


def system_of(passages: Sequence[Passage]) -> str | None:
    """Return the developer's instructions joined into one text, if there are any."""
    return "\n".join(passage.text for passage in passages if passage.stage is None) or None


def system_passages(value: object) -> list[Passage]:
    """Return the developer's instructions in a value other than a prompt, as passages without a stage.

    Empty if it has no text. Supported: a string; a text block or part; a message or an object with ``parts``; lists of
    these. As in system messages, only text parts are read.
    """
    return [Passage(text, None) for item in (value if is_list(value) else (value,)) for text in _instructions(item)]


def tool_passages(value: object) -> list[Passage]:
    """Return the texts of a tool result: a message, plain data of any nesting, else its ``str``.

    A mapping is always read as data: a page that claims to be a message must not hide its other content. Raises
    ``InputTypeError`` for a tool message with parts of an unknown kind, and for an iterator.
    """
    if not isinstance(value, str | Mapping) and role_of(value) == "tool":
        with placed("the result of a tool"):
            return list(message_passages(value)) or [Passage("", Stage.TOOL)]
    return [Passage("\n".join(leaves(value)), Stage.TOOL)]


def is_content_part(item: object) -> bool:
    """Whether ``item`` declares itself a text or a file in the content of a message."""
    kind = field(item, "type")
    return isinstance(kind, str) and kind in TEXT_PARTS | _FILES and field(item, "role") is None


def _instructions(item: object) -> list[str]:
    if isinstance(item, str):
        return [item]
    said = (words(field(item, name)) for name in ("text", "content", "parts"))
    return next((texts for texts in said if texts), [])


def _prompt(value: object, walk: Walk) -> Iterator[Passage]:
    if isinstance(value, str):
        yield Passage(value)
    elif isinstance(value, Passage):
        yield value
    elif callable(to_messages := getattr(value, "to_messages", None)):
        if not is_list(messages := to_messages()):
            raise unknown(value, "extract_prompt")
        yield from _prompt(messages, walk)
    elif is_list(value):
        items = walk.into(value)
        if any(map(is_content_part, items)) and all(isinstance(one, str) or is_content_part(one) for one in items):
            yield from content_passages(items, Stage.INPUT)  # of one user message
            return
        for item in items:
            if isinstance(item, tuple) and len(item) == PAIR and item[0] in _SPEAKERS:
                yield from message_passages({"role": item[0], "content": item[1]})
            else:
                yield from _prompt(item, walk)
    elif role_of(message := llama_index.message_of(bedrock.message_of(gemini.message_of(value)))) is not None:
        yield from message_passages(message)
    else:
        raise unknown(value, "extract_prompt")


def message_passages(message: object) -> Iterator[Passage]:
    """Return the passages of one message, as ``prompt_passages`` does."""
    role = role_of(message)
    if role not in ROLES:
        what = f"a message has a role that is not one of {', '.join(ROLES)}"
        raise UnreadableError(what, "give extract_prompt= to say what to screen")
    stage = ROLES[role]
    if role in TRUSTED:
        yield from (Passage(text, None) for text in words(field(message, "content")))
    elif stage is None:
        yield _ANSWER
    else:
        passages = list(content_passages(_content(message, role), stage))
        if words_beside := beside(message, "output" if role.endswith("_output") else "content", *MEDIA_FIELDS):
            passages.insert(0, Passage(words_beside, stage))
        if riding := media_of(message):
            own = passages.pop() if passages else Passage("", stage)
            media = (*own.media, *(None for _ in riding))
            passages.append(replace(own, uncovered=(*own.uncovered, *riding), media=media))
        yield from _of_one(passages) if stage is Stage.TOOL else passages


def _content(message: object, role: str) -> object:
    """Return the content of a message, as a string or parts."""
    if role == "mcp_approval_response":  # its text is outside the content
        return ()
    if not role.endswith("_output"):
        return field(message, "content")
    output = field(message, "output")
    if role in ("local_shell_call_output", "shell_call_output", "apply_patch_call_output"):
        return "\n".join(leaves(output))
    return [output] if kind_of(output) in MEDIA_PARTS else output


def content_passages(content: object, stage: Stage) -> Iterator[Passage]:
    """Return the passages of a message's content, a string or a list of parts; its own text comes last."""
    if isinstance(content, str):
        yield Passage(content, stage, parts=((None, 0, len(content)),))
        return
    if not is_list(content):
        raise unknown(content, "extract_prompt")
    own: list[tuple[int, str]] = []
    media: list[tuple[int, str]] = []
    for number, part in enumerate(content):
        kind = kind_of(part)
        if isinstance(part, str):
            own.append((number, part))
        elif kind in TEXT_PARTS:
            own.append((number, string(part, "text", "extract_prompt")))
            own += [(number, more)] if (more := beside(part, "text")) else []
        elif kind in _RESULTS:
            yield from _of_one(_result(part, number))
        elif kind in _FILES:
            yield from _of_one(_readable(part, number))
            if not _is_read(part, kind):
                media.append((number, kind))
        else:
            raise unreadable(part, "extract_prompt")
    if own or media:  # one passage, so that words split over parts are read together
        yield _together(own, media, stage)


def _result(part: object, number: int) -> Iterator[Passage]:
    """Return a tool result, and any text next to it, such as the title of a page."""
    if words_beside := beside(part, "content"):
        yield Passage(words_beside, Stage.TOOL, parts=((number, 0, len(words_beside)),))
    yield from _inside(content_passages(field(part, "content") or "", Stage.TOOL), number)


def _of_one(passages: Iterable[Passage]) -> Iterator[Passage]:
    """Mark ``passages`` as parts of one whole."""
    whole = object()
    return (replace(passage, whole=whole) for passage in passages)


def _is_read(part: object, kind: str) -> bool:
    """Whether a document or file is a text that ``_readable`` returns in full."""
    if kind == PLAIN_FILE:
        return isinstance(field(part, "text"), str)
    return kind == "document" and kind_of(field(part, "source")) in ("text", "content")


def _readable(part: object, number: int) -> Iterator[Passage]:
    """Return the readable text of a document or file: title, text, unknown fields, and its parts."""
    source = field(part, "source")
    names = ("title", "context", *(("text",) if kind_of(part) == PLAIN_FILE else ()))
    said = {name: text for name in names if isinstance(text := field(part, name), str)}
    own = list(said.values())
    if kind_of(source) == "text":
        own.append(string(source, "data", "extract_prompt"))
    if _is_read(part, kind_of(part) or ""):
        around = beside(source, "data", "content"), beside(part, *said, "source")
        own += [words_beside for words_beside in around if words_beside]
    if own:
        text = "\n".join(own)
        yield Passage(text, Stage.TOOL, parts=((number, 0, len(text)),))
    if kind_of(source) == "content":
        yield from _inside(content_passages(field(source, "content") or "", Stage.TOOL), number)


def _together(own: list[tuple[int, str]], media: list[tuple[int, str]], stage: Stage) -> Passage:
    parts: list[tuple[int | None, int, int]] = []
    start = 0
    for number, text in own:
        parts.append((number, start, start + len(text)))
        start += len(text) + 1
    return Passage(
        "\n".join(text for _, text in own),
        stage,
        uncovered=tuple(kind for _, kind in media),
        parts=tuple(parts),
        media=tuple(number for number, _ in media),
    )


def _inside(passages: Iterator[Passage], number: int) -> Iterator[Passage]:
    """Mark passages found inside part ``number`` with that position."""
    for passage in passages:
        parts = tuple((number, start, end) for _, start, end in passage.parts)
        yield replace(passage, parts=parts, media=(number,) * len(passage.uncovered))
