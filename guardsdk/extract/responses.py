"""Extracts text from model responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from guardsdk.extract import bedrock, gemini, llama_index
from guardsdk.extract.data import is_choice, is_completion, is_data, is_message, refuse_files, texts_in
from guardsdk.extract.events import reasoning_channel, told
from guardsdk.extract.gathering import Gathering, has_words
from guardsdk.extract.kinds import (
    CALL_PARTS,
    ITEM_PARTS,
    MESSAGE_FIELDS,
    NOTE_PARTS,
    OUTPUT_PARTS,
    READ,
    SAID_PARTS,
    SEARCH_PARTS,
    WORDLESS_PARTS,
)
from guardsdk.extract.pieces import WORDS, Channel, Inside, Piece, channels_of, texts_of, words_alone, words_of
from guardsdk.extract.results import GIVEN, SEARCHED, echoed, given, searched
from guardsdk.extract.shapes import (
    PLAIN_FILE,
    QUOTED,
    ROLES,
    TEXT_PARTS,
    Walk,
    field,
    has,
    holds_fields,
    index_of,
    is_list,
    kind_of,
    refuse_media,
    role_of,
    sources_of,
    string,
    unknown,
    unreadable,
)
from guardsdk.extract.words import is_code, leaves

if TYPE_CHECKING:
    from collections.abc import Callable


_THOUGHTS: Final = ("refusal", "reasoning_content", "reasoning", "thinking")
"""Fields of a message with text outside its content, where LangChain may have more of it."""


class ResponseText(Gathering):
    """The text of one response, added whole or chunk by chunk.

    Supported: a string; OpenAI chat completions (every choice), their chunks and the events its package derives from
    them, legacy completions and the Responses API with its stream events; messages of Anthropic, their blocks and
    stream events; chat messages of OpenAI, Ollama, Mistral and LangChain; chunks of Ollama's ``generate``; LangChain
    generations and results; responses of Google's package, their chunks, contents and parts; sequences of these;
    ``None`` as an empty answer; with ``data``, the host's own models, dataclasses and dictionaries. Reasoning, refusals
    and tool-call arguments count as text, as an answer may hide in each. Chunks of one choice are one text.
    """

    def __init__(self, extractor: Callable[[Any], object] | None = None, *, data: bool = False) -> None:
        """Collect the result of ``extractor`` for each value, or the values as they are.

        ``data``: whether values that are no known response are read as data, every string in them as one text. Not for
        chunks, as it is unknown how the strings of two of them continue.
        """
        super().__init__(data=data)
        self._extractor = extractor
        self.listed = False
        """Whether a value was a list."""

    def add(self, value: object) -> None:
        """Add a response or its next chunk. Raises ``InputTypeError`` if it cannot be read as text."""
        value = value if self._extractor is None else self._extractor(value)
        self.listed = self.listed or is_list(value)
        with Walk("extract_response") as self._walk:
            self._value(value, ())

    def texts(self) -> list[str]:
        """Return the separate texts without repetitions; ``[""]`` if the response has no text."""
        channels = channels_of(self.pieces)
        ordered = sorted(channels.items(), key=lambda item: item[0][0])  # arguments last, otherwise in order of arrival
        texts = texts_of((channel, pieces) for (_, channel), pieces in ordered)
        return list(dict.fromkeys(text for text in texts if text)) or [""]

    def together(self) -> list[list[str]]:
        """Return what should also be read together: the texts of a list in order, and the arguments of tool calls."""
        own = [piece for piece in self.pieces if piece.text and piece.channel[-1:] != (WORDS,)]
        said = [piece.text for piece in own if not (piece.loose and is_code(piece.text))]
        return [said if self.listed else [], self.called()]

    def called(self) -> list[str]:
        """Return the arguments of each tool call, in order and without repetitions."""
        called = (words for pieces in channels_of(self.pieces).values() if pieces[0].call for words in words_of(pieces))
        return list(dict.fromkeys(text for text in called if text))

    def _value(self, value: object, path: Channel) -> None:
        if value is None:
            return
        if isinstance(value, str):
            self._append(value, (*path, "content"), None, "")
        elif is_list(value):
            for position, item in enumerate(self._walk.into(value)):
                if isinstance(item, str):
                    self._append(item, (*path, position, "content"), value, position)
                else:
                    self._value(item, (*path, position))
        else:
            self._response(value, path)

    def _response(self, value: object, path: Channel) -> None:
        if is_list(choices := field(value, "choices")) and (not self._data or is_completion(value)):
            for position, choice in enumerate(choices):
                self._choice(choice, (*path, index_of(choice, position)))
            self._beside(value, path, "choices")
        elif field(value, "object") == "response" and isinstance(items := field(value, "output"), Sequence):
            self._parts(items, path)
            read = ["output", *echoed(value)]
            if isinstance(value, Mapping) and isinstance(text := value.get("output_text"), str):
                self._append(text, (*path, "output_text"), value, "output_text")
                read.append("output_text")
            self._beside(value, path, *read)
        elif isinstance(text := field(value, "output_text"), str):
            self._append(text, (*path, "content"), value, "output_text")
            self._beside(value, path, "output_text")
        elif isinstance(generations := field(value, "generations"), Sequence):
            self._value(generations, path)
            self._beside(value, path, "generations")
        elif (said := gemini.told(value)) is not None or (said := bedrock.told(value)) is not None:
            for one in said:
                self._told(one, path)
        elif (has(value, "generation_info") or has(value, "done")) and (not self._data or is_choice(value)):
            self._generation(value, path)
        else:
            self._item(value, path)

    def _item(self, value: object, path: Channel) -> None:
        """Add a value that declares its kind: a message, a part of one, an event."""
        kind = field(value, "type")
        if kind in ITEM_PARTS:
            self._part(value, 0, path)
        elif role_of(value) in ROLES and (not self._data or is_message(value)):
            self._whole_message(llama_index.message_of(value) if llama_index.has_media(value) else value, path)
        elif (found := told(value, known=self._data)) is not None:
            for one in found:
                self._told(one, path)
        elif isinstance(kind, str) and (
            kind in SAID_PARTS or (kind in TEXT_PARTS and (not self._data or has(value, "text")))
        ):
            self._part(value, 0, path)
        else:
            self._own(value, path)

    def _own(self, value: object, path: Channel) -> None:
        """Add the host's own data, with responses and messages inside it read as such."""
        if not (self._data and is_data(value)):
            raise unknown(value, "extract_response")
        texts, inside = texts_in(value)
        self._append("\n".join(texts), (*path, "data"), None, "")
        if words := words_alone(texts):
            self._append(words, (*path, WORDS), None, "")
        self.listed = self.listed or bool(inside)
        for position, one in enumerate(inside):
            self._response(one, (*path, "inside", position))

    def _told(self, one: Piece | Inside, path: Channel) -> None:
        """Add a piece, or a value inside an event."""
        if isinstance(one, Piece):
            self._take(one, path)
            return
        start = len(self.pieces)
        if one.at is not None:
            self._part(one.value, one.at, (*path, *one.path))
        elif is_list(one.value):
            self._parts(one.value, path)
        elif has(one.value, "choices"):
            self._response(one.value, path)
        else:
            self._whole_message(one.value, path)
        if one.whole:
            self.pieces[start:] = [replace(piece, whole=True) for piece in self.pieces[start:]]

    def _generation(self, value: object, path: Channel) -> None:
        """Add a LangChain generation or an Ollama response; that of ``generate`` is not a choice."""
        if is_choice(value) or not isinstance(field(value, "response"), str):
            self._choice(value, path)
            return
        if field(value, "image"):
            raise unreadable(value, "extract_response")
        for name, channel in (("thinking", "thinking"), ("response", "content")):
            if isinstance(text := field(value, name), str):
                self._append(text, (*path, channel), value, name)
        self._beside(value, path, "thinking", "response")

    def _choice(self, choice: object, path: Channel) -> None:
        self._beside(choice, path, "message", "delta", "text")
        message, delta, text = (field(choice, name) for name in ("message", "delta", "text"))
        if message is not None:
            self._whole_message(message, path)
        if isinstance(delta, str):
            self._append(delta, (*path, "content"), choice, "delta")
        elif delta is not None and not isinstance(delta, int | float):
            if not holds_fields(delta, MESSAGE_FIELDS):
                raise unknown(delta, "extract_response")
            self._message(delta, path)
        alone = message is None and delta is None
        if isinstance(text, str):
            # LangChain's repeats the message; any other text next to a message is separate
            if alone or not has(choice, "generation_info"):
                self._append(text, (*path, "content" if alone else "text"), choice, "text")
        elif text is not None or (alone and not has(choice, "finish_reason")):
            # one that only says how it ended has no text, nor has Azure's with the results of its filter
            raise unknown(choice, "extract_response")

    def _whole_message(self, message: object, path: Channel) -> None:
        if not any(has(message, name) for name in MESSAGE_FIELDS):
            raise unknown(message, "extract_response")
        self._message(message, path)

    def _message(self, message: object, path: Channel) -> None:
        refuse_media(message, "extract_response")
        self._beside(message, path, *READ)
        content = field(message, "content")
        if isinstance(content, str):
            self._append(content, (*path, "content"), message, "content")
        elif isinstance(content, Sequence):
            self._parts(content, path)
        elif content is not None:
            raise unknown(content, "extract_response")
        extra = field(message, "additional_kwargs") or {}
        if not holds_fields(extra):
            raise unknown(extra, "extract_response")
        refuse_media(extra, "extract_response")
        self._beside(extra, (*path, "additional_kwargs"), *_THOUGHTS, "tool_calls", "function_call", source=message)
        for name in _THOUGHTS:
            for holder in (message, extra):
                if isinstance(text := field(holder, name), str):
                    self._append(text, (*path, name), holder, name)
                elif has_words(text):
                    self._append("\n".join(leaves(text)), (*path, name), None, "")
        self._calls(message, path)

    def _parts(self, parts: Sequence[object], path: Channel) -> None:
        for position, part in enumerate(parts):
            if isinstance(part, str):
                self._append(part, (*path, "content"), parts, position, place=position)
            else:
                self._part(part, position, path)

    def _part(self, part: object, position: object, path: Channel) -> None:
        kind = kind_of(part) or ""
        if kind in TEXT_PARTS or kind == PLAIN_FILE:
            # a LangChain chunk may have only the sources of a text
            if has(part, "text") or not any(field(part, name) for name in QUOTED):
                text = string(part, "text", "extract_response")
                self._append(text, (*path, "content"), part, "text", place=position)
            self._beside(part, (*path, position), "text", *sources_of(part))
        elif kind == "message":
            self._message(part, (*path, position))
        elif kind in SAID_PARTS and is_list(said := field(part, kind)):  # Mistral's reasoning, in parts of its own
            self._parts(said, (*path, kind))
            self._beside(part, (*path, position), kind)
        elif kind in SAID_PARTS:
            self._append(string(part, kind, "extract_response"), (*path, kind), part, kind, place=position)
            self._beside(part, (*path, position), kind)
        elif kind == "reasoning":
            self._reasoning(part, position, path)
        elif kind in CALL_PARTS or kind.endswith("_tool_use"):
            self._call(part, (*path, "part", index_of(part, position)))
        elif kind == "compaction":
            self._append(field(part, "content") or "", (*path, kind), part, "content", place=position)
            self._beside(part, (*path, position), "content")
        else:
            self._of_tools(part, kind, position, path)

    def _of_tools(self, part: object, kind: str, position: object, path: Channel) -> None:
        """Add tool results, searches with their results, and items about tools."""
        if kind.endswith("_tool_result"):
            refuse_files(texts := list(given(part)))
            self._append("\n".join(texts), (*path, "result", position), None, "")
            self._beside(part, (*path, position), *GIVEN)
        elif kind in OUTPUT_PARTS:
            output = field(part, "output")
            if is_list(output):
                self._parts(output, (*path, "result", position))
            else:
                self._parts(["\n".join(leaves(output))], (*path, "result", position))
            self._beside(part, (*path, position), "output")
        elif kind in SEARCH_PARTS:
            self._append("\n".join(searched(part)), (*path, "search", position), None, "")
            self._beside(part, (*path, position), *SEARCHED)
        elif kind in NOTE_PARTS:
            self._beside(part, (*path, position))
        elif kind not in WORDLESS_PARTS:
            raise unreadable(part, "extract_response")

    def _reasoning(self, part: object, position: object, path: Channel) -> None:
        self._beside(part, (*path, position), "reasoning", "summary", "content")
        for name in ("reasoning", "summary", "content"):
            channel = reasoning_channel(path, position, name)
            value = field(part, name)
            if isinstance(value, str):
                self._append(value, channel, part, name)
            elif not is_list(value) and has_words(value):
                self._append("\n".join(leaves(value)), channel, None, "")
            for place, one in enumerate(value if is_list(value) else ()):
                own, where = (value, place) if isinstance(one, str) else (one, "text")
                if isinstance(text := one if isinstance(one, str) else field(one, "text"), str):
                    self._append(text, channel, own, where, place=place, between="\n")
                    self._beside(one, (*path, position, name, place), "text")
                elif words := "\n".join(leaves(one)):
                    self._append(words, channel, None, "", place=place, between="\n")
