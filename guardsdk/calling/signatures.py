"""The effective signature of a callable: ``functools.wraps`` shows the parameters of the wrapped function only."""

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
    """Return the parameters of ``function``, with its ``*args`` and ``**kwargs`` expanded by those of what it wraps.

    A decorator may add or remove arguments, so its own parameters, if it has any, define how it is called. Raises
    ``TypeError`` and ``ValueError`` as ``inspect.signature`` does.
    """
    if isinstance(function, functools.partial):
        return inspect.signature(functools.partial(_standing_for(function.func), *function.args, **function.keywords))
    if inspect.ismethod(function):
        return inspect.signature(types.MethodType(_standing_for(function.__func__), function.__self__))
    shown = inspect.signature(function)
    try:
        own = inspect.signature(function, follow_wrapped=False)
    except ValueError:  # written in C, like the result of ``functools.lru_cache``
        return shown
    if own == shown:
        return shown
    if hasattr(function, "__wrapped__"):
        shown = signature_of(function.__wrapped__)  # this may be one of those too
    return _joined(own, shown)


def _standing_for(function: Callable[..., object]) -> Callable[..., None]:
    """Return a placeholder function with the effective signature of ``function``."""

    def stand_in() -> None: ...

    stand_in.__signature__ = signature_of(function)  # type: ignore[attr-defined]  # read by inspect
    return stand_in


def _joined(own: inspect.Signature, shown: inspect.Signature) -> inspect.Signature:
    """Return ``own`` with the parameters of ``shown`` that can be passed through it."""
    kinds = {parameter.kind for parameter in own.parameters.values()}
    named = [parameter for parameter in own.parameters.values() if parameter.kind not in _OPEN]
    if kinds.isdisjoint(_OPEN):
        return shown if _renames(own, shown) else own
    if not named:
        return shown
    # Whatever precedes a parameter that both have is supplied by the decorator.
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
    except ValueError:  # a parameter without a default after one with a default
        return own


def _renames(own: inspect.Signature, shown: inspect.Signature) -> bool:
    """Whether ``own`` has as many parameters as ``shown``, each the same or renamed."""
    pairs = zip(own.parameters, shown.parameters, strict=False)
    return len(own.parameters) == len(shown.parameters) and all(
        name == other or name not in shown.parameters for name, other in pairs
    )
