"""The events in which the OpenAI Responses API and Anthropic Messages stream an answer.

    https://platform.openai.com/docs/api-reference/responses-streaming
    https://platform.claude.com/docs/en/build-with-claude/streaming

Includes what their Python packages add when they follow a stream: the text so far next to each new piece. Events that
OpenAI's package derives from chat completions are in ``completions``. An unknown event passes if its only strings are
identifiers, and is rejected otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from guardsdk.extract import completions
from guardsdk.extract.pieces import Channel, Inside, Piece, aside
from guardsdk.extract.results import echoed
from guardsdk.extract.shapes import field as get
from guardsdk.extract.shapes import fields_of, has, holds_fields, is_list, kind_of, string, unreadable
from guardsdk.extract.words import leaves

_OPTION: Final = "extract_response"
_RESPONSES: Final = "response."


@dataclass(frozen=True, slots=True)
class _Said:
    """A text that arrives in pieces, and the names of its fields."""

    name: str
    """The field with the whole text."""
    channel: str
    place: str | None = None
    """The field with the index of the part."""
    between: str = ""


_TEXTS: Final = {
    "output_text": _Said("text", "content", "content_index"),
    "refusal": _Said("refusal", "refusal", "content_index"),
    "reasoning_text": _Said("text", "reasoning content", "content_index", "\n"),
    "reasoning_summary_text": _Said("text", "reasoning summary", "summary_index", "\n"),
    "audio.transcript": _Said("transcript", "transcript"),
}
_CALLS: Final = {
    "function_call_arguments": _Said("arguments", "part"),
    "mcp_call_arguments": _Said("arguments", "part"),
    "custom_tool_call_input": _Said("input", "part"),
    "code_interpreter_call_code": _Said("code", "part"),
    "shell_call_command": _Said("command", "part", "command_index", "\n"),
}
_STATES: Final = frozenset({"created", "queued", "in_progress", "completed", "failed", "incomplete", "cancelled"})
"""Events with the whole response in its current state."""
_PLACES: Final = ("content_index", "summary_index", "command_index")
_SEALED: Final = frozenset({"citations_delta", "signature_delta"})
_NO_WORDS: Final = ("annotation", "citation", "snapshot")
"""Fields that quote a text's sources."""
_FOLLOWED: Final = ("text", "thinking", "input_json")
_NAMES: Final = frozenset(
    {"call_id", "event_id", "id", "item_id", "object", "obfuscation", "response_id", "status", "tool_use_id", "type"}
)
"""Fields whose strings are not text, as long as they contain no white space."""
_IDENTIFIER: Final = re.compile(r"[!-~]{0,256}")


def told(event: object, *, known: bool = False) -> list[Piece | Inside] | None:
    """Return the pieces of ``event``, in order; ``None`` if it is not an event, or not a ``known`` one as required.

    Raises ``InputTypeError`` for an unknown event that may contain text, and for one without the text it should have.
    """
    kind = get(event, "type")
    if not isinstance(kind, str):
        return None
    if kind.startswith(_RESPONSES):
        return _of_responses(event, kind.removeprefix(_RESPONSES))
    if (read := _READERS.get(kind)) is not None:
        return read(event)
    if (helped := completions.told(event, kind)) is not None:
        return helped
    if kind in _FOLLOWED and has(event, "snapshot"):
        return _followed(event, kind)
    return [] if _is_wordless(event) and not known else None


def reasoning_channel(path: Channel, position: object, name: str) -> Channel:
    """Return the channel of a reasoning item's ``summary`` or ``content``."""
    return (*path, position, f"reasoning {name}")


def _of_responses(event: object, kind: str) -> list[Piece | Inside]:
    at = get(event, "output_index")
    stem, _, step = kind.rpartition(".")
    said = _TEXTS.get(stem) or _CALLS.get(stem)
    # the end of an audio transcript comes without it
    if said is not None and (step in ("added", "delta") or (step == "done" and has(event, said.name))):
        return _said(event, said, step, call=stem in _CALLS)
    if kind in _STATES:
        return [*_state(get(event, "response")), *_beside(event, "response")]
    if stem == "output_item":
        return [Inside(get(event, "item"), at), *_beside(event, "item")]
    if stem in ("content_part", "reasoning_summary_part"):
        return [_part(event, get(event, "part"), at), *_beside(event, "part")]
    if stem == "shell_call_output_content":
        return _shell_output(event, (at, "output", get(event, "command_index")))
    if kind == "output_text.annotation.added" or _is_wordless(event):
        return _sealed(event)
    raise unreadable(event, _OPTION)


def _state(response: object) -> Iterator[Piece | Inside]:
    """Yield the pieces of a whole response, each time it is sent."""
    if response is not None and not holds_fields(response):
        raise unreadable(response, _OPTION)
    items = get(response, "output")
    read = ["output"] if items is None or is_list(items) else []
    yield Inside(list(items) if items is not None and read else [])
    if response is not None:
        yield from (replace(one, whole=True) for one in aside(("response",), response, *read, *echoed(response)))


