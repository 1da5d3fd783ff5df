"""One frozen record per check, who may look at it, and who must have written it down."""

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
    """Everything an observer may know of one check.

    It holds no text, so no observer can let one out, except those that declare ``wants_text``.
    """

    verdict: Verdict
    started_ns: int
    """When the check began: nanoseconds since the epoch, as ``time.time_ns`` gives them."""
    text_length: int
    """Length of the checked text in characters."""
    actor: str | None = None
    """On whose behalf the caller said that the text came."""
    checked_text: str | None = field(default=None, repr=False)
    """The text, for an observer whose ``wants_text`` is true; none for all others."""
    embedding: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
    """[H], unit length: what the text is about, the mean over the windows that were scored, for an observer whose
    ``wants_embedding`` is true. None for all others, for a text nobody scored, and for a model that gives none. A
    remembered verdict has the one it was reached with, which cannot be written to."""
    again: bool = False
    """Whether it is part of something that is or was checked by itself: an earlier turn, a window of a stream."""


@runtime_checkable
class Observer(Protocol):
    """Someone who is told of every check, in the thread and the context that made it."""

    def on_check(self, record: CheckRecord) -> None:
        """Take note of ``record``. It must return quickly; what it raises is logged and goes no further."""


class Recorder(Protocol):
    """Someone who writes every decision down, before anybody acts on it."""

    @property
    def wants_text(self) -> bool:
        """Whether the records must hold the checked text."""
        ...

    @property
    def holds_back(self) -> bool:
        """Whether a text may not pass when its decision could not be written down."""
        ...

    def record(self, records: Sequence[CheckRecord]) -> None:
        """Write ``records`` down, in order; raise where any of them is not."""
        ...


class Limiter(Protocol):
    """Someone who knows for which actors thresholds are lower for a while."""

    def limits(self, actor: str, now_ns: int) -> Enforcement | None:
        """Return what holds for ``actor`` at ``now_ns``, nanoseconds since the epoch; none where nothing does."""
        ...


def limiting(
    limiter: Limiter | None, policy: Policy, actor: str, now_ns: int
) -> Callable[[Verdict, int], Verdict] | None:
    """Return what to make of a verdict on a text by ``actor``, given the text's length too; none where nothing changes.

    A limiter that raises might have lowered the thresholds that hold the text back: the check is not complete then.
    """
    try:
        rules = None if limiter is None else limiter.limits(actor, now_ns)
    except Exception as error:  # noqa: BLE001  a check ends with a verdict, whatever became of the monitor
        reason = f"monitor: {type(error).__qualname__}"
        return lambda verdict, _: limits_unknown(policy, verdict, reason)
    return None if rules is None else lambda verdict, length: stricter(policy, verdict, rules, length)


def wants_text(observer: object) -> bool:
    """Whether ``observer`` declares that it needs the checked text."""
    return getattr(observer, "wants_text", False) is True


def wants_embedding(observer: object) -> bool:
    """Whether ``observer`` declares that it needs the embedding of the checked text.

    Much of a text can be guessed from its embedding: it is never on a verdict, in a log or in a span.
    """
    return getattr(observer, "wants_embedding", False) is True


class Listener(NamedTuple):
    """An observer, and what it declares that its records have to hold."""

    observer: Observer
    reads: bool
    """The checked text."""
    embeds: bool
    """Its embedding."""


def listeners(observers: Iterable[Observer]) -> tuple[Listener, ...]:
    """Ask each of ``observers``, once and not at every check, what it wants."""
    return tuple(Listener(one, wants_text(one), wants_embedding(one)) for one in observers)


def notify(
    audience: Iterable[Listener],
    record: CheckRecord,
    text: str | None = None,
    embedding: NDArray[np.float32] | None = None,
) -> None:
    """Tell all of ``audience``; one that raises neither stops the others nor reaches the host.

    ``text`` and ``embedding`` are put on the records of those that want them. The log line names the classes and the
    place, never the message: an exception's words are not ours to vouch for.
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
        except Exception as error:  # noqa: BLE001  bookkeeping may never break the call it watches
            _complain("observer", observer, error)


def written(
    recorder: Recorder, policy: Policy, records: Sequence[CheckRecord], texts: Sequence[str]
) -> Sequence[CheckRecord]:
    """Have ``records``, whose texts are ``texts``, written down, and return what to tell the observers.

    Those are the same records, or where the recorder failed and ``holds_back``, records of checks that failed for it.
    """
    try:
        told = records
        if wants_text(recorder):
            told = [replace(record, checked_text=text) for record, text in zip(records, texts, strict=True)]
        recorder.record(told)
    except Exception as error:  # noqa: BLE001  whatever it is, the decision is not written down
        message = f": {error}" if isinstance(error, GuardError) else ""  # another library's message may quote the text
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
