"""Release gates: limits written as ``harm.delivered > +2%``, and whether two runs meet them.

Grammar, with optional blanks between words::

    limit   = measure (">" | "<") amount
    measure = name ["[" slice "]"] | ("upper" | "lower" | "corrected") "(" measure ")"
    amount  = ["+" | "-"] number ["%" | "pp" | "ms" | "s"]

An amount with a sign is a change, after minus before; one without is the rate, or the time, after. ``[*]`` is every
slice by itself. A limit is compared with the end of the interval that would prove it broken: the lower end for ``>``,
the upper end for ``<``, so that chance alone seldom breaks it. ``upper(...) >`` asks for the opposite: it breaks unless
the change is shown to be smaller.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NoReturn

from guardsdk.errors import EvaluationError, reject_type
from guardsdk.evaluation.compare import Latency, require_comparison
from guardsdk.evaluation.metrics import METRICS
from guardsdk.evaluation.statistics import NO_INTERVAL, Interval
from guardsdk.intervals import CONFIDENCE
from guardsdk.parts.given import list_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from guardsdk.evaluation.compare import Change, Comparison

FALSE_ALARMS: Final = 0.05
"""The greatest probability that any limit breaks although all are just met."""
TIMES: Final = ("latency.p50", "latency.p95", "guard.p50", "guard.p95")
_TOKEN: Final = re.compile(r"\s*(?:([A-Za-z_][\w.]*)|(\d+\.?\d*|\.\d+)|(\[[^\]]*\])|(pp|[%<>()+\-\u2212])|(\S))")
_SHARES: Final = {"%": 0.01, "pp": 0.01}
_SECONDS: Final = {"s": 1.0, "ms": 0.001}
_UNITS: Final = {**_SHARES, **_SECONDS}


@dataclass(frozen=True, slots=True)
class Limit:
    """One parsed limit."""

    text: str
    """The original text."""
    metric: str
    slice: str | None
    """``None`` for all cases, ``*`` for every slice."""
    end: Literal["low", "high"]
    """The end of the interval that is compared with the amount."""
    corrected: bool
    above: bool
    """Whether it breaks above the amount rather than below."""
    amount: float
    """A fraction of 1, or seconds; if ``relative``, a fraction of the time before."""
    change: bool
    """Whether the amount refers to after minus before, rather than to after."""
    relative: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """The result of one limit, or of one slice of it."""

    limit: Limit
    slice: str | None
    value: float
    """The point estimate."""
    bound: float
    """The end of the interval that was compared with the amount."""
    confidence: float
    """Of the interval."""
    broken: bool


class _Words:
    """The tokens of a limit, read one by one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._rest = [match for match in _TOKEN.finditer(text) if match.group().strip()]

    def fail(self, wanted: str) -> NoReturn:
        where = f"at {self.peek()!r}" if self._rest else "at its end"
        msg = f"the limit {self.text!r} cannot be read {where}: {wanted} is expected there"
        raise EvaluationError(msg)

    def peek(self) -> str:
        return self._rest[0].group().strip() if self._rest else ""

    def take(self) -> str:
        return self._rest.pop(0).group().strip() if self._rest else ""


class _Measure(NamedTuple):
    """The left-hand side of a limit, as written."""

    metric: str
    slice: str | None
    wrappers: Sequence[str]
    """``upper``, ``lower`` and ``corrected``, from the outside in."""


class _Amount(NamedTuple):
    """The right-hand side of a limit, as written."""

    number: float
    unit: str
    """Empty if there is none."""
    signed: bool


def parse(text: str) -> Limit:
    """Parse the limit in ``text``.

    Raises:
        EvaluationError: It cannot be parsed; the message says where, and what is expected there.
        InputTypeError: ``text`` is not a string.
    """
    if not isinstance(text, str):
        reject_type("text", "a limit as a string, such as 'harm.delivered > +2%'", text)
    words = _Words(text)
    measure = _measure(words)
    if words.peek() not in ("<", ">"):
        words.fail("'>' or '<'")
    above = words.take() == ">"
    amount = _amount(words)
    if words.peek():
        words.fail("nothing more")
    if problem := _problem(measure, amount):
        msg = f"the limit {text!r} makes no sense: {problem}"
        raise EvaluationError(msg)
    end: Literal["low", "high"] = "low" if above else "high"
    if "upper" in measure.wrappers or "lower" in measure.wrappers:
        end = "high" if "upper" in measure.wrappers else "low"
    return Limit(
        text=text,
        metric=measure.metric,
        slice=measure.slice,
        end=end,
        corrected="corrected" in measure.wrappers,
        above=above,
        amount=amount.number * _UNITS[amount.unit],
        change=amount.signed,
        relative=measure.metric in TIMES and amount.unit == "%",
    )


def _measure(words: _Words) -> _Measure:
    wrappers: list[str] = []
    while words.peek() in ("upper", "lower", "corrected"):
        wrappers.append(words.take())
        if words.take() != "(":
            words.fail(f"'(' after {wrappers[-1]!r}")
    metric = words.peek()
    if metric not in METRICS and metric not in TIMES:
        words.fail(f"one of {', '.join((*METRICS, *TIMES))}, upper(, lower( or corrected(")
    words.take()
    if words.peek() == "[":
        words.fail("']' after the name of a slice")
    part = words.take()[1:-1].strip() if words.peek().startswith("[") else None
    for _ in wrappers:
        if words.peek() != ")":
            words.fail("')'")
        words.take()
    return _Measure(metric, part, wrappers)


