"""The observer of a guard that was given none, in a program where nobody has OpenTelemetry yet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from guardsdk.settings import names_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.observing import CheckRecord, Observer

_API: Final = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
"""Where the providers are set: who has none of them has set none."""


def heard() -> bool:
    """Whether there may be a provider: the program has the API it would be set with, or a variable names one."""
    return _imported() or names_provider()


def _imported() -> bool:
    return not sys.modules.keys().isdisjoint(_API)


class Unheard:
    """Leaves OpenTelemetry unimported as long as nobody listens, and hands on to its observer from then on."""

    def __init__(self, observer: Callable[[], Observer], *, wants_text: bool) -> None:
        """Make ``observer`` when there may be somebody to tell; ``wants_text`` is what it will declare."""
        self._make = observer
        self._made: dict[str, Observer] = {}
        self.wants_text = wants_text
        self.on_check: Callable[[CheckRecord], None] = self._on_check

    def _on_check(self, record: CheckRecord) -> None:
        # The environment was asked when the guard was made; asking at every check costs more than all else here.
        if _imported():
            observer = self._made.setdefault("observer", self._make())  # the same for threads that come at once
            self.on_check = observer.on_check  # spares every later check the question
            observer.on_check(record)
