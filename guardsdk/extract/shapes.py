"""Reading somebody else's messages and responses by shape, as mappings or objects alike."""

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
"""Items of the Responses API that stand among messages, as an earlier answer had them."""
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
    # The user's word on what a tool is to do, with a reason in theirs:
    "mcp_approval_response": Stage.INPUT,
    # Written by the developer, who is trusted:
    "system": None,
    "developer": None,
    # Said by the model in an earlier turn and screened then, as output:
    "assistant": None,
    "ai": None,
    "model": None,
    **dict.fromkeys(ITEMS),
}
PAIR = 2
"""Parts of a ``(role, text)`` pair."""
TRUSTED = frozenset({"system", "developer"})
TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
PLAIN_FILE = "text-plain"
"""LangChain's file of plain text: with its ``text``, or with an address where nobody looks."""
QUOTED = ("annotations", "citations")
"""What a text part says of its sources: words of theirs, by place or quoted."""
_SOURCE = ("type", "title", "cited_text")
"""What a source has, one of them at the least."""
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
"""Content parts known to hold no text: nobody screens them, and the policy says what follows. A part of any other kind
is refused, since it may hold text in a place nobody knows."""
MEDIA_FIELDS = ("images", "audio", "audios", "videos", "files")


_OFTEN = 1000
"""How many times lists may come up again within one prompt or response."""


class Walk:
    """Which lists were read. They may hold one another, so that ten of them say a word ten billion times over.

    A document of YAML does so with a few aliases, and a model may be made to write one.
    """

    def __init__(self, option: str) -> None:
        """Begin; an error names ``option`` as what to give instead."""
        self._option = option
        self._read: dict[int, object] = {}  # kept alive: an id is only of use as long as nobody else can get it
        self._again = 0

    def into(self, value: Sequence[Any]) -> Sequence[Any]:
        """Return a list that is read now. Raises ``InputTypeError`` where it was often enough."""
        self._again += id(value) in self._read
        if self._again > _OFTEN:
            raise self._endless
        self._read[id(value)] = value
        return value

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        """Raise ``InputTypeError`` where the stack was not deep enough for it."""
        if isinstance(error, RecursionError):
            raise self._endless from None

    @property
    def _endless(self) -> UnreadableError:
        way = f"give {self._option}= to turn what holds them into text"
        return UnreadableError("lists are nested too deep, or hold one another too often", way)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether ``value`` is a sequence of things, and not of characters or bytes."""
    return isinstance(value, Sequence) and not isinstance(value, str | UserString | bytes | bytearray | memoryview)


def field(value: object, name: str) -> Any:  # noqa: ANN401  a field of somebody else's object
    """Return a key of a mapping or an attribute of an object; ``None`` where there is none."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def has(value: object, name: str) -> bool:
    """Return whether a mapping has the key or an object the attribute."""
    return name in value if isinstance(value, Mapping) else hasattr(value, name)


def fields_of(value: object) -> dict[Any, Any]:
    """Return the keys of a mapping, or the attributes an object holds, with what is in each."""
    if isinstance(value, Mapping):
        return dict(value)
    slots = (name for kind in type(value).__mro__ for name in _slots(kind))
    known = {name: getattr(value, name) for name in slots if not name.startswith("__") and hasattr(value, name)}
    return known | getattr(value, "__dict__", {}) | (getattr(value, "__pydantic_extra__", None) or {})


def holds_fields(value: object, names: Sequence[str] = ()) -> bool:
    """Whether ``value`` is a mapping or an object with fields, one of the ``names`` at the least or any others.

    A text, a list and a number are none: there is nothing to find in them by name.
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
    """Return what a content part says it is."""
    kind = field(value, "type")
    if isinstance(kind, str):
        return kind
    # {"text": "..."} alone is a text part of Gemini and Bedrock; with more fields beside it nobody knows.
    return "text" if isinstance(value, Mapping) and set(value) == {"text"} else None


def role_of(value: object) -> str | None:
    """Return who speaks in a message; for items and LangChain messages their ``type`` says it."""
    role = field(value, "role")
    role = role if isinstance(role, str) else field(value, "type")
    return role.lower().removesuffix("messagechunk") if isinstance(role, str) else None


def is_absent(value: object) -> bool:
    """Whether ``value`` stands for an argument that nobody gave: ``None``, or what the clients' packages have for that.

    Theirs is an object that is false and holds nothing. A number is a value, be it zero.
    """
    kind = type(value)
    if value is None:
        return True
    if isinstance(value, Number) or hasattr(kind, "__len__") or not hasattr(kind, "__bool__"):
        return False
    held = [name for name in fields_of(value) if not str(name).startswith("__")]  # a package may note where it is from
    return not (held or value)


def index_of(value: object, position: object) -> object:
    """Return the place a chunk belongs to: its own ``index``, else its position."""
    index = field(value, "index")
    return index if isinstance(index, int) else position


def sources_of(part: object) -> list[str]:
    """Return the fields in which a text part says what its sources are, as far as they hold such and no words."""
    said = {name: found if is_list(found := field(part, name)) else [found] for name in QUOTED}
    return [
        name
        for name, found in said.items()
        if all(any(isinstance(field(one, about), str) for about in _SOURCE) for one in found)
    ]


def string(part: object, name: str, option: str) -> str:
    """Return a field of a part that has to be a string; raise for ``option`` where it is not."""
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
    """Return the fields of a message in which pictures or sounds ride beside its content."""
    return [name for name in MEDIA_FIELDS if field(message, name)]


class UnreadableError(InputTypeError):
    """Something that cannot be screened; ``what`` names it without the way out, which depends on who was asked."""

    def __init__(self, what: str, way_out: str = "") -> None:
        """Say ``what`` it is and the ``way_out``."""
        super().__init__(f"{what}; {way_out}" if way_out else what)
        self.what = what


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Name ``place`` in the error for what cannot be read in the block, for who cannot say what to read instead.

    The way out that this room knows by itself is an option of ``@guarded``. Raises ``InputTypeError``.
    """
    try:
        yield
    except UnreadableError as error:
        msg = f"{place}: {error.what}; give what it says as text in its place, or leave it out"
        raise InputTypeError(msg) from None


def refuse_media(message: object, option: str) -> None:
    """Raise ``InputTypeError`` where pictures or sounds ride beside a message's content."""
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
    """Return the error for a type nobody taught this package to read."""
    hint = f"give {option}= to turn it into text"
    if option == "extract_response" and (inspect.isawaitable(value) or isinstance(value, Iterator | AsyncIterable)):
        hint = "decorate an async or a generator function, which awaits or yields what this returns"
    return UnreadableError(f"{type(value).__module__}.{type(value).__qualname__} cannot be screened", hint)
