"""What the calls of a callable are bound by: ``functools.wraps`` shows the parameters of what stands beneath it."""

from __future__ import annotations

import functools
import inspect
import types
from inspect import Parameter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_OPEN = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def signature_of(function: Callable[..., object]) -> inspect.Signature:
    """Return the parameters of ``function``: its own, and for its ``*args`` and ``**kwargs`` those of what it wraps.

    A decorator in between may add arguments or take some away: who is called with what is said by its own parameters,
    as far as it has any. Raises ``TypeError`` and ``ValueError`` as ``inspect.signature`` does.
    """
    if isinstance(function, functools.partial):
        return inspect.signature(functools.partial(_standing_for(function.func), *function.args, **function.keywords))
    if inspect.ismethod(function):
        return inspect.signature(types.MethodType(_standing_for(function.__func__), function.__self__))
    shown = inspect.signature(function)
    try:
        own = inspect.signature(function, follow_wrapped=False)
    except ValueError:  # written in C, as what ``functools.lru_cache`` makes
        return shown
    if own == shown:
        return shown
    if hasattr(function, "__wrapped__"):
        shown = signature_of(function.__wrapped__)  # which may be one of those, too
    return _joined(own, shown)


def _standing_for(function: Callable[..., object]) -> Callable[..., None]:
    """Return a function that nobody calls, with what ``function`` is bound by for its signature."""

    def stand_in() -> None: ...

    stand_in.__signature__ = signature_of(function)  # type: ignore[attr-defined]  # which inspect asks for
    return stand_in


def _joined(own: inspect.Signature, shown: inspect.Signature) -> inspect.Signature:
    """Return ``own`` with the parameters of ``shown`` that go through it."""
    kinds = {parameter.kind for parameter in own.parameters.values()}
    named = [parameter for parameter in own.parameters.values() if parameter.kind not in _OPEN]
    if kinds.isdisjoint(_OPEN):
        return shown if _renames(own, shown) else own
    if not named:
        return shown
    # What stands before a parameter that both have, the decorator gives by itself.
    placed = {parameter.name for parameter in named if parameter.kind is not Parameter.KEYWORD_ONLY}
    first = max((at for at, name in enumerate(shown.parameters, 1) if name in placed), default=0)
    taken = {parameter.name for parameter in named}
    behind = [one for one in list(shown.parameters.values())[first:] if one.name not in taken]
    if Parameter.VAR_POSITIONAL not in kinds:
        behind = [
            one.replace(kind=Parameter.KEYWORD_ONLY) if one.kind is Parameter.POSITIONAL_OR_KEYWORD else one
            for one in behind
            if one.kind not in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
        ]
    try:
        return own.replace(parameters=sorted([*named, *behind], key=lambda one: one.kind))
    except ValueError:  # one without a default behind one with it
        return own


def _renames(own: inspect.Signature, shown: inspect.Signature) -> bool:
    """Whether ``own`` has as many parameters as ``shown``, and each of them is the same or has a name of its own."""
    pairs = zip(own.parameters, shown.parameters, strict=False)
    return len(own.parameters) == len(shown.parameters) and all(
        name == other or name not in shown.parameters for name, other in pairs
    )
