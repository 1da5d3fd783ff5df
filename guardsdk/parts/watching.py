"""The part of a guard that shows what its monitor has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardsdk.errors import GuardError

if TYPE_CHECKING:
    from guardsdk.monitor.monitor import Monitor


class Watching:
    """A guard's monitor."""

    _monitor: Monitor | None

    @property
    def monitor(self) -> Monitor:
        """The monitor, which is told of every check; its alerts are ``guard.monitor.alerts``.

        Raises ``GuardError`` where it was switched off: nothing to report and nobody who looked are not the same.
        """
        if self._monitor is None:
            msg = "the guard has no monitor: it was made with monitor=False"
            raise GuardError(msg)
        return self._monitor
