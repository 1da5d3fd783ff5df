"""Regular expressions compiled on first use: one with a large character class takes a millisecond or more."""

from __future__ import annotations

import re
from functools import cache, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def lazy_pattern(pattern: str) -> Callable[[], re.Pattern[str]]:
    """Return a function that compiles ``pattern`` on its first call and returns it: most texts never need it."""
    return cache(partial(re.compile, pattern))
