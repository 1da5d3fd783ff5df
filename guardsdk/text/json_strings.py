"""Values as strings of JSON spell them. Pure."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_FENCE: Final = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[^\n`]*\n", re.MULTILINE)
"""The line before a block of code in Markdown, or after it."""

_SHORT: Final = {"\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "/": r"\/", "\\": r"\\"}
"""Escapes of two characters."""


def spell(value: str) -> str:
    """Return ``value`` as it stands in a string of JSON."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def spellings(value: str) -> list[str]:
    """Return in which other ways ``value`` may be written: escaped, and where it is so itself as what it says."""
    said = [value]
    if "\\" in value:
        with suppress(ValueError):  # not cut out of JSON, or not between two of its characters
            said.append(json.loads(f'"{value}"'))
    found = [form for one in said for form in (one, *_written(one))]
    return [form for form in dict.fromkeys(found) if form != value]


def _written(value: str) -> list[str]:
    """Return ``value`` as libraries write it in JSON: those of Python and JavaScript, PHP, Go, Java (Gson) and .NET."""
    plain, ascii_only = spell(value), json.dumps(value)[1:-1]
    capitals = re.sub(r"(?<=\\u)[0-9a-f]{4}", lambda unit: unit[0].upper(), ascii_only).replace(r"\"", r"\u0022")
    return [
        plain,
        ascii_only,
        *(form.replace("/", r"\/") for form in (plain, ascii_only)),
        *(re.sub(signs, lambda sign: rf"\u{ord(sign[0]):04x}", plain) for signs in ("[<>&]", "[<>&=']")),
        re.sub("[<>&'+`]", lambda sign: rf"\u{ord(sign[0]):04X}", capitals),
    ]


def spelled(value: str) -> re.Pattern[str]:
    """Return a pattern for ``value`` in whatever way strings of JSON may spell it, character by character."""
    return re.compile("".join(f"(?:{'|'.join(_ways(sign))})" for sign in value))


def _ways(sign: str) -> list[str]:
    units = re.findall("....", sign.encode("utf-16-be", "surrogatepass").hex())
    short = [re.escape(_SHORT[sign])] if sign in _SHORT else []
    return [*short, "".join(rf"\\u(?i:{unit})" for unit in units), re.escape(sign)]


def within(text: str, places: Sequence[int]) -> list[int]:
    """Return which of ``places``, in order, lie in strings of JSON: ``text`` is that, or has it in a block of code.

    What follows a place is not looked at: a text may still be written. Takes time in the logarithm of their number.
    """
    starts = [0, *(fence.end() for fence in _FENCE.finditer(text))] if places else []
    found: list[int] = []
    for start, stop in pairwise([*starts, len(text)]):
        here = places[bisect_left(places, start) : bisect_left(places, stop)]
        found += here[: _leading(text[start:stop], [at - start for at in here])]
    return found


def _leading(text: str, places: Sequence[int]) -> int:
    """Return how many of ``places``, in order, lie in strings of the JSON that ``text`` is up to them."""
    if not (places and text.lstrip().startswith(("{", "["))):
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
