"""Where to report to: the tracer, the instruments and the logger of whatever SDK is there, or nothing where none is."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from opentelemetry import _logs, metrics, trace

from guardsdk.telemetry import names
from guardsdk.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry._logs import Logger, LoggerProvider
    from opentelemetry.metrics import Counter, Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

_P = TypeVar("_P")

_NO_SDK = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")

_EVENTS: Final = "event_name" in inspect.signature(_logs.LogRecord.__init__).parameters
"""Whether this OpenTelemetry has log records that are events; older ones have not."""


def _records(part: object) -> bool:
    """Whether a provider, tracer, meter or logger can record: the API package's own cannot.

    Those are the no-op ones, which an SDK that is switched off hands out too, and the proxies of an SDK that is not
    there. The proxy for metrics has no public name, so the package a class comes from decides.
    """
    return not type(part).__module__.startswith(_NO_SDK)


class _Global(Generic[_P]):
    """The global provider of one signal.

    Until one is set the API looks into the environment at every call, which costs more than all else of telling
    nobody. So it is asked once, and from then on as soon as the variable it keeps the provider in holds one; where a
    version of the API has no such variable it is asked every time.
    """

    def __init__(self, ask: Callable[[], _P], variable: str) -> None:
        self._ask = ask
        self._home: dict[str, object] = getattr(ask, "__globals__", {})
        self._variable = variable
        self._asked = False

    def provider(self) -> _P | None:
        """Return the provider; none where nobody has set one."""
        if self._asked and self._home.get(self._variable, self) is None:
            return None
        self._asked = True
        return self._ask()


_TRACES: Final = _Global(trace.get_tracer_provider, "_TRACER_PROVIDER")
_METRICS: Final = _Global(metrics.get_meter_provider, "_METER_PROVIDER")
_LOGS: Final = _Global(_logs.get_logger_provider, "_LOGGER_PROVIDER")


@dataclass(frozen=True, slots=True)
class Instruments:
    """The instruments of one meter provider."""

    provider: MeterProvider
    live: bool
    duration: Histogram
    decisions: Counter
    errors: Counter
    cache: Counter
    coverage: Histogram
    score: Histogram
    distance: Histogram
    log: Counter
    alerts: Counter

    @classmethod
    def of(cls, provider: MeterProvider) -> Self:
        """Make every instrument of the list of names, with the buckets advised there."""
        meter = provider.get_meter(names.SCOPE, __version__)

        def histogram(metric: names.Metric) -> Histogram:
            return meter.create_histogram(
                metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.boundaries
            )

        def counter(metric: names.Metric) -> Counter:
            return meter.create_counter(metric.name, metric.unit, metric.meaning)

        return cls(
            provider=provider,
            live=_records(meter),
            duration=histogram(names.METRIC_DURATION),
            decisions=counter(names.METRIC_DECISIONS),
            errors=counter(names.METRIC_ERRORS),
            cache=counter(names.METRIC_CACHE),
            coverage=histogram(names.METRIC_COVERAGE),
            score=histogram(names.METRIC_SCORE),
            distance=histogram(names.METRIC_DISTANCE),
            log=counter(names.METRIC_LOG),
            alerts=counter(names.METRIC_ALERTS),
        )


class Sources:
    """The given providers, or the global ones as they are at each use. Safe to share between threads."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        """Look at nothing yet."""
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._logger_provider = logger_provider
        self._lock = threading.Lock()
        self._tracer: tuple[TracerProvider, Tracer] | None = None
        self._logger: tuple[LoggerProvider, Logger] | None = None
        self._instruments: Instruments | None = None

    def tracer(self) -> Tracer | None:
        """Return the tracer, where spans can be recorded."""
        provider = self._tracer_provider or _TRACES.provider()
        if provider is None or not _records(provider):
            return None
        known = self._tracer
        if known is None or known[0] is not provider:
            known = self._tracer = (provider, provider.get_tracer(names.SCOPE, __version__))
        return known[1] if _records(known[1]) else None

    def logger(self) -> Logger | None:
        """Return the logger, where events can be recorded as log records."""
        provider = self._logger_provider or _LOGS.provider()
        if provider is None or not _EVENTS or not _records(provider):
            return None
        known = self._logger
        if known is None or known[0] is not provider:
            known = self._logger = (provider, provider.get_logger(names.SCOPE, __version__))
        return known[1] if _records(known[1]) else None

    def instruments(self) -> Instruments | None:
        """Return the instruments, where metrics can be recorded."""
        provider = self._meter_provider or _METRICS.provider()
        if provider is None or not _records(provider):
            return None
        known = self._instruments
        if known is None or known.provider is not provider:
            with self._lock:  # two threads creating one instrument at once would make the SDK warn of a duplicate
                known = self._instruments
                if known is None or known.provider is not provider:
                    known = self._instruments = Instruments.of(provider)
        return known if known.live else None
