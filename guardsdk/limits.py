"""When a check may stop early: at its deadline, or once its decision is settled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Settled = Callable[[int, Mapping[str, float]], bool]
    """Given a text's index and its scores so far, whether its decision can no longer change."""


_LEAST_LEFT_S = 1e-9
"""Seconds left once a deadline has passed; 0 is not a valid deadline."""
_LONGEST = 1e9
"""Seconds that count as no limit, some thirty years: locks cannot wait much longer, nor for infinity."""

_LONG = 100_000
"""Characters beyond which a text has a deadline even if the caller set none: some long texts, such as letters without a
break, take ten times as long as prose."""
_DEFAULT_S = 120.0
"""The default deadline, in seconds per text of the batch; two million characters of prose take less on a slow core."""


def default_seconds(texts: Sequence[str]) -> float | None:
    """Return the default deadline of ``texts`` (at least one) in seconds; ``None`` if all are short."""
    return _DEFAULT_S * len(texts) if max(map(len, texts)) > _LONG else None


class Limits(NamedTuple):
    """When a screen may stop before the end of a text; by default it reads to the end."""

    ends_at: float | None = None
    """In ``time.monotonic`` seconds; no further piece of work is started after it."""
    settled: Settled | None = None
    """Whether the rest of a text may be left unscored, called after each piece of work; ``None`` means never."""
    most_waiting: int | None = None
    """How many callers may already be waiting for the model before this one is turned away."""
    early_exit: bool = False
    """Whether the model's lower layers may clear text they find harmless without the upper layers."""

    @classmethod
    def within(cls, seconds: float | None, most_waiting: int | None = None) -> Self:
        """Return limits that end ``seconds`` from now, or never if ``None``."""
        return cls(
            None if seconds is None or seconds > _LONGEST else time.monotonic() + seconds, most_waiting=most_waiting
        )

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return self.ends_at is not None and time.monotonic() >= self.ends_at

    @property
    def left_s(self) -> float | None:
        """Seconds until the deadline: barely above 0 once it has passed, ``None`` if there is none."""
        return None if self.ends_at is None else max(_LEAST_LEFT_S, self.ends_at - time.monotonic())

    def until(self, settled: Settled) -> Limits:
        """Return the same limits with another ``settled`` function."""
        return Limits(self.ends_at, settled, self.most_waiting, self.early_exit)

    def alone(self, place: int) -> Limits:
        """Return the limits of the text at index ``place``, for a call on that text alone."""
        settled = self.settled
        return self if settled is None else self.until(lambda _, scores: settled(place, scores))


UNLIMITED = Limits()


def remaining(seconds: float | None) -> Callable[[], float | None]:
    """Return a function that says how many of ``seconds``, counted from now, remain for a check that starts later.

    ``None`` and values that count as no limit are passed through: a guard replaces ``None`` with its own deadline.
    """
    limits = Limits.within(seconds)
    return lambda: seconds if limits.ends_at is None else limits.left_s
