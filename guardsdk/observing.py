"""One frozen record per check, the observers that receive it, and the recorder that must log it."""

from __future__ import annotations

import logging
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from guardsdk.errors import GuardError
from guardsdk.policy.judge import limits_unknown, stricter, unrecorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from guardsdk.policy.model import Policy
    from guardsdk.policy.monitoring import Enforcement
    from guardsdk.verdict import Verdict

_logger = logging.getLogger("guardsdk")


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """Everything an observer may know about one check.

    It holds no text, so no observer can leak one, except those that declare ``wants_text``.
    """

    verdict: Verdict
    started_ns: int
    """When the check began, in nanoseconds since the epoch, as from ``time.time_ns``."""
    text_length: int
    """Length of the checked text in characters."""
    actor: str | None = None
    """The actor the caller named for this text."""
    checked_text: str | None = field(default=None, repr=False)
    """The text, for observers whose ``wants_text`` is true; ``None`` for all others."""
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    """[H], unit length: the mean embedding of the scored windows, for observers whose ``wants_embedding`` is true.
    ``None`` for all other observers, for a text that was not scored, and for a model without embeddings. A cached
    verdict has the one it was reached with. Read-only."""
    again: bool = False
    """Whether this is part of a text that is also checked on its own: an earlier turn, a window of a stream."""


@runtime_checkable
class Observer(Protocol):
    """Notified of every check, in the thread and the context that made it."""

    def on_check(self, record: CheckRecord) -> None:
        """Take note of ``record``. Must return quickly; exceptions are logged and not propagated."""


class Recorder(Protocol):
    """Writes every decision down before anybody acts on it."""

    @property
    def wants_text(self) -> bool:
        """Whether the records must hold the checked text."""
        ...

    @property
    def holds_back(self) -> bool:
        """Whether a text is stopped if its decision could not be recorded."""
        ...

    def record(self, records: Sequence[CheckRecord]) -> None:
        """Write ``records`` in order; raise if any of them was not written."""
        ...


class Limiter(Protocol):
    """Knows for which actors the thresholds are temporarily lowered."""

    def limits(self, actor: str, now_ns: int) -> Enforcement | None:
        """Return the rules that apply to ``actor`` at ``now_ns`` (nanoseconds since the epoch), or ``None``."""
        ...


def limiting(
    limiter: Limiter | None, policy: Policy, actor: str, now_ns: int
) -> Callable[[Verdict, int], Verdict] | None:
    """Return what adjusts a verdict on ``actor``'s text, given the text's length; ``None`` if no limit applies.

    If the limiter raises, it might have lowered the thresholds that stop the text: the check is then incomplete.
    """
    try:
        rules = None if limiter is None else limiter.limits(actor, now_ns)
    except Exception as error:  # noqa: BLE001  a check ends with a verdict even if the monitor fails
        reason = f"monitor: {type(error).__qualname__}"
        return lambda verdict, _: limits_unknown(policy, verdict, reason)
    return None if rules is None else lambda verdict, length: stricter(policy, verdict, rules, length)


def wants_text(observer: object) -> bool:
    """Whether ``observer`` declares that it needs the checked text."""
    return getattr(observer, "wants_text", False) is True


def wants_embedding(observer: object) -> bool:
    """Whether ``observer`` declares that it needs the embedding of the checked text.

    Much of a text can be reconstructed from its embedding, so it is never in a verdict, a log or a span.
    """
    return getattr(observer, "wants_embedding", False) is True


class Listener(NamedTuple):
    """An observer and what it needs in its records."""

    observer: Observer
    reads: bool
    """Needs the checked text."""
    embeds: bool
    """Needs its embedding."""


def listeners(observers: Iterable[Observer]) -> tuple[Listener, ...]:
    """Ask each of ``observers`` once, rather than at every check, what it needs."""
    return tuple(Listener(one, wants_text(one), wants_embedding(one)) for one in observers)


def notify(
    audience: Iterable[Listener],
    record: CheckRecord,
    text: str | None = None,
    embedding: NDArray[np.float32] | None = None,
) -> None:
    """Notify all of ``audience``; one that raises neither stops the others nor affects the host.

    ``text`` and ``embedding`` are added to the records of those that need them. If one raises, the log line names the
    exception class and the place, never the message, which may quote the text.
    """
    for observer, reads, embeds in audience:
        try:
            told = record
            if reads or (embeds and embedding is not None):
                told = CheckRecord(
                    record.verdict,
                    record.started_ns,
                    record.text_length,
                    record.actor,
                    text if reads else None,
                    embedding if embeds else None,
                    record.again,
                )
            observer.on_check(told)
        except Exception as error:  # noqa: BLE001  observers must never break the call they observe
            _complain("observer", observer, error)


def written(
    recorder: Recorder, policy: Policy, records: Sequence[CheckRecord], texts: Sequence[str]
) -> Sequence[CheckRecord]:
    """Have ``records``, whose texts are ``texts``, written, and return the records to notify the observers of.

    These are the same records, unless the recorder failed and ``holds_back``: then records of failed checks.
    """
    try:
        told = records
        if wants_text(recorder):
            told = [replace(record, checked_text=text) for record, text in zip(records, texts, strict=True)]
        recorder.record(told)
    except Exception as error:  # noqa: BLE001  whatever the error, the decision was not recorded
        message = f": {error}" if isinstance(error, GuardError) else ""  # other libraries may quote the text
        if not message:
            _complain("recorder", recorder, error)
        if recorder.holds_back:
            reason = f"{type(error).__qualname__}{message}"
            return [replace(one, verdict=unrecorded(policy, one.verdict, reason)) for one in records]
    return records


def _complain(role: str, about: object, error: Exception) -> None:
    place = traceback.extract_tb(error.__traceback__)[-1]
    _logger.warning(
        "%s %s raised %s at %s:%s; the check went on without it",
        role,
        type(about).__qualname__,
        type(error).__qualname__,
        place.filename,
        place.lineno,
    )
