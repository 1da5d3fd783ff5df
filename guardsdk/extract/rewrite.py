"""Other texts in somebody else's prompt or response, which keeps its shape and is itself left as it was."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from guardsdk.text.redact import Edit, redact

Find = Callable[[str], list[Edit]]
"""The changes to make in one string."""

_DEEPEST = 24
"""Levels that are looked into; no message or response known is half as deep."""


def rewrite(value: object, find: Find) -> Any:  # noqa: ANN401  of the type of the value
    """Return ``value`` with the changes ``find`` asks for in every string inside, or ``value`` where there are none.

    Looks into mappings, lists, tuples and the attributes of objects. Only what changes is copied. What cannot be copied
    or set stays as it is: whoever needs to be sure looks at the result again.
    """
    return _rewritten(value, find, _DEEPEST)


def _rewritten(value: Any, find: Find, depth: int) -> Any:  # noqa: ANN401  anything goes
    if isinstance(value, str):
        edits = find(value)
        return redact(value, edits) if edits else value
    if depth == 0 or value is None or isinstance(value, int | float | bytes | type) or inspect.isroutine(value):
        return value
    if isinstance(value, list | tuple):
        items = [_rewritten(item, find, depth - 1) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, Mapping):
        changed = _changed(value, find, depth)
        return {**value, **changed} if changed else value
    return _object(value, find, depth)


def _changed(fields: Mapping[Any, Any], find: Find, depth: int) -> dict[Any, Any]:
    pairs = ((name, old, _rewritten(old, find, depth - 1)) for name, old in fields.items())
    return {name: new for name, old, new in pairs if new is not old}


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _object(value: Any, find: Find, depth: int) -> Any:  # noqa: ANN401  anything goes
    slots = (name for kind in type(value).__mro__ for name in _slots(kind))
    known = {name: getattr(value, name) for name in slots if not name.startswith("__") and hasattr(value, name)}
    known |= getattr(value, "__dict__", {}) | (getattr(value, "__pydantic_extra__", None) or {})
    changed = _changed(known, find, depth)
    if not changed:
        return value
    copied = value
    with suppress(Exception):  # an object of somebody else's may refuse in any way
        if callable(model_copy := getattr(value, "model_copy", None)):
            return model_copy(update=changed)
        copied = copy.copy(value)
        for name, new in changed.items():
            object.__setattr__(copied, name, new)
    return copied
