"""Resolves ``module:function``, the command line's notation for a callable."""

from __future__ import annotations

import asyncio
import difflib
import importlib
import inspect
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardsdk.errors import EvaluationError, reject_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def pointed_at(spec: str, option: str) -> Callable[..., Any]:
    """Import ``module:function`` (dots after the colon access attributes) and return the callable.

    The working directory is searched too, as by ``python -m``. Raises ``EvaluationError`` that names ``option``;
    ``InputTypeError`` for the callable itself: a record names the function, so that a run can be made again.
    """
    if not isinstance(spec, str):
        reject_type(option, "module:function as a string", spec)
    module, colon, name = spec.partition(":")
    if not colon or not module or not name:
        msg = f"{option} {spec}: give it as module:function"
        raise EvaluationError(msg)
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        msg = f"{option} {spec}: there is no module {error.name or module} in {here} or where Python looks for modules"
        raise EvaluationError(msg) from error
    except Exception as error:  # whatever importing the module raises
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{place.filename}:{place.lineno}"
        if isinstance(error, SyntaxError):
            where = f"{error.filename}:{error.lineno}"
        msg = f"{option} {spec}: module {module} cannot be imported: {type(error).__name__} at {where}"
        raise EvaluationError(msg) from error
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        kind = f"{name} of {module} is of type {type(found).__name__}, which cannot be called"
        none = f"{module} has no callable {name}{_meant(name, vars(sys.modules[module]))}"
        msg = f"{option} {spec}: {none if found is None else kind}"
        raise EvaluationError(msg)
    function: Callable[..., Any] = found
    return function


def require_takes(call: Callable[..., Any], spec: str, option: str, *given: object, **named: object) -> None:
    """Raise ``EvaluationError`` that names ``option`` unless ``call`` accepts these arguments."""
    try:
        signature = inspect.signature(call, follow_wrapped=False)  # what a decorator gives to it is not ours to ask for
    except (TypeError, ValueError):  # a builtin has no signature
        return
    try:
        signature.bind(*given, **named)
    except TypeError as error:
        expected = ", ".join(["one text or list" if len(given) == 1 else "a prompt and an answer", *named])
        msg = f"{option} {spec}: cannot be called with {expected}: {error}"
        raise EvaluationError(msg) from None


def being_cancelled() -> bool:
    """Whether this task is being cancelled; if not, a ``CancelledError`` came out of a callable."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _meant(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
