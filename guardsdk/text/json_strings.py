"""Values as strings of JSON spell them. Pure."""

from __future__ import annotations

import json
from bisect import bisect_left
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def spell(value: str) -> str:
    """Return ``value`` as it stands in a string of JSON."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def spellings(value: str) -> list[str]:
    """Return in which other ways ``value`` may be written: escaped, and where it is so itself as what it says."""
    said = [value]
    if "\\" in value:
        with suppress(ValueError):  # not cut out of JSON, or not between two of its characters
            said.append(json.loads(f'"{value}"'))
    found = [form for one in said for form in (one, spell(one), json.dumps(one)[1:-1])]
    return [form for form in dict.fromkeys(found) if form != value]


def within(text: str, places: Sequence[int]) -> int:
    """Return how many of ``places``, in order, lie in strings of the JSON that ``text`` is up to them.

    What follows them is not looked at: a text may still be written. Takes time in the logarithm of their number.
    """
    if not text.lstrip().startswith(("{", "[")):
        return 0
    return bisect_left(places, True, key=lambda place: not _ends_in_string(text[:place]))  # noqa: FBT003  a bool is sought


def _ends_in_string(text: str) -> bool:
    """Whether ``text`` is the beginning of JSON, and ends in one of its strings."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return error.msg.startswith("Unterminated string")
    except RecursionError:  # nested deeper than anybody reads
        pass
    return False
