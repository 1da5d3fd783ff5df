"""The default observer of a guard in a program that does not use OpenTelemetry yet."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from guardsdk.settings import names_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardsdk.observing import CheckRecord, Observer

_API: Final = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")
"""The modules in which providers are set: without any of them, no provider has been set."""


def heard() -> bool:
    """Whether there may be a provider: the program imported the API to set one, or a variable names one."""
    return _imported() or names_provider()


def _imported() -> bool:
    return not sys.modules.keys().isdisjoint(_API)


class Unheard:
    """Delays the import of OpenTelemetry until the program uses it, and from then on forwards to its observer."""

    def __init__(self, observer: Callable[[], Observer], *, wants_text: bool) -> None:
        """Call ``observer`` to create it once needed; ``wants_text`` is what it will declare."""
        self._make = observer
        self._made: dict[str, Observer] = {}
        self.wants_text = wants_text
        self.on_check: Callable[[CheckRecord], None] = self._on_check

    def _on_check(self, record: CheckRecord) -> None:
        # The environment is read once, when the guard is created; reading it at every check costs more than all else
        # here.
        if _imported():
            observer = self._made.setdefault("observer", self._make())  # the same for concurrent threads
            self.on_check = observer.on_check  # later checks bypass this method
            observer.on_check(record)
