"""One frozen record per check, and who may look at it."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from guardsdk.verdict import Verdict

_logger = logging.getLogger("guardsdk")


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """Everything an observer may know of one check. It holds no text, so no observer can let one out."""

    verdict: Verdict
    started_ns: int
    """When the check began: nanoseconds since the epoch, as ``time.time_ns`` gives them."""
    text_length: int
    """Length of the checked text in characters."""
    actor: str | None = None
    """Whom the caller named as the author of the text."""


@runtime_checkable
class Observer(Protocol):
    """Someone who is told of every check, in the thread and the context that made it."""

    def on_check(self, record: CheckRecord) -> None:
        """Take note of ``record``. It must return quickly; what it raises is logged and goes no further."""


def notify(observers: Iterable[Observer], record: CheckRecord) -> None:
    """Tell every observer; one that raises neither stops the others nor reaches the host.

    The log line names the classes and the place, never the message: an exception's words are not ours to vouch for.
    """
    for observer in observers:
        try:
            observer.on_check(record)
        except Exception as error:  # noqa: BLE001  bookkeeping may never break the call it watches
            place = traceback.extract_tb(error.__traceback__)[-1]
            _logger.warning(
                "observer %s raised %s at %s:%s; the check is unaffected",
                type(observer).__qualname__,
                type(error).__qualname__,
                place.filename,
                place.lineno,
            )
