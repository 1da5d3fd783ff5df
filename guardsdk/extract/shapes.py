"""Reads messages and responses of other libraries by shape, whether mappings or objects."""

from __future__ import annotations

import inspect
import re
from collections import UserString
from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Number
from typing import Any, Self, TypeGuard

from guardsdk.errors import InputTypeError
from guardsdk.verdict import Stage

ITEMS = frozenset(
    {
        "apply_patch_call",
        "code_interpreter_call",
        "compaction",
        "compaction_trigger",
        "computer_call",
        "configuration_update",
        "custom_tool_call",
        "file_search_call",
        "function_call",
        "image_generation_call",
        "item_reference",
        "local_shell_call",
        "mcp_approval_request",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "reasoning",
        "shell_call",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)
"""Responses API items that may be among messages, from an earlier answer."""
ROLES: dict[str, Stage | None] = {
    "user": Stage.INPUT,
    "human": Stage.INPUT,
    "tool": Stage.TOOL,
    "function": Stage.TOOL,
    "ipython": Stage.TOOL,
    "function_call_output": Stage.TOOL,
    "custom_tool_call_output": Stage.TOOL,
    "computer_call_output": Stage.TOOL,
    "local_shell_call_output": Stage.TOOL,
    "shell_call_output": Stage.TOOL,
    "apply_patch_call_output": Stage.TOOL,
    # The user's decision on a tool call, with a free-text reason:
    "mcp_approval_response": Stage.INPUT,
    # Written by the developer, who is trusted:
    "system": None,
    "developer": None,
    # Written by the model in an earlier turn, and screened then as output:
    "assistant": None,
    "ai": None,
    "model": None,
    **dict.fromkeys(ITEMS),
}
PAIR = 2
"""The length of a ``(role, text)`` pair."""
TRUSTED = frozenset({"system", "developer"})
TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
PLAIN_FILE = "text-plain"
"""LangChain's plain-text file: with its ``text``, or with a URL, which is not fetched."""
QUOTED = ("annotations", "citations")
"""Fields in which a text part cites its sources, by position or quoted."""
_SOURCE = ("type", "title", "cited_text")
"""A source has at least one of these."""
MEDIA_PARTS = frozenset(
    {
        "audio",
        "computer_screenshot",
        "document",  # but for one that is text, as of a file of plain text
        "document_url",
        "file",
        "image",
        "image_url",
        "input_audio",
        "input_file",
        "input_image",
        "media",
        PLAIN_FILE,
        "video",
        "video_url",
    }
)
"""Content parts known to have no text: they are not screened, and the policy decides. A part of any other kind is
rejected, since it may have text in an unknown place."""
MEDIA_FIELDS = ("images", "audio", "audios", "videos", "files")


_OFTEN = 1000
"""How many times lists may occur again within one prompt or response."""


class Walk:
    """Tracks which lists were read. Lists may contain one another, so that ten of them can expand to ten billion words.

    A YAML document does so with a few aliases, and a model may be made to write one.
    """

    def __init__(self, option: str) -> None:
        """Start; errors name ``option`` as the alternative."""
        self._option = option
        self._read: dict[int, object] = {}  # kept alive: an id may be reused once its object is gone
        self._again = 0

    def into(self, value: Sequence[Any]) -> Sequence[Any]:
        """Return a list about to be read. Raises ``InputTypeError`` if it occurred too often."""
        self._again += id(value) in self._read
        if self._again > _OFTEN:
            raise self._endless
        self._read[id(value)] = value
        return value

    def __enter__(self) -> Self:
        """Start."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        """Raise ``InputTypeError`` on a recursion error."""
        if isinstance(error, RecursionError):
            raise self._endless from None

    @property
    def _endless(self) -> UnreadableError:
        way = f"give {self._option}= to turn what holds them into text"
        return UnreadableError("lists are nested too deep, or hold one another too often", way)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether ``value`` is a sequence of things, rather than of characters or bytes."""
    return isinstance(value, Sequence) and not isinstance(value, str | UserString | bytes | bytearray | memoryview)


def field(value: object, name: str) -> Any:  # noqa: ANN401  a field of another library's object
    """Return a key of a mapping or an attribute of an object; ``None`` if there is none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def has(value: object, name: str) -> bool:
    """Return whether a mapping has the key or an object the attribute."""
    return name in value if isinstance(value, Mapping) else hasattr(value, name)


def fields_of(value: object) -> dict[Any, Any]:
    """Return the items of a mapping, or the instance attributes of an object."""
    if isinstance(value, Mapping):
        return dict(value)
    slots = (name for kind in type(value).__mro__ for name in _slots(kind))
    known = {name: getattr(value, name) for name in slots if not name.startswith("__") and hasattr(value, name)}
    return known | getattr(value, "__dict__", {}) | (getattr(value, "__pydantic_extra__", None) or {})


def holds_fields(value: object, names: Sequence[str] = ()) -> bool:
    """Whether ``value`` is a mapping or an object with fields, at least one of ``names`` if given.

    False for a text, a list or a number: they have nothing that could be looked up by name.
    """
    if isinstance(value, Mapping):
        return True
    if value is None or isinstance(value, str | int | float | bytes) or is_list(value):
        return False
    held = getattr(value, "__dict__", None)
    return bool(held) or any(hasattr(value, name) for name in names) or bool(fields_of(value))


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def kind_of(value: object) -> str | None:
    """Return the declared kind of a content part."""
    kind = field(value, "type")
    if isinstance(kind, str):
        return kind
    # {"text": "..."} alone is a text part of Gemini and Bedrock; with further fields its kind is unknown.
    return "text" if isinstance(value, Mapping) and set(value) == {"text"} else None


def role_of(value: object) -> str | None:
    """Return the role of a message; items and LangChain messages state it in ``type``."""
    role = field(value, "role")
    role = role if isinstance(role, str) else field(value, "type")
    return role.lower().removesuffix("messagechunk") if isinstance(role, str) else None


def is_absent(value: object) -> bool:
    """Whether ``value`` stands for an argument that was not given: ``None``, or a client library's own marker.

    Such a marker is an object that is false and empty. A number is a value, even zero.
    """
    kind = type(value)
    if value is None:
        return True
    if isinstance(value, Number) or hasattr(kind, "__len__") or not hasattr(kind, "__bool__"):
        return False
    held = [name for name in fields_of(value) if not str(name).startswith("__")]  # a package may note where it is from
    return not (held or value)


def index_of(value: object, position: object) -> object:
    """Return the position that a chunk belongs to: its own ``index``, else ``position``."""
    index = field(value, "index")
    return index if isinstance(index, int) else position


def sources_of(part: object) -> list[str]:
    """Return the fields of a text part that cite its sources, as far as they hold citations and not text."""
    said = {name: found if is_list(found := field(part, name)) else [found] for name in QUOTED}
    return [
        name
        for name, found in said.items()
        if all(any(isinstance(field(one, about), str) for about in _SOURCE) for one in found)
    ]


def string(part: object, name: str, option: str) -> str:
    """Return a field of a part that must be a string; otherwise raise with a hint at ``option``."""
    if not isinstance(text := field(part, name), str):
        raise unreadable(part, option)
    return text


def words(value: object) -> list[str]:
    """Return a string, or the texts of a list of parts."""
    if isinstance(value, str):
        return [value]
    items = value if isinstance(value, Sequence) else ()
    texts = (item if isinstance(item, str) else field(item, "text") for item in items)
    return [text for text in texts if isinstance(text, str)]


def media_of(message: object) -> list[str]:
    """Return the fields of a message with images or audio outside its content."""
    return [name for name in MEDIA_FIELDS if field(message, name)]


class UnreadableError(InputTypeError):
    """Something cannot be screened; ``what`` names it without the alternative, which depends on the caller."""

    def __init__(self, what: str, way_out: str = "") -> None:
        """Say ``what`` it is and the alternative."""
        super().__init__(f"{what}; {way_out}" if way_out else what)
        self.what = what


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Name ``place`` in errors about unreadable values in the block, for callers without an option to suggest.

    By default the suggested alternative is an option of ``@guarded``. Raises ``InputTypeError``.
    """
    try:
        yield
    except UnreadableError as error:
        msg = f"{place}: {error.what}; give what it says as text in its place, or leave it out"
        raise InputTypeError(msg) from None


def refuse_media(message: object, option: str) -> None:
    """Raise ``InputTypeError`` if a message has images or audio outside its content."""
    for name in media_of(message):
        what = f"a message carries {name}, which cannot be screened"
        raise UnreadableError(what, f"give {option}= to say what to screen instead")


def unreadable(part: object, option: str) -> UnreadableError:
    """Return the error for a content part that is not text."""
    kind = kind_of(part) or ""
    name = kind if re.fullmatch(r"[A-Za-z_.-]{1,40}", kind) else type(part).__name__
    what = f"a part of type {name!r} cannot be screened"
    return UnreadableError(what, f"give {option}= to say what to screen instead")


def unknown(value: object, option: str) -> UnreadableError:
    """Return the error for an unsupported type."""
    hint = f"give {option}= to turn it into text"
    if option == "extract_response" and (inspect.isawaitable(value) or isinstance(value, Iterator | AsyncIterable)):
        hint = "decorate an async or a generator function, which awaits or yields what this returns"
    return UnreadableError(f"{type(value).__module__}.{type(value).__qualname__} cannot be screened", hint)
