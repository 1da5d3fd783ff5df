"""Maps figures to positions in a picture: scales, round ticks and their labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Scale = Literal["linear", "log", "time"]
Words = Literal["number", "percent", "points", "time"]

_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_TIMES: Final = (
    *(60.0 * minutes for minutes in (1, 5, 15, 30)),
    *(3600.0 * hours for hours in (1, 3, 6, 12)),
    *(86400.0 * days for days in (1, 2, 7, 14, 30, 90, 365)),
)
_DAY: Final = 86400.0
_LOG_PARTS: Final = (1, 3)
_TICKS: Final = 5
_GREATEST: Final = 1e100
"""A figure beyond this does not stretch an axis, and is drawn at its end."""
_FINEST: Final = 1e-9
"""The least share of its figures that an axis spans."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The meaning of one direction of a picture."""

    label: str = ""
    low: float | None = None
    """Where it begins; by default computed from the figures."""
    high: float | None = None
    scale: Scale = "linear"
    """With ``log``, figures below ``low`` are drawn at its beginning; ``time`` is seconds since 1970, UTC."""
    words: Words = "number"
    """``percent`` and ``points`` show fractions of 1 as per cent, ``points`` with their sign."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An axis with its ends and its extent, in units of the picture."""

    axis: Axis
    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the position of ``value``; values beyond an end are drawn there."""
        low, high, given = self.low, self.high, min(max(value, self.low), self.high)
        if self.axis.scale == "log":
            low, high, given = math.log(low), math.log(high), math.log(given)
        return self.start + (given - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round figures between the ends."""
        if self.axis.scale == "log":
            first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
            found = [part * 10.0**power for power in range(first, last + 1) for part in _LOG_PARTS]
            slack = 1e-9
            return [tick for tick in found if self.low * (1 - slack) <= tick <= self.high * (1 + slack)]
        step = _time_step(self.high - self.low) if self.axis.scale == "time" else _round_step(self.high - self.low)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [(first + number) * step for number in range(count)]

    def word(self, value: float) -> str:
        """Return the label of a tick at ``value``."""
        if self.axis.scale == "time":
            when = datetime.fromtimestamp(value, UTC)
            return f"{when:%m-%d %H:%M}" if self.high - self.low < 2 * _DAY else f"{when:%Y-%m-%d}"
        return worded(value, self.axis.words)


def worded(value: float, words: Words) -> str:
    """Return ``value`` as text; ``n/a`` for NaN and absurdly large figures."""
    if not abs(value) <= _GREATEST:
        return "n/a"
    if words == "number":
        return f"{_clean(value):g}"
    if words == "time":
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC"
    share = _clean(100 * value)
    if words == "percent":
        return f"{share:g} %"
    return f"{share:+g} pp".replace("-", "−") if share else "0 pp"  # noqa: RUF001  a typographic minus


def _clean(value: float) -> float:
    """Round off floating-point noise."""
    return float(f"{value:.4g}") + 0.0


def placed(axis: Axis, values: Iterable[float], start: float, end: float) -> Placed:
    """Fit ``axis`` to ``values``; those that are not finite, or absurdly large, are ignored.

    Raises ``ValueError`` if a logarithmic axis does not begin above 0, or an axis ends before it begins.
    """
    known = [value for value in values if abs(value) <= _GREATEST]
    if axis.scale == "log":
        known = [value for value in known if value > 0]
    low = axis.low if axis.low is not None else min(known, default=0.001 if axis.scale == "log" else 0.0)
    high = axis.high if axis.high is not None else max(known, default=low + 1.0)
    if axis.scale == "log" and low <= 0:
        msg = f"the logarithmic axis {axis.label!r} must begin above 0, not at {low:g}"
        raise ValueError(msg)
    if high < low:
        if axis.high is not None:
            msg = f"the axis {axis.label!r} ends at {high:g}, before it begins at {low:g}"
            raise ValueError(msg)
        high = low
    if high - low <= _FINEST * max(abs(low), abs(high), _FINEST):
        high = low * 10 if axis.scale == "log" else low + (abs(low) if abs(low) > _FINEST else 1.0)
    if axis.scale == "linear":
        step = _round_step(high - low)
        low = low if axis.low is not None else math.floor(low / step + 1e-9) * step
        high = high if axis.high is not None else math.ceil(high / step - 1e-9) * step
    return Placed(axis, low, high, start, end)


def _round_step(span: float) -> float:
    rough = span / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in _STEPS if step * power >= rough * (1 - 1e-9))


def _time_step(span: float) -> float:
    return next((step for step in _TIMES if span / step <= _TICKS), _TIMES[-1])
