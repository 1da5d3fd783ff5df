"""Structured answers: the host's own models, dataclasses and dictionaries, whose shape no library defines."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, time, timedelta
from enum import Enum
from numbers import Number
from pathlib import PurePath
from typing import TYPE_CHECKING, Final
from uuid import UUID

from guardsdk.extract.kinds import MESSAGE_FIELDS
from guardsdk.extract.shapes import (
    MEDIA_PARTS,
    PLAIN_FILE,
    ROLES,
    UnreadableError,
    field,
    has,
    is_list,
    kind_of,
    role_of,
    unknown,
    unreadable,
)
from guardsdk.extract.words import ONCE, is_record, leaves

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCALARS: Final = (Number, Enum, date, time, timedelta, UUID, PurePath)
"""Values that ``str`` represents completely."""
_OPAQUE: Final = (MEDIA_PARTS - {PLAIN_FILE, "document_url"}) | {"image_generation_call"}
_FILES: Final = ("b64_json", "inline_data", "inlineData")
"""Fields in which libraries put images and audio."""
_PACKED: Final = re.compile(r"(?:[A-Za-z0-9+/_-]{57,}\r?\n)*[A-Za-z0-9+/_-]+={0,2}\s*")
_SHORTEST_FILE: Final = 200
"""Length from which base64 may be a file: most digests and signatures are shorter."""
_VARIED: Final = 30
"""The least number of different characters in base64 of that length: sequences and hexadecimal have fewer."""


def is_data(value: object) -> bool:
    """Whether ``value`` is a data container, or a value as found in one; may also be an error."""
    return isinstance(value, (Mapping, AbstractSet, BaseException, *_SCALARS)) or is_record(value) or _is_address(value)


def is_completion(value: object) -> bool:
    """Whether every choice of ``value`` is that of a completion; without choices, whether it says that it is one."""
    choices = field(value, "choices")
    return all(map(is_choice, choices)) and (bool(choices) or isinstance(field(value, "object"), str))


def is_choice(value: object) -> bool:
    """Whether ``value`` has the fields of a completion's choice, and not merely one field of the same name."""
    message, delta = field(value, "message"), field(value, "delta")
    if message is not None:
        return _has_some(message)
    return isinstance(delta, str) or _has_some(delta) or isinstance(field(value, "text"), str)


def _has_some(message: object) -> bool:
    return any(has(message, name) for name in MESSAGE_FIELDS)


def is_message(value: object) -> bool:
    """Whether ``value`` has a role and a field for content."""
    return role_of(value) in ROLES and _has_some(value)


def texts_in(value: object) -> tuple[list[str], list[object]]:
    """Return the strings in ``value``, as ``leaves`` does, and the responses and messages inside it.

    Raises ``InputTypeError`` for values that are not data, for content without text, and for a string that is a file,
    as nobody would have screened it.
    """
    inside: list[object] = []

    def aside(item: object) -> bool:
        if kind_of(item) in _OPAQUE or any(field(item, name) for name in _FILES):
            raise unreadable(item, "extract_response")
        if _is_response(item):
            inside.append(item)
            return True
        if not (is_list(item) or is_data(item) or isinstance(item, ONCE)):  # ``leaves`` handles these
            raise unknown(item, "extract_response")
        return False

    found = leaves(value, aside)
    refuse_files(found)
    return found, inside


def refuse_files(texts: Iterable[str]) -> None:
    """Raise ``InputTypeError`` if one of ``texts`` is a file."""
    if any(map(is_file, texts)):
        what = "an answer holds a file as base64, which cannot be screened"
        raise UnreadableError(what, "give extract_response= to leave it out")


def _is_response(value: object) -> bool:
    """Whether ``value`` is a complete response or message of a model library, inside the host's data."""
    return (
        is_message(value)
        or (is_list(field(value, "choices")) and is_completion(value))
        or (field(value, "object") == "response" and is_list(field(value, "output")))
        or (has(value, "generation_info") and is_choice(value))
    )


def _is_address(value: object) -> bool:
    from pydantic import AnyUrl  # noqa: PLC0415  not needed for answers that are plain text
    from pydantic_core import MultiHostUrl, Url  # noqa: PLC0415

    return isinstance(value, AnyUrl | Url | MultiHostUrl)


def is_file(text: str) -> bool:
    """Whether ``text`` is nothing but a file: a ``data:`` URL, or base64 of non-text data."""
    if re.match(r"\s*data:[^,\s]*;base64,", text, re.IGNORECASE):
        return True
    if len(text) < _SHORTEST_FILE or not _PACKED.fullmatch(text) or len(set(text)) < _VARIED:
        return False
    plain = text.replace("-", "+").replace("_", "/").rstrip().rstrip("=")
    try:
        base64.b64decode(plain + "=" * (-len(plain) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return True
    return False
