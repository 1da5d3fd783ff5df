"""When a check may stop before the end: at its deadline, or once its decision is settled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Settled = Callable[[int, Mapping[str, float]], bool]
    """Given a text's place and its scores so far, whether its decision can no longer change."""


_LEAST_LEFT_S = 1e-9
"""Seconds left once a deadline has passed: 0 would be refused, as no deadline at all."""
_LONGEST = 1e9
"""Seconds that count as never: some thirty years. Locks cannot wait for much longer, nor for infinity."""

_LONG = 100_000
"""Characters beyond which a text gets a deadline although the caller set none: some long texts, such as letters without
a break, take ten times as long as prose."""
_DEFAULT_S = 120.0
"""That deadline, in seconds for each text of the batch; two million characters of prose take less on a slow core."""


def default_seconds(texts: Sequence[str]) -> float | None:
    """Return the deadline of ``texts`` (one or more), in seconds, where the caller set none; none for short texts."""
    return _DEFAULT_S * len(texts) if max(map(len, texts)) > _LONG else None


class Limits(NamedTuple):
    """When a screen may stop before it has read a whole text; without any limit it reads to the end."""

    ends_at: float | None = None
    """On the clock of ``time.monotonic``: past it no further piece of work is begun."""
    settled: Settled | None = None
    """Whether the rest of a text may be left unscored, asked after each piece of work; never where there is none."""
    most_waiting: int | None = None
    """How many callers may wait for the model before this one is turned away."""
    early_exit: bool = False
    """Whether text that the model's lower layers find harmless may be cleared without the others."""

    @classmethod
    def within(cls, seconds: float | None, most_waiting: int | None = None) -> Self:
        """Return limits that end ``seconds`` from now, or never."""
        return cls(
            None if seconds is None or seconds > _LONGEST else time.monotonic() + seconds, most_waiting=most_waiting
        )

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self.ends_at is not None and time.monotonic() >= self.ends_at

    @property
    def left_s(self) -> float | None:
        """Seconds until the deadline, barely more than 0 where it has passed, and none where there is no deadline."""
        return None if self.ends_at is None else max(_LEAST_LEFT_S, self.ends_at - time.monotonic())

    def until(self, settled: Settled) -> Limits:
        """Return the same limits with another way to tell that a decision is settled."""
        return Limits(self.ends_at, settled, self.most_waiting, self.early_exit)

    def alone(self, place: int) -> Limits:
        """Return the limits of the text at ``place`` for a call that gives that text only."""
        settled = self.settled
        return self if settled is None else self.until(lambda _, scores: settled(place, scores))


UNLIMITED = Limits()


def remaining(seconds: float | None) -> Callable[[], float | None]:
    """Return a function that says how many of ``seconds``, counted from now, are left for a check that begins later.

    ``None`` and what counts as never are handed on as they are: a guard takes ``None`` for its own deadline.
    """
    limits = Limits.within(seconds)
    return lambda: seconds if limits.ends_at is None else limits.left_s
