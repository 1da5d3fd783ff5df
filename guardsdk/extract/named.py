"""Values in data that only the name of their field gives away: of a password in a form nobody sees that it is one."""

from __future__ import annotations

from typing import Final

from guardsdk.text.lazy import lazy_pattern
from guardsdk.text.naming import TELLING

_OF_VALUE: Final = frozenset({"value", "values", "parametervalue", "default", "content", "text", "#text", "_text"})
"""What fields are called that only say that they hold what the field around them names."""
_MARKER: Final = lazy_pattern(r"\[[A-Z][A-Z0-9_]*\]")
"""What stands in the place of a value that was cut out: nothing is new about it."""
_SHORTEST: Final = 6
"""Characters of a value that a pattern takes for one beside a name."""
_LONGEST: Final = 4096
_LONGEST_SPACED: Final = 40
"""Of a name, and of a value with white space in it, such as a number in groups; what is longer are words."""


def called(own: object, around: object) -> object:
    """Return what a value is called in a field ``own`` inside one that is called ``around``; none where nothing is."""
    return own if own and not (around and isinstance(own, str) and own.lower() in _OF_VALUE) else around


def with_name(name: object, value: str) -> str | None:
    """Return ``value`` behind the name of its field as settings write it, or none where the name tells nothing of it.

    None as well where no pattern takes the value for one: without a digit, too short, a text of several words or lines.
    """
    if not (isinstance(name, str) and _SHORTEST <= len(value) <= _LONGEST and len(name) <= _LONGEST_SPACED):
        return None
    if not any(map(str.isdecimal, value)) or TELLING().search(name) is None or _MARKER().search(value) is not None:
        return None
    words = len(value.split())
    return None if words > 1 and (len(value) > _LONGEST_SPACED or "\n" in value) else f"{name}: {value}"
