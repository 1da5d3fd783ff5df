"""Screening text while it is written: nothing goes out before it was checked, and what passes goes out at once.

How a text is cut, what each check sees and what is promised is written down in ``docs/streaming.md``. A guard that
screens no stream does without the modules that do, so each name is fetched when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from guardsdk.streaming.opening import Streaming

if TYPE_CHECKING:
    from guardsdk.streaming.streams import AsyncGuardedStream, GuardedStream
    from guardsdk.text.segments import Pace

__all__ = ["AsyncGuardedStream", "GuardedStream", "Pace", "Streaming"]

_HOMES = {
    "AsyncGuardedStream": "guardsdk.streaming.streams",
    "GuardedStream": "guardsdk.streaming.streams",
    "Pace": "guardsdk.text.segments",
}


if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        """Fetch a name from the module it lives in (PEP 562). Raises ``AttributeError`` for any other."""
        if name not in _HOMES:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        found: object = getattr(import_module(_HOMES[name]), name)
        globals()[name] = found
        return found
