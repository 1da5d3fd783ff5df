"""Values in data that only their field name identifies, such as a password that does not look like one."""

from __future__ import annotations

from typing import Final

from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.naming import TELLING

_OF_VALUE: Final = frozenset({"value", "values", "parametervalue", "default", "content", "text", "#text", "_text"})
"""Generic field names, which only say that they hold the value named by the enclosing field."""
_MARKER: Final = lazy_pattern(r"\[[A-Z][A-Z0-9_]*\]")
"""A marker that replaced a redacted value; nothing new."""
_SHORTEST: Final = 6
"""The shortest value that a pattern accepts next to a name."""
_LONGEST: Final = 4096
_LONGEST_SPACED: Final = 40
"""Longest name, and longest value with white space, such as a grouped number; anything longer is prose."""


def called(own: object, around: object) -> object:
    """Return the name of a value in field ``own`` inside a field ``around``; ``None`` if there is none."""
    return own if own and not (around and isinstance(own, str) and own.lower() in _OF_VALUE) else around


def with_name(name: object, value: str) -> str | None:
    """Return ``value`` prefixed with its field name as in a settings file, or ``None`` if the name says nothing.

    Also ``None`` if no pattern would accept the value: without a digit, too short, or with several words or lines.
    """
    if not (isinstance(name, str) and _SHORTEST <= len(value) <= _LONGEST and len(name) <= _LONGEST_SPACED):
        return None
    if not any(map(str.isdecimal, value)) or TELLING().search(name) is None or _MARKER().search(value) is not None:
        return None
    words = len(value.split())
    return None if words > 1 and (len(value) > _LONGEST_SPACED or "\n" in value) else f"{name}: {value}"
