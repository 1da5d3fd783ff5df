"""Without an SDK nothing is built: a record that cannot be looked into goes through unnoticed."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider

from guardsdk.parts.unheard import Unheard
from guardsdk.telemetry import OpenTelemetryObserver, names

if TYPE_CHECKING:
    from pathlib import Path

    from guardsdk.observing import CheckRecord

SHUT = """
class Shut:
    def __getattribute__(self, name):
        raise LookupError(name)
"""


class Shut:
    def __getattribute__(self, name: str) -> Any:
        raise LookupError(name)


RECORD = cast("CheckRecord", Shut())


@pytest.mark.parametrize("tracer_provider", [NoOpTracerProvider(), ProxyTracerProvider()])
def test_a_record_is_not_looked_into_where_nobody_records(tracer_provider: Any) -> None:
    OpenTelemetryObserver(tracer_provider=tracer_provider, meter_provider=NoOpMeterProvider()).on_check(RECORD)


def test_an_sdk_that_is_switched_off_costs_nothing_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    observer = OpenTelemetryObserver(tracer_provider=TracerProvider(), meter_provider=MeterProvider())
    observer.on_check(RECORD)


def test_an_sdk_does_look_into_it() -> None:
    spans = OpenTelemetryObserver(tracer_provider=TracerProvider(), meter_provider=NoOpMeterProvider())
    with pytest.raises(LookupError, match="verdict"):
        spans.on_check(RECORD)
    metrics = OpenTelemetryObserver(tracer_provider=NoOpTracerProvider(), meter_provider=MeterProvider())
    with pytest.raises(LookupError, match="verdict"):
        metrics.on_check(RECORD)


SELDOM = (names.METRIC_ERRORS, names.METRIC_LOG, names.METRIC_DISTANCE, names.METRIC_ALERTS)


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


def test_the_global_providers_of_a_process_without_an_sdk_cost_nothing() -> None:
    code = f"""
import sys
from guardsdk.telemetry import OpenTelemetryObserver
{SHUT}
OpenTelemetryObserver().on_check(Shut())
print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
"""
    assert run(code).strip() == "[]"


def test_an_sdk_set_up_after_the_guard_is_used_from_then_on(model_directory: Path) -> None:
    code = """
import sys
from guardsdk import Guard
guard = Guard(models=sys.argv[1], providers="cpu")
guard.check("before")

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(exporter))
metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
guard.check("after this")
print([(span.name, span.attributes["guardsdk.text.length"]) for span in exporter.get_finished_spans()])
scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
print(sorted(metric.name for scope in scopes for metric in scope.metrics if scope.scope.name == "guardsdk"))
"""
    assert run(code, str(model_directory)).splitlines() == [
        "[('guardsdk.check', 10)]",
        str(sorted(metric.name for metric in names.METRICS if metric not in SELDOM)),
    ]


def test_a_provider_that_the_environment_names_is_loaded_by_a_check(model_directory: Path) -> None:
    code = """
import os, sys
from guardsdk import Guard
os.environ["OTEL_PYTHON_TRACER_PROVIDER"] = "sdk_tracer_provider"
guard = Guard(models=sys.argv[1], providers="cpu")
guard.check("told")
print(type(sys.modules["opentelemetry.trace"].get_tracer_provider()).__module__)
"""
    assert run(code, str(model_directory)).strip() == "opentelemetry.sdk.trace"


def test_threads_that_find_an_sdk_at_once_share_one_observer() -> None:
    made: list[object] = []
    told: list[tuple[object, CheckRecord]] = []
    gate = threading.Barrier(8)

    class Told:
        def __init__(self) -> None:
            made.append(self)
            gate.wait(10)

        def on_check(self, record: CheckRecord) -> None:
            told.append((self, record))

    unheard = Unheard(Told, wants_text=False)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: unheard.on_check(RECORD), range(8)))
    unheard.on_check(RECORD)
    assert len(made) == 8
    assert len(told) == 9
    assert len({id(one) for one, _ in told}) == 1
