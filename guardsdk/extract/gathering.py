"""The pieces of a response as they are found, and those of what tools are called with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from guardsdk.extract.data import is_file
from guardsdk.extract.kinds import CALL_ARGUMENTS, CALL_RESULTS
from guardsdk.extract.pieces import BESIDE, Channel, Piece, aside
from guardsdk.extract.shapes import field, index_of
from guardsdk.extract.words import leaves, parsed_beside
from guardsdk.parts.given import text_of


class Gathering:
    """Pieces, and how those that all kinds of answers have get among them."""

    def __init__(self, *, data: bool) -> None:
        """Begin with none; ``data`` as ``ResponseText`` has it."""
        self._data = data
        self.pieces: list[Piece] = []
        """Every string found so far, in order."""

    def _take(self, piece: Piece, path: Channel) -> None:
        """Take in a piece from inside ``path``. Nothing in data is known to be an identifier but for what is a file."""
        text = text_of(piece.text, "a response")
        loose = piece.loose and (not self._data or is_file(text))
        self.pieces.append(replace(piece, channel=(*path, *piece.channel), text=text, loose=loose))

    def _beside(self, value: object, path: Channel, *read: str, source: object = None) -> None:
        """Take in what nobody knows of ``value``; what was parsed of JSON, in ``source`` or itself, if it says more."""
        for one in aside((), value, *read):
            self._take(one, path)
        if self._data and (words := parsed_beside(value, value if source is None else source)):
            self._append(words, (*path, BESIDE, "parsed"), None, "")

    def _calls(self, message: object, path: Channel) -> None:
        legacy = field(message, "function_call") or field(field(message, "additional_kwargs"), "function_call")
        # A LangChain chunk repeats its raw pieces as calls parsed so far; only the pieces can be joined.
        calls = field(message, "tool_call_chunks") or (
            *(field(message, "tool_calls") or ()),
            *(field(message, "invalid_tool_calls") or ()),
        )
        for position, call in enumerate(calls):
            inner = field(call, "function") or field(call, "custom") or call
            if inner is not call:
                self._beside(call, (*path, "call", position), "function", "custom")
            self._call(inner, (*path, "call", index_of(call, position)))
        if legacy is not None:
            self._call(legacy, (*path, "function_call"))

    def _call(self, call: object, path: Channel) -> None:
        self._beside(call, path, *CALL_ARGUMENTS, *CALL_RESULTS)
        names = [name for name in CALL_ARGUMENTS if field(call, name) is not None]
        for name in [one for one in names if field(call, one) != ""] or names[:1]:  # all of it may have been cut out
            arguments = field(call, name)
            if isinstance(arguments, str):
                text = text_of(arguments, "arguments")
                self.pieces.append(Piece(path, text, call, name, arguments=True, call=True))
            elif arguments:
                text = text_of("\n".join(leaves(arguments)), "arguments")
                self.pieces.append(Piece(path, text, None, "", call=True, place=name, between="\n"))
        for name in CALL_RESULTS:
            if isinstance(result := field(call, name), str | Mapping | Sequence):
                self._append("\n".join(leaves(result)), (*path, name), None, "")

    def _append(
        self, text: str, channel: Channel, holder: object, name: str | int, *, place: object = None, between: str = ""
    ) -> None:
        self.pieces.append(Piece(channel, text_of(text, "a response"), holder, name, place=place, between=between))
