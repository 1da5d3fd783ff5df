"""The events that OpenAI's package makes of a stream of chat completions for its caller.

    https://github.com/openai/openai-python/blob/main/helpers.md

Every stretch comes several times: in a ``chunk`` event with the chunk itself and the completion so far, in an event of
its own with the text so far, and as tokens where they were asked for. It is read where it comes first, and all the rest
says it once more. Events of a text do not tell which choice it is of: they are read as the first one's, or where they
say something else as texts of their own.
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
    """Return what an event of ``kind`` holds, in order; none where it is no such event.

    Raises ``InputTypeError`` for one without the text it should have.
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
    """Return the whole so far, which is under the first of ``names``, and its end under the second where there is one.

    All are ``like`` the piece given.
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
