"""Values in strings of JSON: how they are spelled there, and where such strings are."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.text.json_strings import spell, spelled, spellings, within


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
        ('{"a": "@"}', 1),
        ('{"a": "@", "b": ["@", "@"]}', 3),
        (' [{"a": "\\"@', 1),
        ('{"@": 1}', 1),
        ('{"a": "@"} and "@', 1),  # of the rest no JSON is made
        ('{"a": "x\n@"}', 0),
        ('{"a": @, "b": "@"}', 0),
        ('[1] says "@"', 0),
        ("[@]", 0),
        ("{name}: @", 0),
        ('"@"', 0),
        ("say @", 0),
        ("[" * 200_000 + '"@', 0),
    ],
)
def test_only_places_in_strings_of_json_count(text: str, found: int) -> None:
    places = [at for at, sign in enumerate(text) if sign == "@"]
    assert within(text, places) == places[:found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('```json\n{"a": "@"}\n```', [0]),
        ('Here, @:\n\n  ~~~\n[\n"@", {"@": 1}]\n  ~~~\nAs "@" says.\n```\n{"b": "@', [1, 2, 4]),
        ('```python\nsay("@")\n```\n', []),
        ('say ```{"a": "@"}```', []),
        ('{"a": "@",\n```\n', [0]),
    ],
)
def test_so_do_those_in_a_block_of_code(text: str, found: list[int]) -> None:
    places = [at for at, sign in enumerate(text) if sign == "@"]
    assert within(text, places) == [places[number] for number in found]
