"""Asks again: appends a turn to the prompt, in its own format, that says what was wrong with the answer."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass, replace
from typing import Any

from guardsdk.extract import gemini
from guardsdk.extract.prompts import is_content_part
from guardsdk.extract.shapes import PAIR, TEXT_PARTS, field, role_of

_USERS = ("user", "human")


def with_turn(prompt: object, message: str) -> object:
    """Return ``prompt`` with ``message`` as the user's last turn; ``None`` for an unknown format.

    A string gets it as its last paragraph. A list of strings, messages, ``(role, text)`` pairs, or Google contents or
    parts gets one more item of its kind; a LangChain prompt value gets it in its list of messages. ``prompt`` itself is
    not changed.
    """
    if isinstance(prompt, str):
        return f"{prompt}\n\n{message}"
    if isinstance(prompt, list | tuple | deque):  # a deque with a maximum length does not lose a turn here
        turn = _turn(prompt, message)
        return None if turn is None else type(prompt)((*prompt, turn))
    messages = getattr(prompt, "messages", None)
    if callable(copied := getattr(prompt, "model_copy", None)) and isinstance(messages, Sequence):
        turns = with_turn(list(messages), message)
        return None if turns is None else copied(update={"messages": turns})
    return None


def _turn(turns: Sequence[object], message: str) -> object:
    """Return one more user turn, modelled on the last user turn, or on the last turn."""
    if not turns:
        return None
    theirs = [turn for turn in turns if _speaker(turn) in _USERS]
    like = (theirs or turns)[-1]
    if isinstance(like, str):
        return message
    if isinstance(like, tuple) and len(like) == PAIR:
        return (like[0] if theirs else "user", message)
    if is_content_part(like) or gemini.is_content(like) or gemini.is_part(like):
        return _part_like(turns, message) if is_content_part(like) else _googles_like(like, message)
    if isinstance(like, Mapping):
        said = {name: like[name] for name in ("role", "type") if name in like} if theirs else {"role": "user"}
        return {**said, "content": _content_like(like.get("content"), message)}
    return _object_like(like, message) if theirs else None


def _speaker(turn: object) -> object:
    return turn[0] if isinstance(turn, tuple) and turn else role_of(turn)


def _content_like(content: object, message: str) -> object:
    """Return the message as a list of one part if ``content`` is a list of parts: some models accept nothing else."""
    parts = content if isinstance(content, list) else []
    for part in parts:
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            return [{name: part[name] for name in ("type", "text") if name in part} | {"text": message}]
    return message


def _part_like(parts: Sequence[object], message: str) -> object:
    """Return one more text part for the content of a message; ``None`` if there is no mapping to model it on."""
    kinds = [field(part, "type") for part in parts if isinstance(part, Mapping)]
    kind = next((one for one in reversed(kinds) if one in TEXT_PARTS), None)
    return None if kind is None else {"type": kind, "text": message}


def _googles_like(turn: object, message: str) -> object:
    """Return a Google content or part of the same type as ``turn``; ``None`` if it cannot be created."""
    part = {"text": message}
    said = {"role": "user", "parts": [part]} if gemini.is_content(turn) else part
    if isinstance(turn, Mapping):
        return said
    make = getattr(type(turn), "model_validate", None)
    return make(said) if callable(make) else None


def _object_like(turn: Any, message: str) -> object:  # noqa: ANN401  a message of any library
    """Return a copy of a message with the text ``message``; ``None`` if it has no content or cannot be copied."""
    if not hasattr(turn, "content"):
        return None
    with suppress(Exception):  # an object of another library may raise anything
        if callable(copied := getattr(turn, "model_copy", None)):
            fresh = {"content": message} | ({"id": None} if hasattr(turn, "id") else {})
            return copied(update=fresh)
        if is_dataclass(turn) and not isinstance(turn, type):
            return replace(turn, content=message)
        another = copy.copy(turn)
        another.content = message
        return another
    return None
