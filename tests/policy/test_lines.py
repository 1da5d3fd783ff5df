"""Lines of keys: whatever valid TOML looks like, every key of it is found where it stands."""

from __future__ import annotations

import json
import pickle
import string
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardsdk.policy import Policy, default_policy
from guardsdk.policy.lines import key_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

TRICKY = '''# a comment with "quotes" and [brackets]
title = "a # b" # x = 3
"quoted key" = 'C:\\path'
dotted . key = 1979-05-27 07:32:00
text = """
[not.a.table]
fake = 1 \\"""
"""

[fruit]
list = [ # numbers
  1,
  [ "]", ',' ], # nested
  { a = 1, b.c = """x
y""" },
]
[[fruit.kind]]
name = "apple"

[fruit.kind.skin]
colour = 'red'

[[fruit.kind]]
name = ""
'''


def paths(value: object, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every key and element of what was read."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in pairs:
        yield (*above, key)
        yield from paths(below, (*above, key))


def test_every_key_of_a_tricky_text_is_found_on_its_line() -> None:
    found = key_lines(TRICKY)
    assert set(paths(tomllib.loads(TRICKY))) == set(found)
    numbered = dict(enumerate(TRICKY.splitlines(), 1))
    for path, words in (
        (("dotted", "key"), "dotted . key"),
        (("fruit", "list", 1, 0), '[ "]"'),
        (("fruit", "list", 2, "b", "c"), "b.c ="),
        (("fruit", "kind", 0, "skin", "colour"), "colour"),
        (("fruit", "kind", 1), "[[fruit.kind]]"),
        (("fruit", "kind", 1, "name"), 'name = ""'),
    ):
        assert words in numbered[found[path]]
    assert found["fruit", "kind", 0] < found["fruit", "kind", 1]


def test_every_key_of_the_packaged_policy_is_found() -> None:
    origin = default_policy().origin
    for number, principle in enumerate(default_policy().principles):
        place = origin.at("principles", number, "threshold")
        assert place is not None
        assert place.line is not None
        for at in range(1, len(principle.examples)):
            one, other = (origin.at("principles", number, "examples", at - 1 + step) for step in (0, 1))
            assert one is not None
            assert other is not None
            assert (one.line or 0) < (other.line or 0)


keys = st.text(string.ascii_letters + '-_ ."#=[]', min_size=1, max_size=5)
values = st.recursive(
    st.booleans() | st.integers(-9, 9) | st.text(max_size=6) | st.just("# no [comment]\n= x"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def written(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"  {written(one)}, # ] }}\n" for one in value) + "]"
    if isinstance(value, str) and "\\" not in value and "\x7f" not in value and "'" not in value and "\n" in value:
        return (
            "'''\n" + value.replace("\r", "").replace("\x00", "") + "'''" if value.isprintable() else json.dumps(value)
        )
    return json.dumps(value)


@given(st.dictionaries(keys, values, max_size=4), st.lists(st.dictionaries(keys, values, max_size=3), max_size=3))
def test_every_key_of_any_text_is_found(top: dict[str, Any], tables: list[dict[str, Any]]) -> None:
    lines = [f"{json.dumps(key)} = {written(value)}" for key, value in top.items() if key != "t"]
    for table in tables:
        lines += ["", "[[ t ]]", *(f"{json.dumps(key)} = {written(value)}" for key, value in table.items())]
    text = "\n".join(lines).replace("\x7f", "")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a surrogate or a control character, which JSON writes and TOML refuses
        return
    found = key_lines(text)
    assert set(paths(content)) == set(found)
    for path, line in found.items():
        if isinstance(path[-1], str) and len(path) == 1 and path[-1] != "t":
            assert text.splitlines()[line - 1].startswith(json.dumps(path[-1]))


@pytest.mark.parametrize("text", ["[", "x = [", "x = {", "]]]", "= 3", "a\nb", '"""', "x = [}", "x = {]"])
def test_what_is_no_toml_ends_all_the_same(text: str) -> None:
    assert isinstance(key_lines(text), dict)


def test_two_policies_that_say_the_same_are_equal_wherever_they_were_read() -> None:
    text = 'name = "a"\nversion = "1"\n[[principle]]\nid = "x"\ntext = "x"\nlabel = "x"\nstages = ["input"]\n'
    one, other = Policy.from_toml(text, source="one"), Policy.from_toml("\n\n" + text, source="other")
    assert one == other
    assert (str(one.origin.at("principles", 0, "label")), str(other.origin.at("name"))) == ("one:6", "other:3")
    assert one.model_copy().origin.at("name") == one.origin.at("name")
    again: Policy = pickle.loads(pickle.dumps(other))  # noqa: S301  our own
    assert (again, again.origin.at("name")) == (other, other.origin.at("name"))
