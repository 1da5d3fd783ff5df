"""Other texts in somebody else's prompt or response, which keeps its shape and is itself left as it was."""

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
"""The changes to make in one string."""

_DEEPEST = 24
"""Levels that are looked into; no message or response known is half as deep."""
_WORDLESS = (int, float, bytes, type, ModuleType, Enum)
"""What is looked into by nobody: a member of an enumeration is the same object for all."""
_PRIVATE = "__pydantic_private__"
"""Where models of pydantic have the attributes that are no fields of theirs."""
_METADATA = ("response_metadata", "generation_info")
"""Where LangChain puts what the provider said beside the words."""


def rewrite(value: object, find: Find) -> Any:  # noqa: ANN401  of the type of the value
    """Return ``value`` with the changes ``find`` asks for in every string inside, or ``value`` where there are none.

    Looks into mappings, lists, tuples, sets and the attributes of objects, in time linear in their number, and at keys,
    but for those that may be names of fields: a message without its ``role`` is none. Only what changes is copied, and
    without the token probabilities beside it, which say the old words again; what was parsed from it is parsed anew.
    What cannot be copied or set stays as it is: whoever needs to be sure looks at it again.
    """
    return _Rewriting(find).of(value, _DEEPEST)


class _Rewriting:
    """One walk through a value."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._known: dict[int, tuple[int, object, object]] = {}
        """What became of a value by its id: the levels that were left, the value (else its id could be another's by
        now) and the result, the value itself while it is being looked at."""

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
        """Return what becomes of the keys that change; two that would read alike stay two."""
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
        """Return a mapping with what ``changed``: a dictionary of its type, as far as that can be copied and set."""
        wanted = {keys.get(name, name): one for name, one in {**value, **changed}.items()}
        if isinstance(value, dict) and type(value) is not dict:
            with suppress(Exception):  # a type of somebody else's may refuse in any way
                copied: dict[Any, Any] = copy.copy(value)
                attributes = self._changed(getattr(value, "__dict__", {}), depth)  # which may hold the same words
                for name, new in attributes.items():
                    object.__setattr__(copied, name, new)
                if keys:
                    copied.clear()  # they keep their order
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
        with suppress(Exception):  # an object of somebody else's may refuse in any way
            if callable(model_copy := getattr(value, "model_copy", None)):
                copied = model_copy(update=changed)
                for name, new in private.items():
                    getattr(copied, _PRIVATE)[name] = new
            else:
                copied = copy.copy(value)
                if copied is value:  # one for all, and left as it is
                    return value
                for name, new in changed.items():
                    object.__setattr__(copied, name, new)
            for name in _derived(copied):
                copied.__dict__.pop(name, None)
        return copied


def _derived(value: object) -> list[str]:
    """Return what an object has computed of its other attributes and keeps: of those before, once they are changed."""
    kinds = type(value).__mro__
    return [name for kind in kinds for name, one in vars(kind).items() if isinstance(one, functools.cached_property)]


def _collected(like: Any, items: list[Any]) -> object:  # noqa: ANN401  a list, tuple or set of somebody else's
    """Return ``items`` as a collection of the type of ``like``, or of the builtin one where that takes others."""
    with suppress(Exception):  # a type of somebody else's may refuse in any way
        if isinstance(like, deque):
            return type(like)(items, like.maxlen)
        return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)
    builtin: type = next(kind for kind in (list, tuple, set, frozenset, deque) if isinstance(like, kind))
    return builtin(items)


def _silent(name: object, value: object) -> object:
    """Return a field beside changed words without token probabilities, or as it is where it has none."""
    if name in ("logprobs", "logprobs_result", "logprobsResult"):
        return None
    if name in _METADATA and isinstance(value, Mapping) and "logprobs" in value:
        return {key: one for key, one in value.items() if key != "logprobs"}
    return value