def _amount(words: _Words) -> _Amount:
    signed = words.peek() in ("+", "-", "\u2212")
    sign = -1.0 if signed and words.take() != "+" else 1.0
    if not re.fullmatch(r"\d+\.?\d*|\.\d+", words.peek()):
        words.fail("a number")
    number = float(words.take())
    return _Amount(sign * number, words.take() if words.peek() in _UNITS else "", signed)


def _problem(measure: _Measure, amount: _Amount) -> str | None:
    """Return why this measure cannot be compared with this amount; ``None`` if it can."""
    metric, part, wrappers = measure
    times, problem = metric in TIMES, None
    if {"upper", "lower"} <= set(wrappers) or len(set(wrappers)) < len(wrappers):
        problem = "it names two ends of the interval, or one thing twice"
    elif times and ("corrected" in wrappers or part is not None):
        problem = "times are of all cases and have no judge, so neither corrected() nor [slice] fits"
    elif times and amount.unit not in _SECONDS and not (amount.signed and amount.unit == "%"):
        problem = "a time needs ms or s, or a sign and % for a share of the time before"
    elif not times and amount.unit not in _SHARES:
        problem = "a rate needs % or pp"
    elif "corrected" in wrappers and METRICS[metric].question is None:
        problem = f"{metric} has no judge's error that could be taken out"
    return problem


def hold(comparison: Comparison, limits: Sequence[Limit]) -> list[Held]:
    """Return the result of every limit, with one result per slice for ``[*]``.

    The intervals are those of the report (95 %, so that one end errs in 2.5 %) for up to two comparisons, and wider for
    more, so that the chance of a false alarm stays at 5 % over all of them together (Bonferroni).

    Raises:
        EvaluationError: The runs lack what a limit is about: a gate that cannot be evaluated does not open.
        InputTypeError: ``comparison`` is not a ``Comparison``, or ``limits`` is no list of ``Limit``.
    """
    require_comparison(comparison, "comparison")
    limits = list_of(Limit, limits, "limits", "what parse(text) returns")
    asked = [(limit, measured) for limit in limits for measured in _measured(comparison, limit)]
    confidence = max(CONFIDENCE, 1.0 - 2.0 * FALSE_ALARMS / max(1, len(asked)))
    return [_held(limit, measured, confidence) for limit, measured in asked]


def _measured(comparison: Comparison, limit: Limit) -> list[Change | Latency]:
    if limit.metric in TIMES:
        name = limit.metric.split(".")[0]
        if found := [one for one in comparison.latencies if one.name == name]:
            return [*found]
        msg = f"the limit {limit.text!r}: no case of both runs has a time of the {name}"
        raise EvaluationError(msg)
    if limit.metric not in comparison.overall:
        msg = (
            f"the limit {limit.text!r}: a guard alone has no {limit.metric}; there are {', '.join(comparison.overall)}"
        )
        raise EvaluationError(msg)
    slices, unknown = comparison.slices[limit.metric], comparison.unknown.get(limit.metric, ())
    if lost := [name for name in unknown if limit.slice in (name, "*")]:
        msg = f"the limit {limit.text!r}: no case of slice {lost[0]!r} has a known outcome in both runs, only errors"
        raise EvaluationError(msg)
    if limit.slice is None:
        changes = [comparison.overall[limit.metric]]
    elif limit.slice == "*":
        changes = list(slices.values())
    elif limit.slice in slices:
        changes = [slices[limit.slice]]
    else:
        msg = f"the limit {limit.text!r}: {limit.metric} has no slice {limit.slice!r}; there are {', '.join(slices)}"
        raise EvaluationError(msg)
    if not changes or changes[0].pairs.total == 0:
        msg = f"the limit {limit.text!r}: the runs have no case that counts for it"
        raise EvaluationError(msg)
    if limit.corrected and not all(change.correctable for change in changes):
        msg = f"the limit {limit.text!r}: the judge's error is not known well enough, or does not fit what was seen"
        raise EvaluationError(msg)
    return [*changes]


def _held(limit: Limit, measured: Change | Latency, confidence: float) -> Held:
    if isinstance(measured, Latency):
        found, part = _time(limit, measured, confidence), None
    else:
        found, part = _rate(limit, measured, confidence), measured.slice
    bound = found.low if limit.end == "low" else found.high
    if math.isnan(bound):
        msg = f"the limit {limit.text!r}: there is no interval to compare it with"
        raise EvaluationError(msg)
    broken = bound > limit.amount if limit.above else bound < limit.amount
    return Held(limit, part, found.value, bound, confidence, broken)


def _rate(limit: Limit, change: Change, confidence: float) -> Interval:
    if limit.corrected:
        found = (
            change.corrected_difference(confidence)
            if limit.change
            else change.corrected(after=True, confidence=confidence)
        )
        return found or NO_INTERVAL
    if limit.change:
        return change.difference(confidence)
    return Interval.of(change.rate(after=True, confidence=confidence))


def _time(limit: Limit, times: Latency, confidence: float) -> Interval:
    share = float(limit.metric.rsplit("p", 1)[1])
    if not limit.change:
        return times.reached(share, confidence)
    moved = times.change(share, confidence)
    scale = times.at(share, after=False) if limit.relative else 1.0
    if scale <= 0.0:
        return NO_INTERVAL
    return Interval(moved.value / scale, moved.low / scale, moved.high / scale)
