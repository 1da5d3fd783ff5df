"""The events that OpenAI's package derives from a stream of chat completions.

    https://github.com/openai/openai-python/blob/main/helpers.md

Every piece of text arrives several times: in a ``chunk`` event with the chunk itself and the completion so far, in an
event of its own with the text so far, and as tokens if requested. It is read at its first occurrence; all others are
repetitions. Events of a text do not say which choice it belongs to: they are assigned to the first one, or, if they
differ from it, read as separate texts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from guardsdk.extract.pieces import Inside, Piece, aside
from guardsdk.extract.shapes import field, has, is_list, string, unreadable

_OPTION: Final = "extract_response"
_ARGUMENTS: Final = "tool_calls.function.arguments"
_TEXTS: Final = ("content", "refusal")
_LOGPROBS: Final = "logprobs."


def told(event: object, kind: str) -> list[Piece | Inside] | None:
    """Return the pieces of an event of ``kind``, in order; ``None`` if it is not such an event.

    Raises ``InputTypeError`` for an event without the text it should have.
    """
    if kind == "chunk":
        return _chunk(event)
    stem, _, step = kind.rpartition(".")
    if step not in ("delta", "done"):
        return None
    if stem == _ARGUMENTS:
        names = ("arguments", "arguments_delta") if step == "delta" else ("arguments",)
        channel = (0, "call", field(event, "index"))
        return [
            *_said(event, names, Piece(channel, "", event, "", arguments=True, call=True)),
            *aside((), event, *names),
        ]
    if stem.removeprefix(_LOGPROBS) not in _TEXTS:
        return None
    name = stem.removeprefix(_LOGPROBS)
    piece = Piece((0, name), "", event, "")
    if stem != name:
        names = ("snapshot", name) if step == "delta" else (name,)
        return [*_said(event, names, replace(piece, tokens=True)), *aside((), event, *names)]
    names = ("snapshot", "delta") if step == "delta" else (name,)
    return [*_said(event, names, piece), *aside((), event, *names)]


def _chunk(event: object) -> list[Piece | Inside]:
    chunk, snapshot = field(event, "chunk"), field(event, "snapshot")
    for one in (chunk, snapshot):
        if not has(one, "choices"):
            raise unreadable(event, _OPTION)
    return [Inside(chunk, whole=False), Inside(snapshot), *aside((), event, "chunk", "snapshot")]


def _said(event: object, names: tuple[str, ...], like: Piece) -> list[Piece]:
    """Return the whole text so far, from the first of ``names``, and its latest part from the second, if present.

    All are modelled on the piece ``like``.
    """
    return [
        replace(
            like,
            text=_tokens(event, name) if like.tokens else string(event, name, _OPTION),
            name=name,
            whole=True,
            tail=place > 0,
        )
        for place, name in enumerate(names)
    ]


def _tokens(event: object, name: str) -> str:
    tokens = field(event, name)
    if not is_list(tokens):
        raise unreadable(event, _OPTION)
    return "".join(string(token, "token", _OPTION) for token in tokens)
