"""The spellings of a value inside JSON strings. Pure."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from contextlib import suppress
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OPENING: Final = re.compile(r"[{\[]")
_TOKEN: Final = re.compile(
    r"[ \t\r\n]*+(?:(?P<sign>[{}\[\]:,])|(?P<scalar>-?[0-9]++(?:[.eE+-][0-9eE+-]*+)?|true|false|null)"
    r"|(?P<string>\"(?:[^\"\\\x00-\x1f]++|\\(?:[\"\\/bfnrt]|u[0-9A-Fa-f]{4}))*+)(?P<closed>\"?))"
)
"""What JSON is made of; a string as far as it is one (RFC 8259)."""

_SHORT: Final = {"\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "/": r"\/", "\\": r"\\"}
"""Two-character escapes."""


def spell(value: str) -> str:
    """Return ``value`` as escaped inside a JSON string."""
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


def depths(text: str, places: Sequence[int], most: int = 4) -> list[int]:
    """Return for each of ``places``, in order, how many strings of JSON it lies in, each in what the one before says.

    ``text`` may be JSON or have it anywhere. What follows a place is not looked at: a text may still be written. Takes
    time linear in ``text``. No more than ``most`` are counted: each doubles the backslashes, and nobody writes as many.
    """
    found = [0] * len(places)
    for start, end in _strings(text) if places else ():
        if start > places[-1]:
            break
        first, after = bisect_left(places, start), bisect_left(places, end)
        if first < after:
            found[first:after] = _inside(text, [start, *places[first:after], end], most)
    return found


def _inside(text: str, cuts: Sequence[int], most: int) -> list[int]:
    """Return the depths of the places between the first and the last of ``cuts``, which hold a string of JSON."""
    if most > 1 and "\\" in text[cuts[0] : cuts[-1]]:  # else it holds no other string
        with suppress(ValueError):  # a place between two characters of an escape
            said = [str(json.loads(f'"{text[start:end]}"')) for start, end in pairwise(cuts)]
            places = list(accumulate(map(len, said[:-1])))
            return [depth + 1 for depth in depths("".join(said), places, most - 1)]
    return [1] * (len(cuts) - 2)


def _strings(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the strings inside the objects and arrays of JSON in ``text`` are, without their quotes, in order.

    Its signs count and not their order, so that a list or dictionary of other languages that looks the same is one.
    """
    at = 0
    while (opening := _OPENING.search(text, at)) is not None:
        at, depth = opening.start(), 0
        while (token := _TOKEN.match(text, at)) is not None:
            at = token.end()
            if token["string"] is not None:
                yield token.start("string") + 1, token.end("string")
                if not token["closed"]:
                    break
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token["sign"], 0)
            if depth == 0:
                break
