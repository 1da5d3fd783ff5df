"""Collects the pieces of a response, including tool-call arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from guardsdk.extract.data import is_file
from guardsdk.extract.kinds import CALL_ARGUMENTS, CALL_RESULTS
from guardsdk.extract.pieces import BESIDE, WORDS, Channel, Piece, aside, words_alone
from guardsdk.extract.shapes import field, holds_fields, index_of, is_list
from guardsdk.extract.words import leaves, parsed, parsed_beside, spoken
from guardsdk.parts.given import text_of

_ESCAPES: Final = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\[^u]")
"""JSON escapes; consecutive ``\\u`` escapes may form one character."""


class Gathering:
    """The collected pieces, and how the ones common to all kinds of answers are added."""

    def __init__(self, *, data: bool) -> None:
        """Start empty; ``data`` is as in ``ResponseText``."""
        self._data = data
        self.pieces: list[Piece] = []
        """Every string found so far, in order."""

    def _take(self, piece: Piece, path: Channel) -> None:
        """Add a piece from inside ``path``. In data, only files are known not to be text."""
        text = text_of(piece.text, "a response")
        loose = piece.loose and (not self._data or is_file(text))
        self.pieces.append(replace(piece, channel=(*path, *piece.channel), text=text, loose=loose))

    def _beside(self, value: object, path: Channel, *read: str, source: object = None) -> None:
        """Add the unknown fields of ``value``; parsed JSON, from ``source`` or itself, only if it says more."""
        for one in aside((), value, *read):
            self._take(one, path)
        if self._data and (words := parsed_beside(value, value if source is None else source)):
            self._append(words, (*path, BESIDE, "parsed"), None, "")

    def _calls(self, message: object, path: Channel) -> None:
        extra = field(message, "additional_kwargs")
        # A LangChain chunk repeats its raw pieces as calls parsed so far; only the pieces can be joined.
        raw = field(message, "tool_call_chunks")
        start = len(self.pieces)
        for calls in (raw,) if raw else _parsed(message):
            self._each(calls, path)
        again = [*(_parsed(message) if raw else ()), field(extra, "tool_calls")]
        legacy = [(one, path) for holder in (message, extra) if (one := field(holder, "function_call")) is not None]
        for call, where in legacy[:1]:
            self._call(call, (*where, "function_call"))
        if any(again) or len(legacy) > 1:
            said, self.pieces[start:] = self.pieces[start:], []
            for calls in filter(None, again):
                self._each(calls, (*path, "again"))
            for call, where in legacy[1:]:
                self._call(call, (*where, "again", "function_call"))
            self.pieces[start:] = [*said, *more_than(said, self.pieces[start:])]

    def _each(self, calls: object, path: Channel) -> None:
        if not is_list(calls):  # all of it, whether a text or fields with unknown names
            self._odd(calls, (*path, "call"))
            return
        for position, call in enumerate(calls):
            name = next((one for one in ("function", "custom") if field(call, one)), None)
            if name is not None:
                self._beside(call, (*path, "call", position), name)
            inner = call if name is None else field(call, name)
            self._call(inner, (*path, "call", index_of(call, position)))

    def _odd(self, call: object, path: Channel) -> None:
        """Add a tool call whose arguments cannot be identified."""
        if text := "\n".join(leaves(call)):
            self.pieces.append(Piece(path, text_of(text, "arguments"), None, "", call=True))

    def _call(self, call: object, path: Channel) -> None:
        if not holds_fields(call, CALL_ARGUMENTS):
            self._odd(call, path)
            return
        self._beside(call, path, *CALL_ARGUMENTS, *CALL_RESULTS)
        names = [name for name in CALL_ARGUMENTS if field(call, name) is not None]
        for name in [one for one in names if field(call, one) != ""] or names[:1]:  # all of it may have been redacted
            arguments = field(call, name)
            if isinstance(arguments, str):
                text = text_of(arguments, "arguments")
                self.pieces.append(Piece(path, text, call, name, arguments=True, call=True))
            elif arguments:
                text = text_of("\n".join(texts := leaves(arguments)), "arguments")
                self.pieces.append(Piece(path, text, None, "", call=True, place=name, between="\n"))
                if words := words_alone(texts):
                    self._append(words, (*path, name, WORDS), None, "")
        for name in CALL_RESULTS:
            if has_words(result := field(call, name)):
                self._append("\n".join(leaves(result)), (*path, name), None, "")

    def _append(
        self, text: str, channel: Channel, holder: object, name: str | int, *, place: object = None, between: str = ""
    ) -> None:
        self.pieces.append(Piece(channel, text_of(text, "a response"), holder, name, place=place, between=between))


def has_words(value: object) -> bool:
    """Whether a field may contain text: it exists, and is not a method of that name."""
    return isinstance(value, str | Mapping | Sequence) or not (value is None or callable(value))


def _parsed(message: object) -> list[object]:
    return [calls for name in ("tool_calls", "invalid_tool_calls") if (calls := field(message, name))]


def more_than(said: Sequence[Piece], pieces: Sequence[Piece]) -> list[Piece]:
    """Return those of ``pieces`` that say more than ``said``, which they may be parsed from or copied from.

    A value parsed from partial JSON may end where that does, and has no escapes.
    """
    texts = [one.text for one in said]
    known = "\n".join([*texts, *(spoken(one.text) for one in said if one.arguments), *map(_unescaped, texts)])
    lines = set(known.split("\n"))
    return [
        one
        for one in pieces
        if not all(
            line in lines or line in known for line in (spoken(one.text) if one.arguments else one.text).split("\n")
        )
    ]


def _unescaped(text: str) -> str:
    """Return ``text`` with JSON escapes undone."""
    return _ESCAPES.sub(lambda found: str(parsed(f'"{found[0]}"')), text) if "\\" in text else text
