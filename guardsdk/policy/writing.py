"""Writes a policy as TOML, for people to read and edit. Reading it again gives an equal policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from guardsdk.policy.model import Policy

_BARE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_ONE_LINE: Final = 100
"""The most characters of a list on one line."""


def as_toml(policy: Policy) -> str:
    """Return ``policy`` with everything it inherits, without keys that have their default value."""
    content = policy.model_dump(mode="json", exclude_defaults=True, exclude={"extends"})
    principles = content.pop("principles")
    lines = [f"{key} = {toml_value(value)}" for key, value in content.items()]
    for principle in principles:
        lines += ["", "[[principle]]", *_keys(principle)]
    return "\n".join(lines) + "\n"


def _keys(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        written = toml_value(value)
        if isinstance(value, list) and len(written) > _ONE_LINE:
            yield f"{key} = ["
            yield from (f"    {toml_value(one)}," for one in value)
            yield "]"
        else:
            yield f"{key} = {written}"


def toml_value(value: object) -> str:
    """Return ``value`` as TOML: a string, number, bool, list or table without null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, float):
        return "inf" if value == float("inf") else repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {toml_value(one)}" for key, one in value.items() if one is not None)
        return f"{{ {', '.join(pairs)} }}"
    msg = f"{type(value).__name__} has no form in TOML"
    raise TypeError(msg)


def _key(key: str) -> str:
    return key if key and set(key) <= _BARE else _string(key)


def _string(text: str) -> str:
    """Return a basic string; invisible characters are escaped, so that a reader misses nothing."""
    quoted = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
