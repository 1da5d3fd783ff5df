"""The tracer, instruments and logger of the installed SDK, or nothing if there is none."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar

from opentelemetry import _logs, metrics, trace

from guardsdk.forking import after_fork
from guardsdk.telemetry import names
from guardsdk.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry._logs import Logger, LoggerProvider
    from opentelemetry.metrics import Counter, Histogram, MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

_P = TypeVar("_P")
_T = TypeVar("_T")

_NO_SDK = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs")

_EVENTS: Final = "event_name" in inspect.signature(_logs.LogRecord.__init__).parameters
"""Whether this OpenTelemetry version has log records that are events; older ones do not."""


def _records(part: object) -> bool:
    """Whether a provider, tracer, meter or logger can record; those of the API package cannot.

    Those are the no-op ones, which a disabled SDK returns as well, and the proxies used without an SDK. The proxy for
    metrics has no public name, so this tests the package its class comes from.
    """
    return not type(part).__module__.startswith(_NO_SDK)


class _Global(Generic[_P]):
    """The global provider of one signal.

    Until one is set, the API reads the environment at every call, which costs more than everything else in reporting to
    nobody. So it is asked once, and again as soon as the private variable that holds the provider is set. If a version
    of the API has no such variable, it is asked every time.
    """

    def __init__(self, ask: Callable[[], _P], variable: str) -> None:
        self._ask = ask
        self._home: dict[str, object] = getattr(ask, "__globals__", {})
        self._variable = variable
        self._asked = False

    def provider(self) -> _P | None:
        """Return the provider; ``None`` if none was set."""
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
    def of(cls, provider: MeterProvider) -> Self | None:
        """Create every listed instrument, with its advised buckets; ``None`` if the provider cannot record."""
        meter = provider.get_meter(names.SCOPE, __version__)
        if not _records(meter):
            return None

        def histogram(metric: names.Metric) -> Histogram:
            return meter.create_histogram(
                metric.name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=metric.boundaries
            )

        def counter(metric: names.Metric) -> Counter:
            return meter.create_counter(metric.name, metric.unit, metric.meaning)

        return cls(
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


class _Part(Generic[_P, _T]):
    """What is created from a provider, once per provider; ``None`` if it cannot record."""

    def __init__(self, given: _P | None, everywhere: _Global[_P], make: Callable[[_P], _T | None]) -> None:
        self._given = given
        self._everywhere = everywhere
        self._make = make
        self._known: tuple[_P, _T | None] | None = None
        self._maker: int | None = None
        """The thread that is creating it."""
        self._renew()
        after_fork(self._renew)

    def _renew(self) -> None:
        """In a forked child: a thread of the parent may have been creating it while holding the lock."""
        self._lock, self._maker = threading.Lock(), None

    def get(self) -> _T | None:
        """Return it for the given provider, or for the current global one."""
        provider = self._everywhere.provider() if self._given is None else self._given
        if provider is None:
            return None
        known = self._known
        if known is None or known[0] is not provider:
            if self._maker == threading.get_ident():  # the SDK logs something, and a log handler has that checked
                return None
            with self._lock:  # two threads creating the same instrument would make the SDK warn of a duplicate
                self._maker = threading.get_ident()
                try:
                    known = self._known
                    if known is None or known[0] is not provider:
                        known = self._known = (provider, self._make(provider) if _records(provider) else None)
                finally:
                    self._maker = None
        return known[1]


def _tracer(provider: TracerProvider) -> Tracer | None:
    found = provider.get_tracer(names.SCOPE, __version__)
    return found if _records(found) else None


def _logger(provider: LoggerProvider) -> Logger | None:
    found = provider.get_logger(names.SCOPE, __version__)
    return found if _EVENTS and _records(found) else None


class Sources:
    """The given providers, or whatever global ones are set at each use. Thread-safe."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        """Do not look up any provider yet."""
        self.tracer = _Part(tracer_provider, _TRACES, _tracer).get
        """Returns the tracer, if spans can be recorded."""
        self.logger = _Part(logger_provider, _LOGS, _logger).get
        """Returns the logger, if events can be recorded as log records."""
        self.instruments = _Part(meter_provider, _METRICS, Instruments.of).get
        """Returns the instruments, if metrics can be recorded."""
