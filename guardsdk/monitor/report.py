"""A monitor's state as an HTML page: scores against earlier ones, actions over time, principles and alerts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from guardsdk.errors import InputError
from guardsdk.monitor.histograms import SCORE_EDGES, above
from guardsdk.monitor.memory import Memory
from guardsdk.monitor.traffic import RATES, log_odds
from guardsdk.policy.monitoring import MonitorRules
from guardsdk.render import (
    Axis,
    Bar,
    Card,
    Counts,
    Layer,
    Limit,
    Markup,
    Section,
    Series,
    cards,
    facts,
    figure,
    heading,
    histogram,
    interval_chart,
    line_chart,
    page,
    paragraph,
    stacked_area,
    table,
    toned,
)
from guardsdk.verdict import Action, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guardsdk.monitor.alerts import Alert
    from guardsdk.monitor.drift import Series as Numbers

_EDGES: Final = tuple(step / 2 for step in range(-17, 18))
"""``SCORE_EDGES`` in log-odds, with one more at either end for the values beyond."""
_ACTIONS: Final = (Action.ALLOW, Action.FLAG, Action.BLOCK)
_OTHER: Final = "other actions"
_MOST_PRINCIPLES: Final = 12
_MOST_ALERTS: Final = 200
_TONES: Final = {"info": "plain", "warning": "warn", "critical": "bad"}


def report(state: Mapping[str, Any], *, source: str = "state", all_alerts: bool = False) -> str:
    """Return a self-contained HTML page about ``state``, from ``Monitor.state`` or a saved file.

    It lists the newest alerts and says how many older ones it leaves out, or with ``all_alerts`` lists every one.

    Raises ``InputError`` that names ``source`` if it is not a valid state.
    """
    memory = remembered(state, source)
    policy = state.get("policy", {})
    name = f"{policy.get('name', '?')} {policy.get('version', '?')}"
    alerts = list(memory.alerts.kept)
    worst = Counter(alert.severity.value for alert in alerts)
    opening = cards(
        [
            Card("Checks", f"{memory.checks:,}", f"until {_time(memory.now_s)}"),
            Card("Alerts kept", f"{len(alerts):,}", f"{memory.alerts.suppressed:,} more within a cool-down"),
            Card("Critical", f"{worst['critical']:,}", tone="bad" if worst["critical"] else "plain"),
            Card("Actors remembered", f"{len(memory.actors):,}"),
        ]
    )
    return page(
        title="Monitor report",
        lead=f"What the guard with policy {name} has seen: figures only, no text; actors under pseudonyms.",
        opening=[opening],
        sections=[
            Section("Alerts", _alerts(alerts, len(alerts) if all_alerts else _MOST_ALERTS)),
            Section("Over time", _over_time(memory)),
            Section("Scores", _scores(memory)),
            Section("Rates", [_rates(memory)]),
            Section("Principles that decided", [_principles(memory)]),
            Section("What this is", _about(memory, policy)),
        ],
        foot="Made by guardsdk monitor report.",
    )


def remembered(state: Mapping[str, Any], source: str) -> Memory:
    """Return ``state`` as a memory to read from. Raises ``InputError`` that names ``source`` if it is invalid."""
    try:
        rules = MonitorRules.model_validate(state["rules"])
        readable = all(isinstance(word, str) for word in state.get("policy", {}).values())
    except (KeyError, TypeError, ValueError, AttributeError):
        msg = f"{source}: no state of a monitor of this version (its rules or its policy cannot be read)"
        raise InputError(msg) from None
    if not readable:
        msg = f"{source}: no state of a monitor of this version (its policy has a name or digest that is no text)"
        raise InputError(msg)
    memory = Memory(rules, lambda: b"")
    memory.restore(state, source)
    return memory


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _alerts(alerts: list[Alert], most: int) -> list[Markup]:
    if not alerts:
        return [paragraph("None.")]
    rows = [
        (
            alert.time,
            toned(alert.severity.value, _TONES[alert.severity.value]),  # type: ignore[arg-type]  # one of the tones
            alert.kind.value,
            alert.stage.value,
            f"{alert.series or (alert.actor or '')[:16]} {alert.models}".strip(),
            ", ".join(f"{figure} {value:.3g}" for figure, value in alert.evidence.items()),
        )
        for alert in reversed(alerts[-most:])
    ]
    header = ("time", "severity", "alert", "stage", "about", "figures")
    shown = table("Newest first", header, rows)
    if len(rows) == len(alerts):
        return [shown]
    left_out = Counter(alert.severity.value for alert in alerts[:-most])
    counts = ", ".join(f"{left_out[severity]:,} {severity}" for severity in _TONES if left_out[severity])
    words = (
        f"The newest {most:,} of {len(alerts):,} kept alerts. {len(alerts) - most:,} older ones are left out "
        f"({counts}): guardsdk monitor report --all-alerts lists them, too."
    )
    return [paragraph(words), shown]


def _over_time(memory: Memory) -> list[Markup]:
    traffic, slot_s = memory.traffic, memory.rules.slot_s
    slots = sorted(traffic.slots)
    parts: list[Markup] = []
    for stage in Stage:
        present = [slot for slot in slots if traffic.slots[slot][f"{stage}/checks"]]
        if not present:
            continue
        at = [slot * slot_s for slot in present]
        counts = [traffic.slots[slot] for slot in present]
        known = [Layer(action.value, [float(one[f"{stage}/{action}"]) for one in counts]) for action in _ACTIONS]
        rest = [
            float(max(0, one[f"{stage}/checks"] - sum(one[f"{stage}/{action}"] for action in _ACTIONS)))
            for one in counts
        ]
        layers = [*known, *([Layer(_OTHER, rest)] if any(rest) else [])]
        picture = stacked_area(
            title=f"Actions on stage {stage}",
            description=f"Checks per {slot_s:g} seconds by what followed",
            at=at,
            layers=layers,
            x=Axis(scale="time"),
            y=Axis("checks"),
        )
        parts += [heading(f"Stage {stage}"), figure(picture, f"Actions on stage {stage}")]
        lines = [
            Series(
                name,
                [
                    (slot * slot_s, one[f"{stage}/{name}"] / one[f"{stage}/checks"])
                    for slot, one in zip(present, counts, strict=True)
                ],
            )
            for name in ("boundary", "blocked", "out_of_range")
        ]
        picture = line_chart(
            title=f"Shares on stage {stage}",
            description="Share of texts in the boundary band of a threshold, blocked, and out of range",
            series=lines,
            x=Axis(scale="time"),
            y=Axis("share", low=0.0, words="percent"),
        )
        parts.append(figure(picture, f"Boundary band, blocked and out of range on stage {stage}"))
    return parts or [paragraph("No check yet.")]


def _scores(memory: Memory) -> list[Markup]:
    references = memory.traffic.scores.references()
    parts: list[Markup] = [
        paragraph(
            "Scores in log-odds, so that both ends can be seen: 0 is a score of one half. The filled bars are the "
            "recent scores, the outlines what came before and, where the model has it, its benign calibration data."
        )
    ]
    for stage, label, series in sorted(memory.traffic.scores.items(), key=lambda one: one[:2]):
        recent = series.recent_counts
        if above(recent, 1) == 0.0 and not series.counts[-1]:
            continue  # a rule without findings
        key = f"{stage}/{label}"
        distributions = [Counts("recent", _shares(recent)), Counts("earlier", _shares(series.earlier_counts))]
        if key in references:
            distributions.append(Counts("the model's reference", references[key]))
        threshold = memory.traffic.thresholds.get(key)
        limits = [] if threshold is None else [Limit(log_odds(threshold), f"threshold {threshold:.3f}")]
        picture = histogram(
            title=f"{label} on stage {stage}",
            description=f"Share of texts by score; the size of the change is {series.psi:.3f}",
            edges=_EDGES,
            series=distributions,
            axis=Axis("score, log-odds"),
            limits=limits,
            label="share",
        )
        parts.append(figure(picture, f"{label} on stage {stage}: PSI {series.psi:.3f}, evidence {series.evidence:.3g}"))
    return parts


def _shares(counts: list[float]) -> list[float]:
    total = sum(counts) or 1.0
    return [count / total for count in counts]


def _rates(memory: Memory) -> Markup:
    rows = []
    for (stage, name), series in sorted(
        memory.traffic.rates.items(), key=lambda one: (one[0][0], RATES.index(one[0][1]))
    ):
        earlier, recent = series.earlier_counts, series.recent_counts
        rows.append((f"{stage} {name}", _percent(earlier), _percent(recent), f"{series.psi:.4f}", _proof(series)))
    return table("Share of checks", ("rate", "earlier", "recent", "PSI", "evidence"), rows)


def _percent(counts: list[float]) -> str:
    return f"{above(counts, 1):.2%}" if sum(counts) else "n/a"


def _proof(series: Numbers) -> str:
    return f"{series.evidence:.3g}"


def _principles(memory: Memory) -> Markup:
    most = memory.traffic.principles.most_common(_MOST_PRINCIPLES)
    if not most:
        return paragraph("None has decided yet.")
    picture = interval_chart(
        title="Principles that decided",
        description="Texts by the principle that decided, most frequent first",
        bars=[Bar(name.replace("/", ": "), float(count), note=f"{count:,}") for name, count in most],
        axis=Axis("texts", low=0.0),
    )
    return figure(picture, "Texts by the principle that decided")


def _about(memory: Memory, policy: Mapping[str, str]) -> list[Markup]:
    models = {f"model from check {first:,}": digest for digest, first in memory.traffic.models}
    pairs = {
        "policy": f"{policy.get('name', '?')} {policy.get('version', '?')}",
        "policy digest": policy.get("digest", "?"),
        "checks that count as recent": f"{memory.rules.window:,}",
        "evidence from which a change is proved": f"{memory.rules.run_length:.3g}",
        "bins of a score": f"{len(SCORE_EDGES) + 1}",
    }
    return [facts("Figures behind this page", pairs | models)]
