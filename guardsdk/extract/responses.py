"""Text out of what models answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import TYPE_CHECKING, Any

from guardsdk.extract.shapes import (
    QUOTED,
    ROLES,
    TEXT_PARTS,
    field,
    has,
    index_of,
    is_list,
    kind_of,
    refuse_media,
    role_of,
    string,
    unknown,
    unreadable,
    words,
)
from guardsdk.extract.words import beside, leaves, spoken
from guardsdk.parts.given import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

_CALL_PARTS = frozenset(
    {
        "code_interpreter_call",
        "custom_tool_call",
        "function_call",
        "input_json_delta",
        "mcp_call",
        "server_tool_call",
        "server_tool_use",
        "tool_call",
        "tool_call_chunk",
        "tool_use",
    }
)
_CALL_ARGUMENTS = ("arguments", "args", "input", "partial_json", "code")
_CALL_RESULTS = ("output", "outputs")
"""What a call gave that the provider made itself."""
# Parts of a response that hold no words of the model: encrypted, or a request the provider served itself.
_WORDLESS_PARTS = frozenset({"citation", "file_search_call", "mcp_list_tools", "redacted_thinking", "web_search_call"})

# A message has at least one of these, be it empty. One without has put its words where nobody looks.
MESSAGE_FIELDS = (
    "content",
    "refusal",
    "reasoning_content",
    "reasoning",
    "thinking",
    "tool_calls",
    "function_call",
)
_READ = (*MESSAGE_FIELDS, "tool_call_chunks", "invalid_tool_calls")

Channel = tuple[object, ...]
"""Where a text belongs in a response: pieces of one channel are parts of one text."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A string found in a response or chunk."""

    channel: Channel
    text: str = attribute(repr=False)
    holder: Any = attribute(repr=False)
    """What the string was read from, under ``name``; none where it was put together from several."""
    name: str | int
    arguments: bool = False
    """Whether it belongs to the arguments of a tool call, which only mean something when they are whole."""


