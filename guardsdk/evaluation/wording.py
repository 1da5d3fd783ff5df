"""Puts the figures of a comparison into words: always with their interval, never with excess digits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from guardsdk.evaluation.statistics import NO_INTERVAL, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardsdk.evaluation.compare import Change, Comparison
    from guardsdk.evaluation.gate import Held
    from guardsdk.evaluation.record import GuardRef, RunHead
    from guardsdk.intervals import Share
    from guardsdk.verdict import ArtifactRef

NONE: Final = "n/a"
_SMALLEST_P: Final = 0.001


def share(rate: float) -> str:
    """Return a fraction in per cent."""
    return NONE if math.isnan(rate) else f"{100 * rate:.1f} %"


def interval(found: Share | Interval | None) -> str:
    """Return a share with its interval, in per cent."""
    one = NO_INTERVAL if found is None else Interval.of(found)
    return NONE if math.isnan(one.value) else f"{100 * one.value:.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"


def signed(value: float, digits: int = 1) -> str:
    """Return ``value`` with its sign, using a typographic minus; zero has none."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\u2212")


def moved(found: Interval | None) -> str:
    """Return a difference of shares with its interval, in percentage points."""
    if found is None or math.isnan(found.value):
        return NONE
    return f"{signed(100 * found.value)} [{signed(100 * found.low)}, {signed(100 * found.high)}]"


def chance(p_value: float) -> str:
    """Return a p value."""
    return f"< {_SMALLEST_P:g}" if p_value < _SMALLEST_P else f"{p_value:.3f}"


def seconds(value: float) -> str:
    """Return a time in a suitable unit."""
    if math.isnan(value):
        return NONE
    return f"{1000 * value:.3g} ms" if abs(value) < 1.0 else f"{value:.3g} s"


def judgement(change: Change) -> str:
    """Return what the interval of a difference shows."""
    return change.verdict() if change.pairs.total else "no cases"


def who(head: RunHead) -> str:
    """Return what was measured, in a few words."""
    around = guard(head.guard)
    return head.target.model if head.alone or not around else f"{head.target.model}, {around}"


def guard(ref: GuardRef) -> str:
    """Return what surrounded the model, in words; empty if nothing did."""
    if ref.sides == "none":
        return ""
    sides = {"input": "input guarded", "output": "output guarded", "both": "both guarded"}[ref.sides]
    return f"{sides} without {', '.join(ref.without)}" if ref.without else sides


def headline(comparison: Comparison) -> str:
    """Return what changed, in one or two sentences."""
    names = ("harm.delivered", "over_refusal") if "harm.delivered" in comparison.overall else _ALONE
    said = []
    for name in names:
        change = comparison.overall[name]
        if change.pairs.total == 0:
            continue
        before, after = (share(change.rate(after=after).rate) for after in (False, True))
        said.append(f"{change.metric.title} {before} before and {after} after ({judgement(change)})")
    flips = sum(flip.worse for flip in comparison.flips)
    said.append(f"{flips} cases passed before and fail now, {len(comparison.flips) - flips} the other way")
    whole = "; ".join(said)
    return f"{whole[0].upper()}{whole[1:]}. {comparison.cases:,} cases in both runs."


_ALONE: Final = ("harm.held_back", "over_refusal")


def held(one: Held) -> tuple[str, ...]:
    """Return the table row of a limit: its text, its slice, the value, the end it is compared with, the result."""
    limit = one.limit
    timed = limit.metric.startswith(("latency.", "guard.")) and not limit.relative

    def word(value: float) -> str:
        if timed:
            return seconds(value)
        return f"{signed(100 * value)} {'%' if limit.relative else 'pp'}" if limit.change else share(value)

    end = f"{'lower' if limit.end == 'low' else 'upper'} end {word(one.bound)}"
    ends = f"{end} of the {100 * one.confidence:.4g} % interval"
    return limit.text, one.slice or "all", word(one.value), ends, "broken" if one.broken else "held"


def facts(head: RunHead) -> Mapping[str, str]:
    """Return what a reader needs to reproduce a run."""
    parameters = ", ".join(f"{name} {value}" for name, value in sorted(head.target.parameters.items()))
    around, judge = head.guard, head.judge
    return {
        "measured": f"{head.target.model} ({head.target.kind})",
        "parameters": parameters or "none recorded",
        "guard": guard(around) or ("alone" if head.alone else "none"),
        "guard's model": _artifact(around.model),
        "policy": _artifact(around.policy),
        "taught": ", ".join(f"{name} {digest[:16]}" for name, digest in sorted(around.taught.items())) or "none",
        "judge": "none" if judge is None else f"{judge.name}, {_artifact(judge.model)}",
        "suite": f"{head.suite.name}, {head.suite.cases:,} cases, {head.suite.digest[:16]}",
        "seed": str(head.seed),
        "begun": head.created,
        "ended": head.finished or "not ended",
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(head.versions.items())) or "not recorded",
    }


def _artifact(ref: ArtifactRef | None) -> str:
    return "none" if ref is None else f"{ref.name} {ref.version} {ref.digest[:16]}"


_METHOD: Final = (
    "Rates have Wilson's score interval, differences Tango's score interval for pairs.",
    "Every case was asked in both runs. A case of which one outcome is not known enters no rate but that of errors.",
    "p values are exact (McNemar). Holm's adjustment over slices keeps the chance of any false finding.",
    "That of Benjamini and Hochberg keeps the share of false ones. Intervals of single slices are not adjusted.",
    "A limit breaks where the end of the interval it is compared with lies beyond it.",
    "Intervals are wide enough that all limits together give a false alarm in at most 5 % of comparisons.",
    "A suite is a sample of what can be asked: who looks for the weak place will find worse rates than any suite.",
)
_JUDGED: Final = (
    "Answers were judged by a classifier; rates without its error follow Rogan and Gladen (1978).",
    "They assume that it errs on these answers as often as on the labelled texts it was measured on.",
)
_TIMED: Final = (
    "Times and their differences have bootstrap intervals over cases; other load on the machine is in them.",
)


def method(comparison: Comparison) -> tuple[str, ...]:
    """Return how the figures were computed, and what they do not show."""
    judged, timed = comparison.after.judge is not None, bool(comparison.latencies)
    return _METHOD + (_JUDGED if judged else ()) + (_TIMED if timed else ())
