"""Regular expressions that wait: one with a large class takes a millisecond and more to compile."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def late(pattern: str) -> Callable[[], re.Pattern[str]]:
    """Return what gives ``pattern`` compiled, and compiles it when it is first called: most texts never need it."""
    return cache(partial(re.compile, pattern))
