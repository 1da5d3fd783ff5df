"""What a forked child has to make anew: a lock that another thread of the parent held stays locked there for ever."""

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
"""Object to the method of its class that makes it anew."""


def after_fork(renew: Callable[[], object]) -> None:
    """Have ``renew`` called in every forked child: a function always, a method as long as its object lives."""
    if isinstance(renew, MethodType):
        _METHODS[renew.__self__] = renew.__func__
    else:
        _FUNCTIONS.append(renew)


class lazy(Generic[T]):  # noqa: N801  a decorator, named as the standard library's are
    """A property that is computed when it is first asked for, as ``functools.cached_property`` without its lock.

    Until Python 3.12 that has one for all objects, which a forked child would wait for if a thread of the parent held
    it. Here two threads that come at once both compute, and one of the results is kept.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        """Compute with ``compute``, a method."""
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, owner: Any, kind: type) -> T:  # noqa: ANN401  of whatever class it is a property
        """Return the value, which from now on is found in the object itself."""
        value: T = owner.__dict__.setdefault(self._compute.__name__, self._compute(owner))
        return value


def _in_child() -> None:
    for function in _FUNCTIONS:
        function()
    for owner, method in list(_METHODS.items()):
        method(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
