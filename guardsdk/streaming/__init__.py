"""Screens text while it is being written: nothing is released unchecked, and what passes is released at once.

``docs/streaming.md`` describes the segments, what each check sees and what is guaranteed. Names are imported on first
access, so that a guard that screens no stream does not load these modules.
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


if not TYPE_CHECKING:  # a type checker would otherwise accept any name

    def __getattr__(name: str) -> object:
        """Import a name from its module on first access (PEP 562). Raises ``AttributeError`` for any other name."""
        if name not in _HOMES:
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        found: object = getattr(import_module(_HOMES[name]), name)
        globals()[name] = found
        return found