class ResponseText:
    """The text of one response, given whole or chunk by chunk.

    Understood: a string; OpenAI chat completions (every choice) and their chunks, legacy completions and the responses
    API; chat messages of OpenAI, Anthropic, Ollama and LangChain; LangChain generations and results; sequences of
    these; ``None`` as an empty answer. Reasoning, refusals and the string arguments of tool calls count as text: an
    answer may hide in each. Chunks of one choice are joined before anybody judges them.
    """

    def __init__(self, extractor: Callable[[Any], object] | None = None) -> None:
        """Collect what ``extractor`` makes of each value, or the values as they are."""
        self._extractor = extractor
        self.pieces: list[Piece] = []
        """Every string found so far, in order."""
        self.listed = False
        """Whether a value was a list."""

    def add(self, value: object) -> None:
        """Take in a response or its next chunk; ``InputTypeError`` for what cannot be read as text."""
        value = value if self._extractor is None else self._extractor(value)
        self.listed = self.listed or is_list(value)
        self._value(value, ())

    def texts(self) -> list[str]:
        """Return the separate texts without repetitions; ``[""]`` where the response has no words."""
        channels: dict[tuple[bool, Channel], list[str]] = {}
        for piece in self.pieces:
            channels.setdefault((piece.arguments, piece.channel), []).append(piece.text)
        ordered = sorted(channels.items(), key=lambda item: item[0][0])  # arguments last, else as they came
        texts = [spoken("".join(pieces)) if told else "".join(pieces) for (told, _), pieces in ordered]
        return list(dict.fromkeys(text for text in texts if text)) or [""]

    def items(self) -> list[str]:
        """Return the texts of an answer that is a list, in order and with repetitions; none of any other answer."""
        return [piece.text for piece in self.pieces if piece.text] if self.listed else []

    def _value(self, value: object, path: tuple[object, ...]) -> None:
        if value is None:
            return
        if isinstance(value, str):
            self._append(value, (*path, "content"), None, "")
        elif is_list(value):
            for position, item in enumerate(value):
                if isinstance(item, str):
                    self._append(item, (*path, position, "content"), value, position)
                else:
                    self._value(item, (*path, position))
        else:
            self._response(value, path)

    def _response(self, value: object, path: tuple[object, ...]) -> None:
        if isinstance(choices := field(value, "choices"), Sequence):
            for position, choice in enumerate(choices):
                self._choice(choice, (*path, index_of(choice, position)))
            self._beside(value, path, "choices")
        elif field(value, "object") == "response" and isinstance(items := field(value, "output"), Sequence):
            self._parts(items, path)
        elif isinstance(text := field(value, "output_text"), str):
            self._append(text, (*path, "content"), value, "output_text")
            self._beside(value, path, "output_text")
        elif isinstance(generations := field(value, "generations"), Sequence):
            self._value(generations, path)
            self._beside(value, path, "generations")
        elif has(value, "generation_info") or has(value, "done"):  # a LangChain generation or an Ollama response
            self._choice(value, path)
        elif (kind := kind_of(value)) in _CALL_PARTS or kind == "reasoning":  # an item of a response, by itself
            self._parts([value], path)
        elif role_of(value) in ROLES:
            self._whole_message(value, path)
        else:
            raise unknown(value, "extract_response")

    def _beside(self, value: object, path: tuple[object, ...], *read: str) -> None:
        if words := beside(value, *read):
            self._append(words, (*path, "beside"), None, "")

    def _choice(self, choice: object, path: tuple[object, ...]) -> None:
        self._beside(choice, path, "message", "delta", "text")
        if (message := field(choice, "message")) is not None:
            self._whole_message(message, path)
            return
        if (delta := field(choice, "delta")) is not None:
            self._message(delta, path)
            return
        text = field(choice, "text")
        if not isinstance(text, str):
            raise unknown(choice, "extract_response")
        self._append(text, (*path, "content"), choice, "text")

    def _whole_message(self, message: object, path: tuple[object, ...]) -> None:
        if not any(has(message, name) for name in MESSAGE_FIELDS):
            raise unknown(message, "extract_response")
        self._message(message, path)

    def _message(self, message: object, path: tuple[object, ...]) -> None:
        refuse_media(message, "extract_response")
        self._beside(message, path, *_READ)
        content = field(message, "content")
        if isinstance(content, str):
            self._append(content, (*path, "content"), message, "content")
        elif isinstance(content, Sequence):
            self._parts(content, path)
        elif content is not None:
            raise unknown(content, "extract_response")
        extra = field(message, "additional_kwargs") or {}
        refuse_media(extra, "extract_response")
        self._beside(extra, (*path, "additional_kwargs"), *_READ)
        for name in ("refusal", "reasoning_content", "reasoning", "thinking"):
            for holder in (message, extra):
                if isinstance(text := field(holder, name), str):
                    self._append(text, (*path, name), holder, name)
                elif isinstance(text, Mapping | Sequence):
                    self._append("\n".join(leaves(text)), (*path, name), None, "")
        self._calls(message, path)

    def _calls(self, message: object, path: tuple[object, ...]) -> None:
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

    def _parts(self, parts: Sequence[object], path: tuple[object, ...]) -> None:
        for position, part in enumerate(parts):
            kind = kind_of(part)
            if isinstance(part, str):
                self._append(part, (*path, "content"), parts, position)
            elif kind in TEXT_PARTS:
                self._append(string(part, "text", "extract_response"), (*path, "content"), part, "text")
                self._beside(part, (*path, position), "text", *QUOTED)
            elif kind == "message":
                self._message(part, (*path, position))
            elif kind in ("refusal", "thinking"):
                self._append(string(part, kind, "extract_response"), (*path, kind), part, kind)
            elif kind == "reasoning":
                for name in ("reasoning", "summary", "content"):
                    spoken_words = words(field(part, name))
                    own = part if isinstance(field(part, name), str) else None
                    self._append("\n".join(spoken_words), (*path, "reasoning", position, name), own, name)
                self._beside(part, (*path, position), "reasoning", "summary", "content")
            elif kind in _CALL_PARTS:
                self._call(part, (*path, "part", index_of(part, position)))
            elif kind not in _WORDLESS_PARTS:
                raise unreadable(part, "extract_response")

    def _call(self, call: object, path: tuple[object, ...]) -> None:
        self._beside(call, path, *_CALL_ARGUMENTS, *_CALL_RESULTS)
        names = [name for name in _CALL_ARGUMENTS if field(call, name) not in (None, "")]
        for name in names or _CALL_ARGUMENTS[:1]:
            arguments = field(call, name)
            if isinstance(arguments, str):
                self.pieces.append(Piece(path, text_of(arguments, "arguments"), call, name, arguments=True))
            elif arguments:
                self._append("\n".join(leaves(arguments)), path, None, "")
        for name in _CALL_RESULTS:
            if isinstance(result := field(call, name), str | Mapping | Sequence):
                self._append("\n".join(leaves(result)), (*path, name), None, "")

    def _append(self, text: str, channel: Channel, holder: object, name: str | int) -> None:
        self.pieces.append(Piece(channel, text_of(text, "a response"), holder, name))
