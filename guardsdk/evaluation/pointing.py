"""``module:function``: how the command line points at a callable."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardsdk.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable


def pointed_at(spec: str, option: str) -> Callable[..., Any]:
    """Import ``module:function`` (dots after the colon go on into attributes) and return the callable.

    The working directory is looked in too, as ``python -m`` does. Raises ``EvaluationError`` that names ``option``.
    """
    module, colon, name = spec.partition(":")
    if not colon or not module or not name:
        msg = f"{option} {spec}: give it as module:function"
        raise EvaluationError(msg)
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        msg = f"{option} {spec}: module {error.name or module} cannot be imported"
        raise EvaluationError(msg) from error
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        msg = f"{option} {spec}: there is no callable of that name"
        raise EvaluationError(msg)
    function: Callable[..., Any] = found
    return function
