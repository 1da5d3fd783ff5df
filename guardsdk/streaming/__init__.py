"""Screening text while it is written: nothing goes out before it was checked, and what passes goes out at once.

How a text is cut, what each check sees and what is promised is written down in ``docs/streaming.md``.
"""

from __future__ import annotations

from guardsdk.streaming.opening import Streaming
from guardsdk.streaming.streams import AsyncGuardedStream, GuardedStream
from guardsdk.text.segments import Pace

__all__ = ["AsyncGuardedStream", "GuardedStream", "Pace", "Streaming"]
