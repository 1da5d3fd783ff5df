"""Values in strings of JSON: how they are spelled there, and where such strings are."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.json_strings import depths, spell, spelled, spellings


@given(value=st.text(min_size=1))
def test_a_spelling_is_read_as_the_value(value: str) -> None:
    assert json.loads(f'"{spell(value)}"') == value
    for form in (spell(value), json.dumps(value)[1:-1]):
        assert form == value or value in spellings(form)
        assert form == value or form in spellings(value)


@given(value=st.text(min_size=1))
def test_every_spelling_is_found(value: str) -> None:
    units = re.findall("....", value.encode("utf-16-be", "surrogatepass").hex())
    escaped = ["".join(rf"\u{unit}" for unit in map(case, units)) for case in (str.lower, str.upper)]
    for one in (value, spell(value), spell(value).replace("/", r"\/"), json.dumps(value)[1:-1], *escaped):
        assert spelled(value).fullmatch(one)


@pytest.mark.parametrize(
    ("library", "written"),
    [
        ("json_encode of PHP", r"a\/b+c=<\u00fc> \"&'\n"),
        ("the same, for people", r"a\/b+c=<ü> \"&'\n"),
        ("encoding/json of Go", r"a/b+c=\u003cü\u003e \"\u0026'\n"),
        ("Gson", r"a/b+c\u003d\u003cü\u003e \"\u0026\u0027\n"),
        ("System.Text.Json of .NET", r"a/b\u002Bc=\u003C\u00FC\u003E \u0022\u0026\u0027\n"),
    ],
)
def test_what_libraries_write_is_among_the_spellings(library: str, written: str) -> None:
    value = "a/b+c=<ü> \"&'\n"
    assert json.loads(f'"{written}"') == value, library
    assert written in spellings(value)


def test_what_is_no_string_of_json_is_only_escaped() -> None:
    assert spellings("plain") == []
    assert spellings("C:\\Users") == ["C:\\\\Users"]
    assert spellings("é\n") == ["é\\n", "\\u00e9\\n", "\\u00E9\\n"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": "@"}', [1]),
        ('{"a": "@", "b": ["@", "@"]}', [1, 1, 1]),
        (' [{"a": "\\"@', [1]),
        ('{"@": -1.5e3, "b": [true, null, "@"]}', [1, 1]),
        ('{"a": "@"} and "@', [1, 0]),
        ('{"a": "x\n@"}', [0]),
        ('{"a": "@\\x@"}', [1, 0]),
        ('{"a": @, "b": "@"}', [0, 0]),
        ('[1] says "@"', [0]),
        ("[@]", [0]),
        ("{name}: @", [0]),
        ('"@"', [0]),
        ("say @", [0]),
        ("[" * 200_000 + '"@', [1]),
        ('Here is @: {"a": "@"}, and "@".', [0, 1, 0]),
        ('{"a": "@"}\n{"b": "@"}\n', [1, 1]),
        ('<call>{"a": "@"}</call> @', [1, 0]),
        ('[see {"a": "@', [1]),
        ('```json\n{"a": "@"}\n```', [1]),
        ('Here, @:\n\n  ~~~\n[\n"@", {"@": 1}]\n  ~~~\nAs "@" says.\n```\n{"b": "@', [0, 1, 1, 0, 1]),
        ('```python\nsay("@")\n```\n', [0]),
        ('say `{"a": "@"}`', [1]),
        ('{"a": "@",\n```\n', [1]),
    ],
)
def test_only_places_in_strings_of_json_count(text: str, found: list[int]) -> None:
    places = [at for at, sign in enumerate(text) if sign == "@"]
    assert depths(text, places) == found
    for place, depth in zip(places, found, strict=True):  # whatever is written behind it
        assert depths(text[: place + 1], [place]) == [depth]


def test_json_in_a_string_of_json_is_deeper() -> None:
    text = "@ @"
    for depth in range(1, 7):
        text = json.dumps({"a\n": text, "b": "@"})
        places = [at for at, sign in enumerate(text) if sign == "@"]
        assert depths(text, places) == [min(at, 4) for at in (depth, depth, *range(depth, 0, -1))]


def test_a_place_inside_an_escape_is_in_the_string_around_it() -> None:
    assert depths(r'{"a": "\u0041"}', [9]) == [1]
