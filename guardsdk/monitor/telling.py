"""Turns findings into alerts. Pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from guardsdk.monitor.alerts import Alert, Kind, Severity
from guardsdk.monitor.histograms import above, middle, upper

if TYPE_CHECKING:
    from guardsdk.monitor.behaviour import Told
    from guardsdk.monitor.traffic import Change
    from guardsdk.observing import CheckRecord


def about_actor(told: Told, pseudonym: str, record: CheckRecord) -> Alert:
    """Return the alert about the actor with ``pseudonym``, raised by ``record``."""
    return Alert(
        kind=told.kind,
        severity=told.severity,
        time_ns=record.started_ns,
        stage=record.verdict.stage,
        actor=pseudonym,
        evidence=told.evidence,
        model=_digest(record),
    )


def about_traffic(change: Change, record: CheckRecord, since_model: int | None) -> Alert:
    """Return the alert about a series, raised by ``record``; the model changed ``since_model`` checks ago."""
    series = change.series
    earlier, recent = series.earlier_counts, series.recent_counts
    evidence = {"psi": series.psi, "evidence": series.evidence, "earlier": sum(earlier), "recent": sum(recent)}
    severity = Severity.WARNING
    if change.is_rate:
        before, after = (counts[1] / (sum(counts) or 1.0) for counts in (earlier, recent))
        evidence |= {"earlier_share": before, "recent_share": after}
        if after < before:  # fewer blocks or failures may be good news, or a guard that no longer sees anything
            severity = Severity.INFO
    else:
        high = upper(earlier)
        evidence |= {
            "earlier_median": middle(earlier, series.edges),
            "recent_median": middle(recent, series.edges),
            "earlier_high": above(earlier, high),
            "recent_high": above(recent, high),
        }
    if since_model is not None:
        evidence["checks_since_model"] = float(since_model)
    return Alert(
        kind=Kind.RATE_SHIFT if change.is_rate else Kind.SCORE_DRIFT,
        severity=severity,
        time_ns=record.started_ns,
        stage=change.stage,
        series=change.name,
        evidence=evidence,
        model=_digest(record),
        model_before=change.before,
    )


def about_model(record: CheckRecord, before: str, checks: float) -> Alert:
    """Return the alert that a model other than ``before`` has scored ``record``, after ``checks`` of the stage."""
    return Alert(
        kind=Kind.MODEL_CHANGE,
        severity=Severity.INFO,
        time_ns=record.started_ns,
        stage=record.verdict.stage,
        evidence={"checks": checks},
        model=_digest(record),
        model_before=before,
    )


def _digest(record: CheckRecord) -> str | None:
    model = record.verdict.model
    return None if model is None else model.digest
