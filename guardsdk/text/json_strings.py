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
"""A token of JSON (RFC 8259); a string that is broken or unfinished matches as far as it is valid."""

_SHORT: Final = {"\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", '"': r"\"", "/": r"\/", "\\": r"\\"}
"""Two-character escapes."""


def spell(value: str) -> str:
    """Return ``value`` as escaped inside a JSON string."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def spellings(value: str) -> list[str]:
    """Return the other ways to write ``value``: escaped and, where it is itself escaped, as what it stands for."""
    said = [value]
    if "\\" in value:
        with suppress(ValueError):  # not cut out of JSON, or cut inside an escape
            said.append(json.loads(f'"{value}"'))
    found = [form for one in said for form in (one, *_written(one))]
    return [form for form in dict.fromkeys(found) if form != value]


def _written(value: str) -> list[str]:
    """Return ``value`` as JSON libraries write it: those of Python and JavaScript, PHP, Go, Java (Gson) and .NET."""
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
    """Return a pattern that matches ``value`` however a JSON string may spell each of its characters."""
    return re.compile("".join(f"(?:{'|'.join(_ways(sign))})" for sign in value))


def _ways(sign: str) -> list[str]:
    units = re.findall("....", sign.encode("utf-16-be", "surrogatepass").hex())
    short = [re.escape(_SHORT[sign])] if sign in _SHORT else []
    return [*short, "".join(rf"\\u(?i:{unit})" for unit in units), re.escape(sign)]


def depths(text: str, places: Sequence[int], most: int = 4) -> list[int]:
    """Return for each of ``places``, in ascending order, in how many strings of JSON it lies, one nested in another.

    ``text`` may be JSON or contain it anywhere. What follows a place does not matter: a text may still be written.
    Takes time linear in ``text``. At most ``most`` are counted: each doubles the backslashes, and nobody nests more.
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
    """Return the depths of the places between the first and the last of ``cuts``, the ends of a JSON string."""
    if most > 1 and "\\" in text[cuts[0] : cuts[-1]]:  # otherwise no string is nested in it
        with suppress(ValueError):  # a place inside an escape
            said = [str(json.loads(f'"{text[start:end]}"')) for start, end in pairwise(cuts)]
            places = list(accumulate(map(len, said[:-1])))
            return [depth + 1 for depth in depths("".join(said), places, most - 1)]
    return [1] * (len(cuts) - 2)


def _strings(text: str) -> Iterator[tuple[int, int]]:
    """Yield the ranges of the strings in JSON objects and arrays of ``text``, without their quotes, in order.

    Tokens are checked but not their order, so a list or dictionary of another language that looks the same counts, too.
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
