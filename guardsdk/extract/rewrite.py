"""Replaces texts in another library's prompt or response, in a copy of the same shape."""

from __future__ import annotations

import copy
import functools
import inspect
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum
from itertools import count
from types import ModuleType
from typing import Any

from guardsdk.extract.parsed import parsed_again
from guardsdk.extract.shapes import fields_of
from guardsdk.extract.words import names_field
from guardsdk.text.redact import Edit, redact

Find = Callable[[str], list[Edit]]
"""Returns the edits for a string."""

_DEEPEST = 24
"""The deepest nesting that is searched; no known message or response is half as deep."""
_WORDLESS = (int, float, bytes, type, ModuleType, Enum)
"""Types that are not searched; a member of an enumeration is shared by everyone."""
_PRIVATE = "__pydantic_private__"
"""Where pydantic models keep attributes that are not fields."""
_METADATA = ("response_metadata", "generation_info")
"""Where LangChain puts the provider's metadata."""


def rewrite(value: object, find: Find) -> Any:  # noqa: ANN401  of the value's type
    """Return ``value`` with the edits of ``find`` in every string inside, or ``value`` itself if there are none.

    Searches mappings, lists, tuples, sets and the attributes of objects, in linear time, and also keys, except those
    that may be field names: a message without its ``role`` is not a message. Only what changes is copied, without the
    token probabilities next to it, which repeat the old text; values parsed from it are parsed again. What cannot be
    copied or set is left unchanged, so callers that need certainty have to check the result.
    """
    return _Rewriting(find).of(value, _DEEPEST)


class _Rewriting:
    """One traversal of a value."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: dict[int, tuple[int, object, object]] = {}
        """The result for a value by its id: the levels left, the value (kept alive, else its id could be reused) and
        the result, the value itself while it is being searched."""

    def of(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            edits = self._find(value)
            return redact(value, edits) if edits else value
        if depth == 0 or value is None or isinstance(value, _WORDLESS) or inspect.isroutine(value):
            return value
        levels, _, known = self._known.get(id(value), (0, None, None))
        if levels >= depth:
            return known
        self._known[id(value)] = depth, value, value
        found = self._inside(value, depth - 1)
        self._known[id(value)] = depth, value, found
        return found

    def _inside(self, value: object, depth: int) -> object:
        if isinstance(value, list | tuple | set | frozenset | deque):
            items: list[Any] = [self.of(item, depth) for item in value]
            if all(new is old for new, old in zip(items, value, strict=True)):
                return value
            return _collected(value, items)
        if isinstance(value, Mapping):
            changed, keys = self._changed(value, depth), self._keys(value, depth)
            return self._mapping(value, changed, keys, depth) if changed or keys else value
        return self._object(value, depth)

    def _changed(self, fields: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        found = [(name, old, self.of(old, depth)) for name, old in fields.items()]
        if all(new is old for _, old, new in found):
            return {}
        changed = {name: silent for name, old, new in found if (silent := _silent(name, new)) is not old}
        return changed | parsed_again(fields, changed)

    def _keys(self, value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        """Return the new form of the keys that change; two that would become equal stay distinct."""
        changed: dict[Any, Any] = {}
        taken = set(value)
        for name in value:
            if isinstance(name, str) and name.isidentifier() and names_field(name):
                continue
            if (written := self.of(name, depth)) is name:
                continue
            key = written
            for number in count(2):
                if key not in taken:
                    break
                key = f"{written} ({number})"
            taken.add(key)
            changed[name] = key
        return changed

    def _mapping(
        self, value: Mapping[Any, Any], changed: Mapping[Any, Any], keys: Mapping[Any, Any], depth: int
    ) -> object:
        """Return a mapping with ``changed`` applied: a copy of its own type, as far as that can be copied and set."""
        wanted = {keys.get(name, name): one for name, one in {**value, **changed}.items()}
        if isinstance(value, dict) and type(value) is not dict:
            with suppress(Exception):  # a type of another library may raise anything
                copied: dict[Any, Any] = copy.copy(value)
                attributes = self._changed(getattr(value, "__dict__", {}), depth)  # which may contain the same text
                for name, new in attributes.items():
                    object.__setattr__(copied, name, new)
                if keys:
                    copied.clear()  # keeps the order
                copied.update(wanted)
                if type(copied) is type(value) and copied is not value and dict(copied) == wanted:
                    return copied
        return wanted

    def _object(self, value: object, depth: int) -> object:
        fields = fields_of(value) | ({"args": value.args} if isinstance(value, BaseException) else {})
        changed = self._changed(fields, depth)
        private = self._changed(getattr(value, _PRIVATE, None) or {}, depth)
        if not (changed or private):
            return value
        copied: Any = value
        with suppress(Exception):  # an object of another library may raise anything
            if callable(model_copy := getattr(value, "model_copy", None)):
                copied = model_copy(update=changed)
                for name, new in private.items():
                    getattr(copied, _PRIVATE)[name] = new
            else:
                copied = copy.copy(value)
                if copied is value:  # a shared object, left unchanged
                    return value
                for name, new in changed.items():
                    object.__setattr__(copied, name, new)
            for name in _derived(copied):
                copied.__dict__.pop(name, None)
        return copied


def _derived(value: object) -> list[str]:
    """Return the cached values that an object computed from other attributes, stale once those change."""
    kinds = type(value).__mro__
    return [name for kind in kinds for name, one in vars(kind).items() if isinstance(one, functools.cached_property)]


def _collected(like: Any, items: list[Any]) -> object:  # noqa: ANN401  a list, tuple or set of another library
    """Return ``items`` as a collection of the type of ``like``, or a builtin one if that does not accept them."""
    with suppress(Exception):  # a type of another library may raise anything
        if isinstance(like, deque):
            return type(like)(items, like.maxlen)
        return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)
    builtin: type = next(kind for kind in (list, tuple, set, frozenset, deque) if isinstance(like, kind))
    return builtin(items)


def _silent(name: object, value: object) -> object:
    """Return a field next to changed text without token probabilities, or unchanged if it has none."""
    if name in ("logprobs", "logprobs_result", "logprobsResult"):
        return None
    if name in _METADATA and isinstance(value, Mapping) and "logprobs" in value:
        return {key: one for key, one in value.items() if key != "logprobs"}
    return value
