"""State to renew in a forked child: a lock that another thread of the parent held would stay locked for ever."""

from __future__ import annotations

import os
from types import MethodType
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_FUNCTIONS: list[Callable[[], object]] = []
_METHODS: WeakKeyDictionary[object, Callable[[Any], object]] = WeakKeyDictionary()
"""Object to the method of its class that renews it."""


def after_fork(renew: Callable[[], object]) -> None:
    """Register ``renew`` to be called in every forked child: a function always, a method while its object lives."""
    if isinstance(renew, MethodType):
        _METHODS[renew.__self__] = renew.__func__
    else:
        _FUNCTIONS.append(renew)


class lazy(Generic[T]):  # noqa: N801  a decorator, lower case as in the standard library
    """A property computed on first access: ``functools.cached_property`` without its lock.

    Before Python 3.12 that lock is shared by all instances, so a forked child would deadlock if a thread of the parent
    held it. Here two threads that arrive at once both compute, and one of the results is kept.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        """Compute the value with the method ``compute``."""
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, owner: Any, kind: type) -> T:  # noqa: ANN401  the owner may be of any class
        """Return the value, which from then on is stored in the object itself."""
        value: T = owner.__dict__.setdefault(self._compute.__name__, self._compute(owner))
        return value


def _in_child() -> None:
    for function in _FUNCTIONS:
        function()
    for owner, method in list(_METHODS.items()):
        method(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
