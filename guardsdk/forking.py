"""What a forked child makes anew: a lock that a thread of the parent held would be held in the child for ever."""

from __future__ import annotations

import os
from types import MethodType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

_FUNCTIONS: list[Callable[[], object]] = []
_METHODS: WeakKeyDictionary[object, Callable[[Any], object]] = WeakKeyDictionary()
"""Object to the method of its class that makes it anew."""


def after_fork(renew: Callable[[], object]) -> None:
    """Have ``renew`` called in every forked child: a function always, a method as long as its object lives."""
    if isinstance(renew, MethodType):
        _METHODS[renew.__self__] = renew.__func__
    else:
        _FUNCTIONS.append(renew)


def _in_child() -> None:
    for function in _FUNCTIONS:
        function()
    for owner, method in list(_METHODS.items()):
        method(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