def _said(event: object, said: _Said, step: str, *, call: bool) -> list[Piece | Inside]:
    """Return a piece of a text or of tool-call arguments, or all of it."""
    at = get(event, "output_index")
    # as in a whole response, where the items of ``output`` are parts by index
    channel = ("part", at) if call else (at, said.channel)
    place = None if said.place is None else get(event, said.place)
    name = "delta" if step == "delta" else said.name
    found: list[Piece | Inside] = []
    for one, whole in ((name, step != "delta"), ("snapshot", True)):
        if one == name or has(event, one):
            text = string(event, one, _OPTION)
            found.append(
                Piece(
                    channel, text, event, one, arguments=call, call=call, place=place, whole=whole, between=said.between
                )
            )
    return [*found, *_beside(event, name, "snapshot")]


def _part(event: object, part: object, at: object) -> Piece | Inside:
    place = next((index for name in _PLACES if (index := get(event, name)) is not None), None)
    said = {"reasoning_text": _TEXTS["reasoning_text"], "summary_text": _TEXTS["reasoning_summary_text"]}.get(
        kind_of(part) or ""
    )
    if said is None:
        return Inside(part, place, (at,))
    text = string(part, "text", _OPTION)
    return Piece((at, said.channel), text, part, "text", place=place, whole=True, between=said.between)


def _shell_output(event: object, channel: Channel) -> list[Piece | Inside]:
    """Return the output of a command that the provider ran."""
    if not has(event, "delta"):
        found = Piece(channel, "\n".join(leaves(get(event, "output"))), None, "", whole=True)
        return [found, *_beside(event, "output")]
    delta = get(event, "delta")
    names = [name for name in ("stdout", "stderr") if isinstance(get(delta, name), str)]
    return [
        *(Piece((*channel, name), get(delta, name), delta, name) for name in names),
        *_beside(event, "delta"),
        *_beside(delta, *names),
    ]


def _of_message(event: object) -> list[Piece | Inside]:
    message = get(event, "message")
    if message is None or isinstance(message, str):  # an error message
        return [*_beside(event)]
    return [Inside(message), *_beside(event, "message")]


def _of_block(event: object) -> list[Piece | Inside]:
    at, delta, block = (get(event, name) for name in ("index", "delta", "content_block"))
    found: list[Piece | Inside] = [] if block is None else [Inside(block, at)]
    if delta is not None:
        found += _stretch(delta, kind_of(delta), at)
    elif block is None and get(event, "type") != "content_block_stop":
        raise unreadable(event, _OPTION)
    return [*found, *_beside(event, "delta", "content_block")]


def _stretch(delta: object, kind: str | None, at: object) -> list[Piece | Inside]:
    def piece(channel: str, name: str) -> Piece:
        return Piece((channel,), string(delta, name, _OPTION), delta, name, place=at)

    if kind == "text_delta":
        return [piece("content", "text"), *_beside(delta, "text")]
    if kind == "thinking_delta":
        return [piece("thinking", "thinking"), *_beside(delta, "thinking")]
    if kind == "compaction_delta":
        own = [] if get(delta, "content") is None else [piece("compaction", "content")]
        return [*own, *_beside(delta, "content")]
    if kind == "input_json_delta":
        text = string(delta, "partial_json", _OPTION)
        written = Piece(("part", at), text, delta, "partial_json", arguments=True, call=True)
        return [written, *_beside(delta, "partial_json")]
    if kind in _SEALED or _is_wordless(delta):
        return _sealed(delta)
    raise unreadable(delta, _OPTION)


def _followed(event: object, kind: str) -> list[Piece | Inside]:
    """Return what Anthropic's package repeats after an event it has just yielded, and the text so far.

    Neither says which block it belongs to, so these are separate texts.
    """
    name = "partial_json" if kind == "input_json" else kind
    written, snapshot = kind == "input_json", get(event, "snapshot")
    own: Channel = (kind, "followed")
    so_far = (
        Piece(own, snapshot, event, "snapshot", whole=True)
        if isinstance(snapshot, str)
        else Piece((*own, "data"), "\n".join(leaves(snapshot)), None, "", whole=True)
    )
    said = Piece(own, string(event, name, _OPTION), event, name, arguments=written)
    return [said, so_far, *_beside(event, name, "snapshot")]


def _beside(event: object, *read: str) -> Iterator[Piece]:
    return aside((), event, *read)


def _is_wordless(event: object) -> bool:
    """Whether ``event`` has only numbers and identifiers."""
    return all(
        item is None
        or isinstance(item, int | float)
        or (name in _NAMES and isinstance(item, str) and _IDENTIFIER.fullmatch(item) is not None)
        or (isinstance(item, Mapping | list | tuple) and not item)
        for name, item in fields_of(event).items()
    )


def _sealed(event: object) -> list[Piece | Inside]:
    return [*_beside(event, *(name for name in _NO_WORDS if not isinstance(get(event, name), str)))]


_READERS: Final[dict[str, Callable[[object], list[Piece | Inside]]]] = {
    "citation": _sealed,
    "content_block_delta": _of_block,
    "content_block_start": _of_block,
    "content_block_stop": _of_block,
    "error": _of_message,
    "message_delta": _of_message,
    "message_start": _of_message,
    "message_stop": _of_message,
    "signature": _sealed,
}
