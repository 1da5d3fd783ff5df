"""The metrics, with few-valued attributes and units from the one list of names."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.trace import NoOpTracerProvider

from guardsdk.telemetry import OpenTelemetryObserver, names
from guardsdk.telemetry.reporters import AlertReporter, LogReporter
from guardsdk.verdict import Stage
from guardsdk.version import __version__
from tests.blocking import blocking_policy
from tests.monitor.test_monitor import record

if TYPE_CHECKING:
    from pathlib import Path

    from tests.telemetry.conftest import Watched

TEXT = "What is the capital of Portugal?"


def decisions(watched: Watched) -> dict[tuple[object, ...], int | float]:
    found: dict[tuple[object, ...], int | float] = {}
    for point in watched.metrics()["guardsdk.check.decisions"].data.data_points:
        assert isinstance(point, NumberDataPoint)
        attributes = dict(point.attributes or {})
        found[tuple(attributes.get(f"guardsdk.{name}") for name in ("stage", "action", "status", "principle.id"))] = (
            point.value
        )
    return found


def histogram(watched: Watched, name: str) -> list[HistogramDataPoint]:
    points = watched.metrics()[name].data.data_points
    return [point for point in points if isinstance(point, HistogramDataPoint)]


def test_decisions_are_counted_by_outcome(watched: Watched, tmp_path: Path) -> None:
    guard = watched.guard(blocking_policy(Stage.TOOL))
    guard.check(TEXT)
    guard.check_many([TEXT, "Another one."])
    guard.check(TEXT, stage="tool")
    watched.guard(blocking_policy(), models=tmp_path / "none").check(TEXT)
    assert decisions(watched) == {
        ("input", "allow", "complete", None): 3,
        ("tool", "block", "complete", "all-tool"): 1,
        ("input", "block", "failed", None): 1,
    }


def test_durations_sum_to_those_of_the_verdicts(watched: Watched, tmp_path: Path) -> None:
    guard = watched.guard()
    fresh, cached = guard.check(TEXT), guard.check(TEXT)
    failed = watched.guard(models=tmp_path / "none").check(TEXT)
    points = {
        tuple(sorted((point.attributes or {}).items())): point
        for point in histogram(watched, "guardsdk.check.duration")
    }
    for verdict, more in ((fresh, {}), (cached, {}), (failed, {"error.type": "ModelNotFoundError"})):
        attributes = {
            "guardsdk.stage": "input",
            "guardsdk.status": verdict.status.value,
            "guardsdk.cached": verdict.cached,
            **more,
        }
        point = points.pop(tuple(sorted(attributes.items())))
        assert (point.count, point.sum) == (1, verdict.duration_s)
        assert tuple(point.explicit_bounds) == names.METRIC_DURATION.boundaries
    assert points == {}


def test_scores_are_recorded_per_label_and_stage(watched: Watched) -> None:
    verdict = watched.guard().check(TEXT, stage="output", context="And where is Lisbon?")
    points = histogram(watched, "guardsdk.score")
    found = {(point.attributes or {})["guardsdk.label"]: point.sum for point in points}
    assert found == verdict.scores
    assert {(point.attributes or {})["guardsdk.stage"] for point in points} == {"output"}
    assert {tuple(point.explicit_bounds) for point in points} == {names.METRIC_SCORE.boundaries}


@pytest.mark.parametrize("fired", [True, False])
def test_distances_to_a_threshold_that_is_close_are_recorded_per_principle(watched: Watched, *, fired: bool) -> None:
    policy = blocking_policy()
    # A threshold this low switches early exit off, whose scores only stand for those of all layers.
    score = watched.guard(policy, early_exit=False).check(TEXT).scores["prompt_injection"]
    near = max(0.0, score - 0.03) if fired else score + 0.03
    principles = tuple(one.model_copy(update={"threshold": near}) for one in policy.principles)
    verdict = watched.guard(policy.model_copy(update={"principles": principles})).check(TEXT)
    (point,) = histogram(watched, "guardsdk.distance")
    assert (point.count, point.sum) == (1, abs(verdict.evaluations[0].margin))
    assert dict(point.attributes or {}) == {
        "guardsdk.stage": "input",
        "guardsdk.principle.id": "all-input",
        "guardsdk.fired": fired,
    }
    assert tuple(point.explicit_bounds) == names.METRIC_DISTANCE.boundaries
    assert max(point.explicit_bounds) == names.BAND


def test_the_buckets_of_scores_tell_the_thresholds_of_the_model_from_what_lies_beside_them(watched: Watched) -> None:
    for rule in watched.guard().info().rules:
        around = [bound for bound in names.METRIC_SCORE.boundaries if abs(bound - rule.threshold) <= 0.1]
        assert len(around) >= 2, rule


def test_errors_are_counted_by_layer_and_class(watched: Watched, tmp_path: Path) -> None:
    watched.guard(models=tmp_path / "none").check(TEXT)
    watched.guard(max_chars=8).check(TEXT)
    watched.guard().check(TEXT)
    (point,) = watched.metrics()["guardsdk.check.errors"].data.data_points
    assert isinstance(point, NumberDataPoint)
    assert (point.value, dict(point.attributes or {})) == (
        1,
        {
            "guardsdk.stage": "input",
            "guardsdk.status": "failed",
            "guardsdk.layer": "model",
            "error.type": "ModelNotFoundError",
        },
    )


def test_checks_are_counted_by_whether_the_cache_knew_them(watched: Watched) -> None:
    guard = watched.guard()
    for _ in range(3):
        guard.check(TEXT)
    points = watched.metrics()["guardsdk.check.cache"].data.data_points
    found = {(point.attributes or {})["guardsdk.cached"]: point.value for point in points if hasattr(point, "value")}
    assert found == {False: 1, True: 2}


def test_whole_texts_are_alone_in_the_last_bucket_of_the_coverage(watched: Watched) -> None:
    watched.guard().check(TEXT)
    watched.guard(max_chars=8).check(TEXT)
    (point,) = histogram(watched, "guardsdk.check.coverage")
    assert (point.count, point.bucket_counts[-1], sum(point.bucket_counts[:-1])) == (2, 1, 1)


def test_names_units_and_attributes_are_those_of_the_list(watched: Watched, tmp_path: Path) -> None:
    near = blocking_policy()
    score = watched.guard(near).check(TEXT).scores["prompt_injection"]
    close = tuple(one.model_copy(update={"threshold": score}) for one in near.principles)
    watched.guard(near.model_copy(update={"principles": close})).check(TEXT)
    reporter = LogReporter(meter_provider=watched.meter_provider)
    reporter.count("written", 1)
    AlertReporter(meter_provider=watched.meter_provider).report(
        kind="probing",
        severity="warning",
        stage="input",
        series=None,
        actor=None,
        evidence={},
        model=None,
        model_before=None,
        time_ns=0,
    )
    watched.guard(blocking_policy(Stage.INPUT)).check(TEXT)
    watched.guard(blocking_policy(Stage.INPUT).model_copy(update={"shadow": True})).check(TEXT)
    watched.guard(models=tmp_path / "none").check(TEXT)
    known = {metric.name: metric for metric in names.METRICS}
    found = watched.metrics()
    assert set(found) == set(known)
    for name, metric in found.items():
        assert metric.unit == known[name].unit
        used = {key for point in metric.data.data_points for key in point.attributes or {}}
        assert used == {attribute.name for attribute in known[name].attributes}


def test_many_guards_and_threads_share_the_instruments(watched: Watched, caplog: pytest.LogCaptureFixture) -> None:
    guards = [watched.guard() for _ in range(4)]
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(guard.check, TEXT) for guard in guards * 4]:
            future.result()
    assert sum(decisions(watched).values()) == 16
    assert caplog.records == []


def test_a_handler_may_have_a_check_told_while_the_instruments_are_made() -> None:
    """The SDK warns of an instrument that the program has made under the same name."""
    provider = MeterProvider(metric_readers=[InMemoryMetricReader()])
    meter = provider.get_meter(names.SCOPE, __version__)
    meter.create_histogram(names.METRIC_SCORE.name, "1", names.METRIC_SCORE.meaning)  # with other buckets
    observer = OpenTelemetryObserver(tracer_provider=NoOpTracerProvider(), meter_provider=provider)
    told: list[str] = []

    class Checks(logging.Handler):
        def emit(self, logged: logging.LogRecord) -> None:
            told.append(logged.getMessage())
            observer.on_check(record(0))

    handler, logger = Checks(), logging.getLogger("opentelemetry")
    logger.addHandler(handler)
    try:
        worker = threading.Thread(target=observer.on_check, args=(record(0),), daemon=True)
        worker.start()
        worker.join(60)
        assert not worker.is_alive(), "the handler waits for the lock of the thread that logged"
    finally:
        logger.removeHandler(handler)
    assert any(names.METRIC_SCORE.name in one for one in told)
